"""Reading payloads that are differences to others, which may be differences themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from chatreel.errors import StoreError
from chatreel.store.coding import OF_TWO, decode


class Chains:
    """Decodes each payload once, and keeps a content only as long as another is built on it."""

    def __init__(self, rows: Mapping[int, Any]) -> None:
        """`rows`: id, digest, codec, data and base of payloads and of all that they are built on, by id."""
        self._rows = rows
        self._contents: dict[int, bytes] = {}
        self._uses = Counter(one for row in rows.values() for one in self._dictionary_of(row))

    def contents(self, wanted: Iterable[int]) -> dict[int, bytes]:
        """Contents by id. Raises `StoreError` if one, or what it is built on, is missing or damaged."""
        ids = set(wanted)
        self._uses.update(ids)
        for end in ids:
            for one in reversed(self._way_down(end)):
                self._decode(one)
        return {one: self._contents[one] for one in ids}

    def _way_down(self, end: int) -> list[int]:
        """What has to be decoded, from the last to the first."""
        way: list[int] = []
        one: int | None = end
        while one is not None and one not in self._contents:
            if one in way:
                raise StoreError(f"payload {one} is damaged: it is a difference to itself")
            if one not in self._rows:
                raise StoreError(f"the store has lost payload {one}, which {way[-1]} is a difference to")
            way.append(one)
            one = self._rows[one].base
        return way

    def _decode(self, end: int) -> None:
        row = self._rows[end]
        below = self._dictionary_of(row)
        dictionary = b"".join(self._contents[one] for one in below)
        self._contents[end] = decode(end, row.digest, row.codec, row.data, dictionary)
        for one in below:
            self._uses[one] -= 1
            if not self._uses[one]:
                del self._contents[one]

    def _dictionary_of(self, row: Any) -> list[int]:
        """Ids of the contents that are the dictionary, in order."""
        if row.base is None:
            return []
        base = self._rows.get(row.base)
        return [base.base, row.base] if row.codec in OF_TWO and base and base.base is not None else [row.base]
