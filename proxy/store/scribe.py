"""Recordings that come fast are written by a process of its own: the event loop needs the interpreter for itself.

The thread that writes hands over what it would have inserted, waits, and is told the ids; all else, who waits for what,
in which order, and what failed, stays with that thread. So there is one who writes at a time, as there was before.

The process ends when its end of the socket does, and by no other signal than a kill: it has written then what it was
given. What goes over the socket is pickled, as it passes between two processes of ours that nobody else can reach.
"""

import logging
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from chatreel.errors import StoreError
from chatreel.model import Identity, Piece, Recording, WireForm
from chatreel.store.breaker import Unreachable
from chatreel.store.place import StoreFile

_MODULE = "chatreel.store.scribe_process"

_HUNG = 60.0
"""Seconds without a word after which the process is given up: it waits for others for a few seconds at most."""

_ENDING = 10.0
"""Seconds for it to end once it has nothing to do any more."""

_USUAL = sys.getswitchinterval()
_POLITE = 0.0005
"""Seconds after which a thread lets another go on that waits for the interpreter's lock; usually it is 5 ms. The thread
that writes only passes things on while there is a process, and both sides wait for it."""

_DEAF_TO = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, "pthread_sigmask")
)
"""Signals that a terminal or a supervisor may send to all processes of a proxy; empty where they cannot be blocked."""

logger = logging.getLogger(__name__)

type Flat = tuple[Any, ...]
"""A recording in values of no class: that takes a tenth of the time to pickle."""

_PLAIN = tuple(one.name for one in fields(Recording) if one.name not in ("identity", "form", "pieces"))
_VALUES = attrgetter(*_PLAIN)


@dataclass(frozen=True, slots=True)
class Task:
    """What such a process has to know."""

    location: str
    """Of a store in a file."""
    file: StoreFile
    """Its file, in use: another one in its place is not written to."""
    keyed_by: str
    memory: int
    """Bytes of contents that it remembers because others may be differences to them."""


@dataclass(frozen=True, slots=True)
class Haste:
    """When there is such a process."""

    fast: int = 150
    """Recordings in a second."""
    lasting: int = 2
    """Seconds of that kind, one after the other: a start takes as much work as a thousand recordings and more."""
    idle: float = 10.0
    """Seconds without a recording after which it ends."""
    again: float = 60.0
    """Seconds to wait after one has failed."""


USUAL_HASTE = Haste()


class Lost(Unreachable):
    """Nobody knows what became of what was handed over."""


class Unsent(Exception):  # noqa: N818 - says what it is
    """It was not handed over as a whole, so it is not written: somebody else may."""


