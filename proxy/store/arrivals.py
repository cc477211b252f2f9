"""When the pieces of a body arrived, and how long each is, in few bytes.

The numbers lie in columns: the microseconds since the piece before, then the sizes, and of each first all lowest bytes,
then all second ones, and so on. What hardly changes stands together and compresses well.
"""

import sys
from array import array
from collections.abc import Iterable
from itertools import accumulate
from operator import sub
from struct import Struct
from typing import Final

import orjson
import zstandard

from chatreel.model import Piece
from chatreel.store.coding import compress, decompress

_TYPES: Final = {array(code).itemsize: code for code in "iq"}
"""Of a number, by its bytes: which are the first byte of the columns."""
_NARROW: Final = 1 << 31
_ONE: Final = 9
"""Bytes that tell of one piece, in columns of four."""
_PAIR: Final = Struct("<ii")
_FEW: Final = 8
"""Numbers that are read faster one by one."""
_FRAME: Final = zstandard.FRAME_HEADER[:1]
"""How what is compressed begins."""
_LEAST: Final = 10
"""Bytes that whatever is compressed has: of a body that came in one piece, as JSON does, there is no need to try."""
_JSON: Final = b"["
"""And what older versions wrote: pairs."""


def pack(pieces: Iterable[Piece]) -> bytes:
    """Times to the microsecond, sizes in bytes."""
    several = [*pieces]
    at = [round(piece.at * 1e6) for piece in several]
    plain = _columns([*map(sub, at, [0, *at]), *[piece.size for piece in several]])
    if len(plain) <= _LEAST:
        return plain
    return min(plain, compress(plain), key=len)


def unpack(data: bytes) -> tuple[Piece, ...]:
    """Raises `ValueError`, `TypeError` or `ZstdError` if it is damaged."""
    if len(data) == _ONE and data[0] == 4:  # JSON, nearly always: by itself it takes a third of the time
        at, size = _PAIR.unpack(data[1::2] + data[2::2])
        return (Piece(at / 1e6, size),)
    plain = decompress(data, format_=zstandard.FORMAT_ZSTD1) if data[:1] == _FRAME else data
    if plain[:1] == _JSON:
        pairs = orjson.loads(plain)
        spans, sizes = [span for span, _ in pairs], [size for _, size in pairs]
    else:
        numbers = _numbers(plain)
        spans, sizes = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    return tuple([Piece(at / 1e6, size) for at, size in zip(accumulate(spans), sizes, strict=True)])


def _columns(numbers: list[int]) -> bytes:
    width = 4 if not numbers or (min(numbers) >= -_NARROW and max(numbers) < _NARROW) else 8
    flat = _little_endian(array(_TYPES[width], numbers)).tobytes()
    return bytes([width]) + b"".join(flat[place::width] for place in range(width))


def _numbers(plain: bytes) -> list[int]:
    width, columns = plain[0] if plain else 0, plain[1:]
    if width not in _TYPES or len(columns) % (2 * width):
        raise ValueError("it is not told in full when its body arrived")
    count = len(columns) // width
    if count <= _FEW:
        return [_number(columns[place::count]) for place in range(count)]
    flat = bytearray(len(columns))
    for place in range(width):
        flat[place::width] = columns[place * count : (place + 1) * count]
    return _little_endian(array(_TYPES[width], bytes(flat))).tolist()


def _number(column: bytes) -> int:
    return int.from_bytes(column, "little", signed=True)


def _little_endian(numbers: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
