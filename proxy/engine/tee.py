"""What a streamed response passes through on its way to the client."""

import re
import time

from chatreel.engine.answers import TOO_LONG
from chatreel.engine.decoding import LIMIT, BrokenCoding, Decoder
from chatreel.model import Piece
from chatreel.wire.usage import UsageRemover

_SENTINEL = b"[DONE]"
_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
_DONE_LINES = (b"data: [DONE]", b"data:[DONE]")


class Tee:
    """mitmproxy's stream callable: every chunk goes on at once, its bytes and arrival time are kept.

    Only the end is held back, so that the recording can be stored before the client knows that it has everything: the
    `[DONE]` line, and the last bytes of a body whose length was announced. Calling with `b""` (end of the message)
    releases it.
    """

    def __init__(
        self,
        forwarded: float,
        *,
        length: int | None = None,
        hide_usage: bool = False,
        decoder: Decoder | None = None,
    ) -> None:
        """`forwarded`: when the request went upstream, on `time.perf_counter`. `length`: announced bytes, if any.

        `hide_usage`: keep from the client the usage that it did not ask for; it is kept in the recording. `decoder`:
        undo the content coding, for the client as well as for the recording (Q1).
        """
        self._forwarded = forwarded
        self._left = length
        self._decoder = decoder
        self._remover = UsageRemover() if hide_usage else None
        self._chunks: list[bytes] = []
        self._pieces: list[Piece] = []
        self._held: list[bytes] = []
        self._before = b"\n"
        self._ended = False
        self._kept = 0
        self._told = 0
        """Chunks that `news` has told of."""
        self.first_piece: float | None = None
        """Seconds until the first bytes of the body came; `None` before that."""
        self.broken = ""
        """Why nothing more is passed on: the body is not what its coding says. Empty if it is."""
        self.unkept = ""
        """Why it was passed on, but not kept. Empty if it was."""

    def __call__(self, data: bytes) -> bytes | list[bytes]:
        if data:
            passing = self._pass(self._decoded(data), len(data))
            return [passing] if passing else []  # b"" would end the client's stream
        return self.end()

    def end(self) -> bytes:
        """What is held back."""
        rest = self._remover.close() if self._remover else b""
        held, self._held = [*self._held, rest], []
        return b"".join(held)

    @property
    def is_over(self) -> bool:
        """Whether the end is being held back: nothing that any client reads can follow."""
        return self._ended

    @property
    def body(self) -> bytes:
        """What has arrived, content coding undone."""
        return b"".join(self._chunks)

    def news(self) -> bytes:
        """What of the body has arrived since this was asked for last."""
        new = self._chunks[self._told :]
        self._told += len(new)
        return b"".join(new)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(self._pieces)

    def close(self) -> None:
        """The message is complete; after this, `broken` is the last word. Comes before the end is asked for."""
        if self._decoder and not self.broken:
            try:
                self._decoder.close()
            except BrokenCoding as error:
                self.broken = str(error)

    def _decoded(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        if self.broken:
            return b""
        try:
            return self._decoder.feed(data)
        except BrokenCoding as error:
            self.broken = str(error)
            return b""

    def _pass(self, data: bytes, arrived: int) -> bytes:
        if self._left is not None:
            self._left -= arrived
        if data:
            self._keep(data)
        if self._remover:
            data = self._remover.feed(data)
            if self.unkept:  # also no longer line by line: the line at hand may be the one that does not end
                data += self._remover.close()
                self._remover = None
        if self._ended or self._left == 0:
            self._ended = True
            self._held.append(data)  # joined once: some servers go on for long after their `[DONE]` (Q15)
            return b""
        waiting = b"".join([*self._held, data])
        cut = self._cut(waiting)
        self._held = [waiting[cut:]]
        if cut:
            self._before = waiting[cut - 1 : cut]
        return waiting[:cut]

    def _keep(self, data: bytes) -> None:
        self._kept += len(data)
        at = time.perf_counter() - self._forwarded
        if self.first_piece is None:
            self.first_piece = at
        if self._kept <= LIMIT:
            self._chunks.append(data)
            self._pieces.append(Piece(at, len(data)))
        elif not self.unkept:
            self.unkept = TOO_LONG
            self._chunks.clear()
            self._pieces.clear()

    def _cut(self, waiting: bytes) -> int:
        """Where the `[DONE]` line starts in what is waiting, or where a line starts that may yet become it."""
        text = self._before + waiting
        if text.find(_SENTINEL) >= 0 and (done := _DONE.search(text)):  # the plain search is by far the faster one
            self._ended = True
            return done.start()
        line = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        tail = text[line:]
        if line and tail and any(sentinel.startswith(tail) for sentinel in _DONE_LINES):
            return line - 1
        return len(waiting)
