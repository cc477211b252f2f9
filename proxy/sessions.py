"""The sessions of a proxy: the default one, which flags and settings describe, and those that clients open."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from chatreel.api_errors import ApiError, Problem, Refusal
from chatreel.budget import Allowance
from chatreel.cassette_file import CassetteFile
from chatreel.decide import mode_at_start
from chatreel.errors import CassetteError, StoreError
from chatreel.model import Mode, Outcome
from chatreel.recordings import Recordings, StoreRecordings
from chatreel.request import Keys
from chatreel.session import DEFAULT_OPTIONS, Options, Session
from chatreel.store import Store
from chatreel.tally import Tally

LIMIT = 1_000
"""Sessions open at once: a test runner that never closes any is told so before the memory is gone."""

_READING = frozenset({Mode.REPLAY, Mode.PASSTHROUGH})
"""Modes in which nothing is recorded."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session shall be."""

    mode: Mode
    options: Options = DEFAULT_OPTIONS
    name: str = ""
    cassette: Path | None = None
    """`None`: the working store."""
    rewrite: bool = False
    """Whether what is recorded takes the place of all that the cassette held."""
    alias: str = ""
    """A second name for clients to reach it by, which the next session can take over: clients outlive sessions."""


class Sessions:
    """Opens, finds and closes them."""

    def __init__(self, store: Store, keys: Keys, allowances: tuple[Allowance, ...] = (), *, workers: int = 1) -> None:
        """`allowances`: what all of them together may spend. `workers`: processes among which calls are spread."""
        self.workers = workers
        self._store = store
        self._allowances = allowances
        self.keys = keys
        self._open: dict[str, Session] = {}
        self._aliases: dict[str, str] = {}
        """Alias -> id."""
        self._writers: dict[Path, str] = {}
        """Who records into which file: one at a time, as each writes all of it."""
        self._rewriting: set[str] = set()
        """Sessions in which recordings shall give way that are there."""
        self._closed = Tally()
        self.default = Session(Mode.REPLAY, StoreRecordings(store))

    @property
    def tally(self) -> Tally:
        """What all calls came to, in all sessions."""
        total = Tally()
        for tally in (self._closed, self.default.tally, *(session.tally for session in self._open.values())):
            total.add(tally)
        return total

    def get(self, session_id: str) -> Session | None:
        """The open session of that id, or with that alias."""
        return self._open.get(session_id) or self._open.get(self._aliases.get(session_id, ""))

    def all(self) -> list[Session]:
        """Those that clients have opened, the oldest first."""
        return list(self._open.values())

    async def open_default(self, wish: Wish) -> None:
        """Replace the default session, which has an id if it has a name. Raises `CassetteError` or `StoreError`."""
        self.default = await self._make(wish, secrets.token_hex(8) if wish.name else "")

    async def open(self, wish: Wish) -> Session:
        """Raises `Refusal`."""
        if self.workers > 1:
            message = (
                f"this proxy has {self.workers} workers, and a session lives in one of them: its calls would not find "
                "it. Start chatreel without --workers."
            )
            raise Refusal(ApiError(Problem.SEVERAL_WORKERS, message))
        if len(self._open) >= LIMIT:
            message = f"{LIMIT:,} sessions are open already. Close those that are done: DELETE /_chatreel/sessions/ID"
            raise Refusal(ApiError(Problem.TOO_MANY_SESSIONS, message))
        session_id = secrets.token_hex(8)
        try:
            session = await self._make(wish, session_id)
        except (CassetteError, StoreError) as error:
            raise Refusal(ApiError(Problem.CASSETTE_UNUSABLE, str(error), "cassette")) from error
        self._open[session_id] = session
        if wish.alias:
            self._aliases[wish.alias] = session_id
        return session

    async def close(self, session: Session) -> None:
        """No call comes in any more; when this returns, what was recorded is on disk."""
        if self._open.pop(session.id, None) or session is self.default:
            session.is_open = False
            await session.recordings.close()
            if session.id in self._rewriting and not session.tally.outcomes[Outcome.RECORDED]:
                session.journal.warn(f"nothing was recorded, so {session.cassette} still holds what it held")
            self._rewriting.discard(session.id)
            self._writers = {path: owner for path, owner in self._writers.items() if owner != session.id}
            self._aliases = {alias: owner for alias, owner in self._aliases.items() if owner != session.id}
            await self.settled()
            self._closed.add(session.tally)

    async def settled(self) -> None:
        """What the calls cost that are over has been counted."""
        await self._store.calls.settled()

    async def close_all(self) -> None:
        for session in self.all():
            await self.close(session)
        await self.default.recordings.close()
        await self.settled()

    async def _make(self, wish: Wish, session_id: str) -> Session:
        wish = replace(wish, name=self.keys.redactor.text(wish.name))
        if wish.cassette is None:
            asks = wish.mode is Mode.ONCE  # all others are what they are, without a look at the database
            mode = mode_at_start(wish.mode, recorded_before=asks and await self._store.count("") > 0)
            return self._session(wish, mode, StoreRecordings(self._store), session_id)
        path = wish.cassette.absolute()
        mode = mode_at_start(wish.mode, recorded_before=path.exists())
        writes = mode not in _READING
        if writes:
            self._reserve(path.resolve(), session_id)
        try:
            cassette = await asyncio.to_thread(CassetteFile, path, self.keys, writes=writes, from_scratch=wish.rewrite)
        except BaseException:
            if writes:
                del self._writers[path.resolve()]
            raise
        session = self._session(replace(wish, cassette=path), mode, cassette, session_id)
        if wish.rewrite and cassette.existed:
            self._rewriting.add(session_id)
        if not cassette.existed and not writes:
            session.journal.warn(f"the cassette {path} does not exist, so nothing can be replayed from it")
        return session

    def _reserve(self, path: Path, session_id: str) -> None:
        if path in self._writers:
            message = f"another session records into {path}; close it first, or open this one with the mode `replay`"
            raise Refusal(ApiError(Problem.CASSETTE_IN_USE, message, "cassette"))
        self._writers[path] = session_id

    def _session(self, wish: Wish, mode: Mode, recordings: Recordings, session_id: str) -> Session:
        cassette = "" if wish.cassette is None else str(wish.cassette)
        options = wish.options
        if mode is not Mode.CACHE:  # whoever replays wants what there is
            options = replace(options, freshness=replace(options.freshness, ttl=None))
        shared = self._allowances
        return Session(
            mode,
            recordings,
            options,
            id=session_id,
            name=wish.name,
            cassette=cassette,
            shared=shared,
            counts_turns=self.workers == 1,
        )