class Scribe:
    """The process, if there is one. Used by the thread that writes."""

    def __init__(self, task: Task | None, haste: Haste, clock: Callable[[], float] = time.monotonic) -> None:
        """`task`: `None` if there is never such a process."""
        self._task = task if _DEAF_TO else None
        self._haste = haste
        self._clock = clock
        self._child: _Child | None = None
        self._not_before = self._since = self._last = clock()
        self._count = self._seconds = 0
        self.is_writing = False
        """Whether recordings are to be handed over."""

    @property
    def patience(self) -> float | None:
        """Seconds until it has to be looked after again, if nothing comes."""
        return None if self._child is None else max(0.0, self._last + self._haste.idle - self._clock())

    def notice(self, recordings: int) -> None:
        """So many have come. Has the process start, take over, or end."""
        now = self._clock()
        fast = self._is_fast(recordings, now)
        if recordings:
            self._last = now
        if self._child is not None and now - self._last >= self._haste.idle:
            self.close()
        elif self._child is None:
            if self._task and fast and now >= self._not_before:
                self._start(self._task)
        elif not self.is_writing and self._child.has_spoken():
            self._take_over(self._child)

    def _is_fast(self, recordings: int, now: float) -> bool:
        """Whether they come fast, and have for a while, with so many more."""
        gone = now - self._since
        if gone >= 1:
            self._seconds = self._seconds + 1 if self._count >= self._haste.fast and gone < 2 else 0
            self._since, self._count = now, 0
        self._count += recordings
        return self._count >= self._haste.fast and self._seconds + 1 >= self._haste.lasting

    def write(self, several: Sequence[Recording], patience: float) -> list[int]:
        """The ids of recordings, committed. `patience`: seconds to wait for others who write.

        Raises `StoreError` if they cannot be written, `Unreachable` if that could not even be tried, `Lost`, `Unsent`.
        """
        child = self._child
        if child is None:
            raise Unsent
        try:
            child.say(([flat(one) for one in several], patience))
        except Exception as error:  # whatever it is, what it has got until now must not be the beginning of the next
            self._give_up(f"it cannot be reached: {error}")
            raise Unsent from error
        try:
            reply: list[int] | StoreError = child.hear()
        except Exception as error:  # nor must this answer be taken for that to the next
            self._give_up(str(error) or type(error).__name__)
            raise Lost(
                "the process that writes recordings has ended before it said whether this one is stored; it may be. "
                "What comes next is written without it."
            ) from error
        if isinstance(reply, StoreError):
            raise reply
        return reply

    def close(self) -> None:
        """Have the process end, which has nothing to do."""
        was_ready, child = self.is_writing, self._let_go()
        if child and was_ready:
            child.end()
        elif child:
            child.kill()  # it would import for a while before it noticed, and nothing was given to it

    def _start(self, task: Task) -> None:
        try:
            self._child = _Child()
            self._child.say(task)
        except Exception as error:  # the thread has to go on
            self._give_up(str(error))

    def _take_over(self, child: "_Child") -> None:
        try:
            wrong: StoreError | None = child.hear()
        except Exception:
            self._give_up("it ended at once; see above")
            return
        if wrong:
            self._give_up(str(wrong))
        else:
            self.is_writing = True
            sys.setswitchinterval(_POLITE)

    def _let_go(self) -> "_Child | None":
        """The process, which is nobody's from now on."""
        if self.is_writing:
            sys.setswitchinterval(_USUAL)
        child, self._child, self.is_writing = self._child, None, False
        return child

    def _give_up(self, reason: str) -> None:
        """Without it, for a while. It does not write any more when this returns."""
        self._not_before = self._clock() + self._haste.again
        child = self._let_go()
        how = child.kill() if child else ""
        logger.warning("recordings are written without a process of its own%s: %s", how, reason)


class _Child:
    """The process and the way to it."""

    def __init__(self) -> None:
        """Raises `OSError`."""
        self._socket, theirs = socket.socketpair()
        try:
            # Its working folder holds whatever it holds, and is not to be imported from (-P). What it says, it says as
            # the proxy does on standard error; the other output is the proxy's alone.
            command = [sys.executable, "-P", "-m", _MODULE]
            with theirs, _deaf():
                self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_HUNG)
        self._in, self._out = self._socket.makefile("rb"), self._socket.makefile("wb")

    def has_spoken(self) -> bool:
        """Whether it has said something, or has ended."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        finally:
            self._socket.settimeout(_HUNG)
        return True

    def say(self, what: object) -> None:
        """Raises `OSError` if it has not got all of it."""
        pickle.dump(what, self._out, pickle.HIGHEST_PROTOCOL)
        self._out.flush()

    def hear(self) -> Any:
        """Raises `OSError`, `EOFError` or `pickle.UnpicklingError` if it has ended, or says nothing."""
        return pickle.load(self._in)  # noqa: S301 - of a process of ours

    def end(self) -> None:
        """Wait until it has noticed that there is nothing more to come."""
        self._hang_up()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> str:
        """End it at once, if it has not ended; how it did, for a message."""
        self._process.kill()
        code = self._process.wait()
        self._hang_up()
        return f", process {self._process.pid}, which ended with code {code}"

    def _hang_up(self) -> None:
        for one in (self._in, self._out, self._socket):
            with suppress(OSError):  # what it still was to be told
                one.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started in the block never hears of the signals that end a proxy."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF_TO)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def flat(one: Recording) -> Flat:
    """A recording to hand over."""
    at, size = [piece.at for piece in one.pieces], [piece.size for piece in one.pieces]
    return (*_VALUES(one), *one.identity, one.form.value, at, size)


def whole(values: Flat) -> Recording:
    """The recording again."""
    *plain, key, document, form, at, size = values
    return Recording(
        **dict(zip(_PLAIN, plain, strict=True)),
        identity=Identity(key, document),
        form=WireForm(form),
        pieces=tuple(map(Piece, at, size)),
    )
