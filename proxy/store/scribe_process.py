"""The process that writes recordings while they come fast. Started by `chatreel.store.scribe`, which says why.

On the socket that is its standard input it hears a `Task`, says `None` once it is ready, or what is wrong; from then on
it hears recordings, and says their ids, or what went wrong with all of them. It ends when there is nothing to hear.
"""

import gc
import pickle
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, cast

from sqlalchemy import Engine

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.store import database, recordings
from chatreel.store.bases import Bases
from chatreel.store.breaker import Unreachable
from chatreel.store.later import import_all
from chatreel.store.scribe import Task, whole
from chatreel.store.writer import said

_OVER = (OSError, EOFError, pickle.UnpicklingError)
"""What there is to hear when the other process has ended, maybe in the middle of a word."""


def main() -> int:
    """Write what comes, to the end."""
    with socket.socket(fileno=sys.stdin.fileno()) as channel:
        hear, say = channel.makefile("rb"), channel.makefile("wb")
        with suppress(*_OVER):
            _serve(channel, hear, cast("BinaryIO", say))
    return 0


def _serve(channel: socket.socket, hear: BinaryIO, say: BinaryIO) -> None:
    """Raises one of `_OVER` in the end."""
    task: Task = pickle.load(hear)  # noqa: S301 - of the process that has started this one
    import_all()
    try:
        engine = database.open_engine(database.store_url(task.location), task.file)
    except StoreError as error:
        _say(say, error)
        return
    memory = recordings.Memory(Bases(task.memory))
    gc.freeze()
    _say(say, None)
    try:
        while True:
            rows, patience = pickle.load(hear)  # noqa: S301
            several = [whole(row) for row in rows]
            _say(say, _written(channel, engine, several, patience, task.keyed_by, memory))
    finally:
        engine.dispose()


def _written(
    channel: socket.socket,
    engine: Engine,
    several: Sequence[Recording],
    patience: float,
    keyed_by: str,
    memory: recordings.Memory,
) -> list[int] | StoreError:
    """The ids, committed; or why there are none.

    Nothing is written for a proxy that has ended: of what its clients have got it has left a copy, and whoever finds
    that stores it, if it is not there, in a transaction as well.
    """
    began = False
    try:
        with database.writing(engine, patience=patience) as connection:
            began = True
            if _has_ended(channel):
                return StoreError("the proxy has ended")
            return recordings.insert_all(connection, several, keyed_by, memory)
    except Exception as error:  # whatever it is, somebody waits for it
        return StoreError(said(error)) if began else Unreachable(said(error))


def _has_ended(channel: socket.socket) -> bool:
    """Whether nobody is there any more who waits for an answer, and says nothing until it comes."""
    try:
        return not channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def _say(say: BinaryIO, what: object) -> None:
    pickle.dump(what, say, pickle.HIGHEST_PROTOCOL)
    say.flush()


if __name__ == "__main__":
    sys.exit(main())
