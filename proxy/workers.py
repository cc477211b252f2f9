"""`serve --workers N`: N processes, each a whole proxy, on one port and one store, and one that looks after them.

The system spreads connections over them (`SO_REUSEPORT`). What they share lies in the store: recordings, which each
sees within a second; the log, which budgets are read from; leases, by which one of them fetches what all miss. What
lies in a process cannot be had: sessions, turns of takes, cassettes; the settings and the control API refuse those.

The first worker starts alone, as it may have to make the store and the certificates. One that dies is replaced; what it
had not written yet its successor writes. Each ends with the one that looks after them, however that ends.
"""

import asyncio
import logging
import multiprocessing
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from chatreel.config import Settings
from chatreel.errors import ChatreelError, ServeError
from chatreel.event_loop import loop_factory
from chatreel.parent import ended
from chatreel.server import Listening, import_engine, running_proxy
from chatreel.store.later import import_all
from chatreel.tally import Tally

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 20.0
"""Seconds for a worker to end once it was told to."""

_FORK = multiprocessing.get_context("fork")
"""What is imported is imported once, and a worker starts in a fraction of the time."""

logger = logging.getLogger(__name__)


class _Stop(Exception):  # noqa: N818 - no error
    """Somebody wants all to end."""


@dataclass(slots=True)
class _Worker:
    """A process, as the one knows it that looks after it."""

    number: int
    process: ForkProcess
    told: Connection
    """`Listening`, or why that did not come about; at the end its `Tally`."""


@dataclass(slots=True)
class Crew:
    """All workers of a proxy."""

    settings: Settings
    parent: int | None
    """Process with which all end."""
    _run: str = field(default_factory=lambda: secrets.token_hex(4))
    _workers: list[_Worker] = field(default_factory=list)
    _tally: Tally = field(default_factory=Tally)

    def serve(self, announce: Callable[[Listening], None]) -> Tally:
        """Serve until a signal says to end; what all calls came to. Raises `ChatreelError` if it cannot start.

        `announce` is called once all workers listen. Calls of workers that were killed are not in the tally.
        """
        import_engine()  # once for all
        import_all()
        with _held_ports(self.settings) as settings, _stopped_by_signals():
            self.settings = settings
            try:
                said = self._start(1)
                for number in range(2, settings.workers + 1):
                    self._start(number)
                announce(said)
                while True:
                    self._look_after()
            except _Stop:
                pass
            finally:
                self._end()
        return self._tally

    def _start(self, number: int) -> Listening:
        """A worker that listens. Raises `ChatreelError`."""
        told, tell = _FORK.Pipe(duplex=False)
        name = f"{self._run}.{number}:"
        task = (self.settings, name, tell, (os.getpid(), self.parent))
        process = _FORK.Process(target=_work, args=task, name=f"chatreel-worker-{number}", daemon=True)
        with _blocked_signals():
            process.start()
            self._workers.append(_Worker(number, process, told))
        tell.close()  # so that the pipe ends with the worker
        try:
            said = told.recv()
        except EOFError:
            process.join()
            raise ServeError(f"worker {number} {_how(process)} before it listened; see above") from None
        if isinstance(said, Listening):
            return said
        raise said

    def _look_after(self) -> None:
        """Wait for a worker to end, and replace it. Raises `_Stop` if it was told to end."""
        over = wait([worker.process.sentinel for worker in self._workers])
        for worker in [one for one in self._workers if one.process.sentinel in over]:
            self._workers.remove(worker)
            worker.process.join()
            if not worker.process.exitcode:
                self._count(worker)
                raise _Stop
            logger.warning("worker %d %s; another takes its place", worker.number, _how(worker.process))
            worker.told.close()
            self._start(worker.number)

    def _end(self) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
            self._count(worker)

    def _count(self, worker: _Worker) -> None:
        with suppress(EOFError, OSError):
            while worker.told.poll():
                if isinstance(said := worker.told.recv(), Tally):
                    self._tally.add(said)
        worker.told.close()


def _work(settings: Settings, name: str, tell: Connection, watched: tuple[int, int | None]) -> None:
    """What a worker does."""
    asyncio.run(_proxy(settings, name, tell, watched), loop_factory=loop_factory())


async def _proxy(settings: Settings, name: str, tell: Connection, watched: tuple[int, int | None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stopped.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    watches = [loop.create_task(_stop_after(pid, stopped)) for pid in watched if pid is not None]
    try:
        async with running_proxy(settings, name) as proxy:
            tell.send(proxy.listening)
            await stopped.wait()
        with suppress(OSError):  # nobody may be there to hear it
            tell.send(proxy.tally)
    except ChatreelError as error:
        tell.send(error)
    finally:
        for watch in watches:
            watch.cancel()


async def _stop_after(pid: int, stopped: asyncio.Event) -> None:
    await ended(pid)
    stopped.set()


@contextmanager
def _held_ports(settings: Settings) -> Iterator[Settings]:
    """The settings with ports that nobody else can take until the end of the block. Raises `ServeError`."""
    with ExitStack() as held:
        ports = {
            name: held.enter_context(_held(settings.host, port)).getsockname()[1]
            for name, port in (("port", settings.port), ("proxy_port", settings.proxy_port))
            if port is not None
        }
        yield replace(settings, **ports)


def _held(host: str, port: int) -> socket.socket:
    """A socket that does not listen, on a port on which nobody listens. Raises `ServeError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as alone:  # which another proxy's shared port refuses
            port = alone.getsockname()[1]
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        raise ServeError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port (0: any free one)."
        ) from error
    return held


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Signals raise `_Stop` in the block."""

    def stop(*_: object) -> None:
        raise _Stop

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """A worker must not take a signal for its own before it can act on it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _how(process: ForkProcess) -> str:
    code = process.exitcode or 0
    return f"(process {process.pid}) was ended by signal {-code}" if code < 0 else f"ended with code {code}"
