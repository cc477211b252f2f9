"""A cassette file as recordings: all of it in memory, and on disk before a client has the end of its answer.

The text is written beside the file and put into its place, so that a reader sees the old one or the new one and never
half of it. One thread writes; what comes in meanwhile goes into the next text.
"""

import asyncio
from dataclasses import replace
from functools import partial
from hashlib import sha256
from heapq import nlargest
from pathlib import Path

from chatreel import secret_patterns
from chatreel.atomic import put_into_place
from chatreel.canonical import keyed_by
from chatreel.errors import CassetteError, StoreError
from chatreel.formats.cassette import MARK, Block, Unread, assemble, block, load, unread
from chatreel.model import Neighbour, Recording, Replayable, Take
from chatreel.request import Kept, Keys
from chatreel.sketch import marks
from chatreel.store.foretelling import Foretold


class CassetteFile:
    """Recordings in a text file. Their ids are their places, and hold as long as it is open."""

    shared = False

    def __init__(self, path: Path, keys: Keys, *, writes: bool, from_scratch: bool = False) -> None:
        """Read `path`; none is a cassette without recordings. `from_scratch`: whatever is in it gives way.

        Raises `CassetteError` naming path and line, `StoreError` if it cannot be read.
        """
        self.path = path
        self._keys = keys
        self._keyed_by = keyed_by(keys.options)
        self._redact = partial(secret_patterns.replace, shapes=keys.redactor.shapes)
        self._writes = writes
        self._closed = False
        content = _read(path)
        self.existed = content is not None
        """Whether there was a file at the start."""
        self._on_disk = _digest(content)
        self._recordings: dict[int, Recording] = {}
        self._replayables: dict[int, Replayable] = {}
        self._unread: dict[int, Unread] = {}
        """Those that nobody has needed yet: reading a thousand takes the time of a hundred calls."""
        self._blocks: dict[int, Block] = {}
        self._by_key: dict[str, list[int]] = {}
        self._arriving: list[tuple[Recording, int | None, asyncio.Future[Recording]]] = []
        self._writing: asyncio.Task[None] | None = None
        if content is not None and not from_scratch:
            self._index(content)
        elif content and MARK not in content[:200]:
            raise CassetteError(f"{path} is no cassette, so nothing is written over it")

    async def takes(self, key: str) -> tuple[Take, ...]:
        return self.takes_at_once(key)

    def takes_at_once(self, key: str) -> tuple[Take, ...]:
        found = [self._read(number) for number in self._by_key.get(key, ())]
        # The key that stands in the file says where to look, the one that is made anew whether it is found.
        return tuple(Take(one.id, one.form, one.status >= 400) for one in found if one.identity.key == key)

    async def load(self, recording_id: int) -> Recording:
        return self._read(recording_id)

    async def replayable(self, recording_id: int) -> Replayable:
        return self.replayable_at_once(recording_id)

    def replayable_at_once(self, recording_id: int) -> Replayable:
        known = self._replayables.get(recording_id)
        if known is None:
            known = self._replayables[recording_id] = self._read(recording_id).replayable
        return known

    async def add(
        self,
        recording: Recording,
        *,
        instead_of: int | None = None,
        foretold: Foretold | None = None,  # noqa: ARG002 - a test that has its answer may look into the file
    ) -> Recording:
        if not self._writes or self._closed:
            raise StoreError(f"the cassette {self.path} is {'closed' if self._closed else 'only read'}")
        future: asyncio.Future[Recording] = asyncio.get_running_loop().create_future()
        self._arriving.append((recording, instead_of, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await asyncio.shield(future)

    def prepare(self, kept: Kept) -> None:
        """Nothing takes time."""

    async def near(self, document: bytes, limit: int) -> list[Neighbour]:
        asked = marks(document, "")
        recordings = await self.listed()
        rated = [(len(asked & marks(one.identity.document, "")), one.id) for one in recordings]
        nearest = [self._recordings[number] for rate, number in nlargest(limit, rated) if rate]
        return [Neighbour(o.id, o.identity.key, o.model, o.recorded_at, o.identity.document) for o in nearest]

    async def count(self) -> int:
        return len(self._recordings) + len(self._unread)

    async def listed(self) -> tuple[Recording, ...]:
        return tuple(self._read(number) for number in self._numbers())

    async def acquire(self, key: str, owner: str, seconds: float) -> bool:  # noqa: ARG002 - one proxy writes a file
        return True

    async def release(self, key: str, owner: str) -> None:
        """Nothing was acquired."""

    async def close(self) -> None:
        """What was added is on disk when this returns; nothing more can be added."""
        self._closed = True
        if self._writing:
            await asyncio.wait([self._writing])

    def _index(self, content: bytes) -> None:
        found = unread(content, self._keys)
        if found is None:
            for number, recording in enumerate(_load(self.path, content, self._keys), 1):
                self._put(replace(recording, id=number))
            return
        for number, one in enumerate(found, 1):
            self._unread[number] = one
            self._by_key.setdefault(one.key, []).append(number)

    def _numbers(self) -> list[int]:
        return sorted(self._recordings.keys() | self._unread.keys())

    def _read(self, number: int) -> Recording:
        if number in self._unread:
            self._recordings[number] = _load_one(self.path, self._unread[number], self._keys, number)
            del self._unread[number]
        return self._recordings[number]

    def _put(self, recording: Recording) -> None:
        before = self._recordings.get(recording.id)
        self._recordings[recording.id] = recording
        self._replayables.pop(recording.id, None)
        if before is None:
            self._by_key.setdefault(recording.identity.key, []).append(recording.id)

    async def _write(self) -> None:
        """Write until nothing is waiting any more."""
        try:
            while batch := self._arriving:
                self._arriving = []
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: list[tuple[Recording, int | None, asyncio.Future[Recording]]]) -> None:
        numbered: list[Recording] = []
        free = max(self._numbers(), default=0)
        for recording, instead_of, _ in batch:
            free += instead_of is None
            numbered.append(replace(recording, id=instead_of or free))
        try:
            every: dict[int, Recording | Unread] = {**self._unread, **self._recordings}
            every |= {recording.id: recording for recording in numbered}
            await asyncio.to_thread(self._replace_file, every, {recording.id for recording in numbered})
        except Exception as error:
            failure = error if isinstance(error, StoreError) else StoreError(_failure(self.path, error))
            for *_, future in batch:
                future.set_exception(failure)
            return
        for recording, (*_, future) in zip(numbered, batch, strict=True):
            self._put(recording)
            future.set_result(recording)

    def _replace_file(self, every: dict[int, Recording | Unread], changed: set[int]) -> None:
        """Runs in a thread; nothing else touches the blocks meanwhile."""
        if _digest(_read(self.path)) != self._on_disk:
            raise StoreError(
                f"the cassette {self.path} was changed by another program since it was opened, so nothing is written "
                "over it. Open the session anew to record into what it is now."
            )
        made: dict[int, Block] = {}
        for number in changed | every.keys() - self._blocks.keys():
            one = every[number]
            recording = _load_one(self.path, one, self._keys, number) if isinstance(one, Unread) else one
            made[number] = block(recording, self._keyed_by, self._redact)
        content = assemble((self._blocks | made).values(), self._keyed_by)
        put_into_place(self.path, content)
        self._blocks |= made
        self._on_disk = _digest(content)


def read_cassette(path: Path, keys: Keys) -> tuple[Recording, ...]:
    """What a file holds; nothing if there is none. Raises `CassetteError` or `StoreError` as to open it would."""
    content = _read(path)
    return () if content is None else _load(path, content, keys)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the cassette {path} cannot be read: {error.strerror}") from error


def _load(path: Path, content: bytes, keys: Keys) -> tuple[Recording, ...]:
    try:
        return load(content, keys).recordings
    except CassetteError as error:
        raise CassetteError(f"{path}: {error}") from error


def _load_one(path: Path, unread: Unread, keys: Keys, number: int) -> Recording:
    [recording] = _load(path, unread.cassette, keys)
    return replace(recording, id=number)


def _digest(content: bytes | None) -> bytes | None:
    return None if content is None else sha256(content).digest()


def _failure(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"the cassette {path} cannot be written: {reason}"
