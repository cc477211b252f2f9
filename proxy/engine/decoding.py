"""Content codings undone while the response is still arriving (RFC 9110, section 8.4; Q1).

Whatever can be decoded comes out at once: an event that the server flushed is an event that the client sees. And it is
produced in small pieces, so that a body made to explode is given up before it has.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Final, Protocol

import brotli
import zstandard

from chatreel.errors import ChatreelError

LIMIT: Final = 32 * 2**20
"""Bytes of an answer that is kept, decoded; a longer one is taken for a mistake, or for a decompression bomb."""

MAX_CODINGS: Final = 5
"""Codings on top of each other that are undone: curl's limit. A response needs one, and each of them takes memory."""

_SLICE: Final = 4096
"""Bytes of input at a time: zlib copies what it leaves unread, and a member may be as small as 20 bytes."""

_PIECE: Final = 64 * 2**10
"""Bytes of output at a time. brotli rounds it up, at most to double."""

_ZSTD_SLICE: Final = 256
"""Bytes of input at a time where output cannot be limited: zstd makes up to 128 KiB of 4 bytes (RFC 8878, 3.1.1.2)."""

_ZSTD_WINDOW: Final = 8 * 2**20
"""Bytes a decoder has to keep at hand, at most, if zstd travels as a content coding (RFC 9659)."""


class BrokenCoding(ChatreelError, ValueError):  # noqa: N818 - it names a property of the body, not a fault of ours
    """A body that is not what its Content-Encoding says: damaged, cut off, followed by something else, or too large."""


class Decoder:
    """Encoded bytes in, in pieces of any size; decoded bytes out, as soon as they can be known. See `decoder`."""

    def __init__(self, names: Iterable[str], limit: int) -> None:
        """`names`: codings in the order in which they are undone, keys of `_CODECS`. `limit`: bytes, for each."""
        self._stages = [_Stage(name, limit) for name in names]
        self._failure = ""

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the body, decoded as far as they go. Raises `BrokenCoding`, and from then on always."""
        if self._failure:
            raise BrokenCoding(self._failure)
        pieces: Iterable[bytes] = (data,)
        for stage in self._stages:
            pieces = stage.decoded(pieces)
        try:
            return b"".join(pieces)
        except BrokenCoding as error:
            self._failure = str(error)
            raise

    def close(self) -> bytes:
        """The body has ended. Raises `BrokenCoding` if it ended too early, as an empty one does.

        Returns the rest, which is empty: `feed` keeps nothing back. A gzip or zstd body cut exactly between two of its
        members is whole as far as anybody can tell.
        """
        rest = self.feed(b"")
        for stage in self._stages:
            stage.close()
        return rest


def decoder(content_encoding: str, *, limit: int = LIMIT) -> Decoder | None:
    """A decoder for a body with this Content-Encoding header; several codings are undone from the last to the first.

    None if there is nothing to undo but `identity`, or no way to: a coding is not known, or they exceed `MAX_CODINGS`.
    `limit`: bytes of decoded body, beyond which it is broken.
    """
    listed = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in listed if name not in ("", "identity")]
    if not names or len(names) > MAX_CODINGS or any(name not in _CODECS for name in names):
        return None
    return Decoder(reversed(names), limit)


class _Stage:
    """One coding of the body."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._left = limit
        self._codec = _CODECS[name]()
        self._begun = False
        self._ended = False

    def decoded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            for start in range(0, len(chunk), _SLICE):
                yield from self._pieces(chunk[start : start + _SLICE])

    def close(self) -> None:
        if not self._ended:
            raise BrokenCoding(f"The {self._name} body was cut off.")

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        again = True
        while again:
            if self._ended or not self._begun:
                self._begin(data)
            try:
                piece, data, self._ended = self._codec.step(data)
            except (zlib.error, brotli.error, zstandard.ZstdError) as error:
                raise BrokenCoding(f"The body is not {self._name}: {error}.") from error
            self._left -= len(piece)
            if self._left < 0:
                raise BrokenCoding(f"The {self._name} body holds more than {self._limit:,} bytes.")
            yield piece
            again = bool(data) or (len(piece) >= _PIECE and not self._ended)

    def _begin(self, data: bytes) -> None:
        if self._begun and not self._codec.several:
            raise BrokenCoding(f"The {self._name} body is followed by something else.")
        self._codec.begin(data)
        self._begun, self._ended = True, False


class _Codec(Protocol):
    """What the libraries have in common. The unit is a gzip member, a zstd frame, a zlib or a brotli stream."""

    several: ClassVar[bool]
    """Whether units may follow each other, and decode to one body."""

    def begin(self, data: bytes) -> None:
        """A unit begins with these bytes, which `step` gets next."""

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Some output, the input not read yet, and whether the unit has ended. Output of `_PIECE` may not be all."""


class _Deflate:
    """RFC 9110 means zlib by this name; some servers send what zlib wraps."""

    several: ClassVar = False

    def begin(self, data: bytes) -> None:
        # Low bits 1000 are zlib's method; raw, they would be a stored block with bits set that every encoder leaves 0.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x8F == 0x08 else -zlib.MAX_WBITS)

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        inflater = self._inflater
        piece = inflater.decompress(data, _PIECE)
        return piece, inflater.unconsumed_tail or inflater.unused_data, inflater.eof


class _Gzip(_Deflate):
    several: ClassVar = True

    def begin(self, data: bytes) -> None:  # noqa: ARG002 - the protocol's
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)


class _Brotli:
    several: ClassVar = False

    def begin(self, data: bytes) -> None:  # noqa: ARG002 - the protocol's
        self._stream = brotli.Decompressor()

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Input it has not got to it keeps; then it is given none until it has."""
        piece = self._stream.process(data, output_buffer_limit=_PIECE)
        return piece, b"", self._stream.is_finished()


class _Zstd:
    several: ClassVar = True

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)

    def begin(self, data: bytes) -> None:  # noqa: ARG002 - the protocol's
        self._frame = self._context.decompressobj()

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        piece = self._frame.decompress(data[:_ZSTD_SLICE])
        return piece, self._frame.unused_data + data[_ZSTD_SLICE:], self._frame.eof


_CODECS: Final[dict[str, Callable[[], _Codec]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
