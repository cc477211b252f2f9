"""Reading payloads that are differences to others, which may be differences themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from chatreel.errors import StoreError
from chatreel.store.coding import ZSTD_TWO, decode


class Chains:
    """Decodes each payload once, and keeps a content only as long as another is built on it."""

    def __init__(self, rows: Mapping[bytes, Any]) -> None:
        """`rows`: digest, codec, data and base of payloads and of all that they are built on, by digest."""
        self._rows = rows
        self._contents: dict[bytes, bytes] = {}
        self._uses = Counter(digest for row in rows.values() for digest in self._dictionary_of(row))

    def contents(self, wanted: Iterable[bytes]) -> dict[bytes, bytes]:
        """Contents by digest. Raises `StoreError` if one, or what it is built on, is missing or damaged."""
        digests = set(wanted)
        self._uses.update(digests)
        for digest in digests:
            for one in reversed(self._way_down(digest)):
                self._decode(one)
        return {digest: self._contents[digest] for digest in digests}

    def _way_down(self, digest: bytes) -> list[bytes]:
        """What has to be decoded, from the last to the first."""
        way: list[bytes] = []
        one: bytes | None = digest
        while one is not None and one not in self._contents:
            if one in way:
                raise StoreError(f"payload {one.hex()} is damaged: it is a difference to itself")
            if one not in self._rows:
                raise StoreError(f"the store has lost payload {one.hex()}, which {way[-1].hex()} is a difference to")
            way.append(one)
            one = self._rows[one].base
        return way

    def _decode(self, digest: bytes) -> None:
        row = self._rows[digest]
        below = self._dictionary_of(row)
        self._contents[digest] = decode(digest, row.codec, row.data, b"".join(self._contents[one] for one in below))
        for one in below:
            self._uses[one] -= 1
            if not self._uses[one]:
                del self._contents[one]

    def _dictionary_of(self, row: Any) -> list[bytes]:
        """Digests of the contents that are the dictionary, in order."""
        if row.base is None:
            return []
        base = self._rows.get(row.base)
        return [base.base, row.base] if row.codec == ZSTD_TWO and base and base.base is not None else [row.base]
