"""What a session looks its calls up in, and records into: a namespace of the store, or a cassette file."""

from typing import Protocol

from chatreel.model import Neighbour, Recording, Replayable, Take
from chatreel.request import Kept
from chatreel.store import Store
from chatreel.store.foretelling import Foretold


class Recordings(Protocol):
    """Raises `StoreError` from every method that reads or writes."""

    @property
    def shared(self) -> bool:
        """Whether other proxies record into it, too."""

    async def takes(self, key: str) -> tuple[Take, ...]:
        """All takes of a key, in the order of recording."""

    def takes_at_once(self, key: str) -> tuple[Take, ...]:
        """The same without waiting for anybody; empty also if it is not known without."""

    def replayable_at_once(self, recording_id: int) -> Replayable | None:
        """What a hit needs of a recording, if it is at hand."""

    async def load(self, recording_id: int) -> Recording: ...

    async def replayable(self, recording_id: int) -> Replayable:
        """What a hit needs of a recording."""

    async def add(
        self, recording: Recording, *, instead_of: int | None = None, foretold: Foretold | None = None
    ) -> Recording:
        """Store as the newest take of its key, or in the place of another; committed when it returns.

        `foretold`: the call that made it, if its client need not wait for that: see `Store.add`.
        """

    def prepare(self, kept: Kept) -> None:
        """A recording of this request comes soon: what takes time of it may be done now."""

    async def near(self, document: bytes, limit: int) -> list[Neighbour]:
        """Recordings of the same upstream and path that are like a canonical document, the likeliest first."""

    async def count(self) -> int: ...

    async def listed(self) -> tuple[Recording, ...]:
        """All of them, where that is a matter of one test; none of a store."""

    async def acquire(self, key: str, owner: str, seconds: float) -> bool:
        """Whether it is for `owner` to ask the upstream, of all who share the recordings; for so long at most."""

    async def release(self, key: str, owner: str) -> None: ...

    async def close(self) -> None: ...


class StoreRecordings:
    """A namespace of the store; the store itself outlives it."""

    def __init__(self, store: Store, namespace: str = "") -> None:
        self._store = store
        self._namespace = namespace

    @property
    def shared(self) -> bool:
        return self._store.shared

    async def takes(self, key: str) -> tuple[Take, ...]:
        return await self._store.takes(self._namespace, key)

    def takes_at_once(self, key: str) -> tuple[Take, ...]:
        return self._store.takes_at_once(self._namespace, key)

    def replayable_at_once(self, recording_id: int) -> Replayable | None:
        return self._store.replayable_at_once(recording_id)

    async def load(self, recording_id: int) -> Recording:
        return await self._store.load(recording_id)

    async def replayable(self, recording_id: int) -> Replayable:
        return await self._store.replayable(recording_id)

    async def add(
        self,
        recording: Recording,
        *,
        instead_of: int | None = None,  # noqa: ARG002 - the newest counts here
        foretold: Foretold | None = None,
    ) -> Recording:
        return await self._store.add(recording, foretold)

    def prepare(self, kept: Kept) -> None:
        self._store.prepare(self._namespace, kept)

    async def near(self, document: bytes, limit: int) -> list[Neighbour]:
        return await self._store.near(self._namespace, document, limit)

    async def count(self) -> int:
        return await self._store.count(self._namespace)

    async def listed(self) -> tuple[Recording, ...]:
        return ()

    async def acquire(self, key: str, owner: str, seconds: float) -> bool:
        return await self._store.acquire(self._namespace, key, owner, seconds)

    async def release(self, key: str, owner: str) -> None:
        await self._store.release(self._namespace, key, owner)

    async def close(self) -> None:
        """Nothing to do: what was added is committed."""
