"""A stream, read as it comes or all at once: its events, put together."""

from collections.abc import Iterable
from typing import Final

from chatreel.wire.reassemble import Reassembler
from chatreel.wire.spoken import Spoken, summed
from chatreel.wire.sse import Event, SSEParser

_EVENT_END: Final = b"\n\n"
"""As a rule."""


class StreamReader:
    """Bytes in, in pieces of any size, which change nothing about what comes of them. Raises nothing."""

    def __init__(self, *, lenient: bool = False) -> None:
        """`lenient`: see `SSEParser`."""
        self.assembler = Reassembler()
        """What has been read, but for what `feed` keeps back."""
        self.size = 0
        """Bytes that it was given."""
        self._parser = SSEParser(lenient=lenient)
        self._rest = b""
        """An event that is not whole yet."""
        self._ends: list[int] = []

    def feed(self, data: bytes) -> None:
        """Read what comes next, up to the last event that is whole."""
        self.size += len(data)
        text = self._rest + data
        cut = text.rfind(_EVENT_END) + len(_EVENT_END)
        if cut < len(_EVENT_END):
            cut = 0
        self._rest = text[cut:]
        self._read(text[:cut])

    def close(self) -> Spoken:
        """That was all; what of it is anything of the answer."""
        rest, self._rest = self._rest, b""
        self._read(rest)
        self._take(self._parser.close())
        return summed(self._ends)

    def _read(self, data: bytes) -> None:
        before, at = self._parser.position, 0
        while at < len(data):
            if run := self.assembler.add_run(data, at):
                self._parser.skip(run.end - at)
                at = run.end
                self._ends += [before + run.first, *[before + run.last] * (run.events - 1)] if run.events else []
            else:
                found = data.find(_EVENT_END, at)
                end = len(data) if found < 0 else found + len(_EVENT_END)
                self._take(self._parser.events(data[at:end]))
                at = end

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            self.assembler.add(event)
            if self.assembler.said:
                self._ends.append(self._parser.position)
