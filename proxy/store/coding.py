"""How the bytes of a payload hold its content: as they are, compressed, or as a difference to another content.

A difference is what zstd makes with other contents as its dictionary: matches lead there as they lead to what has gone
before.
"""

import threading
from functools import lru_cache
from hashlib import sha256

import zstandard

from chatreel.errors import StoreError

RAW = "raw"
ONE = "z1"
"""Compressed by zstd, less the four bytes that all of its frames begin with; with a base, that is the dictionary."""
TWO = "z2"
"""The dictionary is the base of the base, and behind it the base."""

_FORMATS = {
    ONE: zstandard.FORMAT_ZSTD1_MAGICLESS,
    TWO: zstandard.FORMAT_ZSTD1_MAGICLESS,
    "zstd": zstandard.FORMAT_ZSTD1,
    "zstd-two": zstandard.FORMAT_ZSTD1,
}
"""Of everything that is compressed, also by older versions."""

OF_TWO = frozenset({TWO, "zstd-two"})
"""Whose dictionary has two parts."""

LEVEL = 8

_WORTH_COMPRESSING = 128
"""Bytes; below this the frame header eats what is saved."""

_KEPT = 16
"""Compressors that a thread keeps, each with its dictionary, and decompressors: to make one takes longer than to use
it."""

_SHORT = 1 << 16
"""Bytes of a dictionary, at most, that is kept with what was made for it."""

_LARGEST = 1 << 26
"""Bytes of a content and its dictionary, at most: no more than half of the window that every decoder allows."""


def encode(content: bytes, dictionary: bytes) -> bytes | None:
    """Compress a content; `None` if that is not worth it. Without a dictionary it stands alone."""
    if len(content) < _WORTH_COMPRESSING:
        return None
    if _writing.ahead and (key := (content, dictionary)) in _writing.ahead:
        return _writing.ahead.pop(key)
    made = _writing.compressor if len(dictionary) <= _SHORT else _compressor
    data = made(dictionary, _rounded(len(content)), zstandard.FORMAT_ZSTD1_MAGICLESS).compress(content)
    return data if len(data) < len(content) else None


def encode_ahead(content: bytes, dictionary: bytes) -> None:
    """Do now, while there is time, what this thread will be asked for soon."""
    if len(content) + len(dictionary) > _SHORT:
        return
    data = encode(content, dictionary)
    if len(_writing.ahead) >= _KEPT:
        _writing.ahead.clear()
    _writing.ahead[content, dictionary] = data


def compress(plain: bytes) -> bytes:
    """What `decompress` reads as `FORMAT_ZSTD1`, with no dictionary."""
    return _writing.compressor(b"", _rounded(len(plain)), zstandard.FORMAT_ZSTD1).compress(plain)


def decode(payload: int, digest: bytes, codec: str, data: bytes, dictionary: bytes) -> bytes:
    """The content, which has that digest. Raises `StoreError` naming the payload, by its id, if it has not."""
    if codec != RAW and codec not in _FORMATS:
        raise StoreError(f"payload {payload} is stored as {codec!r}, which this version of chatreel cannot read")
    try:
        content = bytes(data) if codec == RAW else decompress(data, dictionary, _FORMATS[codec])
    except zstandard.ZstdError as error:
        raise StoreError(f"payload {payload} is damaged: {error}") from error
    if sha256(content).digest() != digest:
        raise StoreError(f"payload {payload} is damaged: its content has another digest")
    return content


def decompress(data: bytes, dictionary: bytes = b"", format_: int = zstandard.FORMAT_ZSTD1_MAGICLESS) -> bytes:
    """What was compressed with that dictionary. Raises `ZstdError`."""
    made = _reading.decompressor if len(dictionary) <= _SHORT else _decompressor
    return made(dictionary, format_).decompress(data)


def fits(content: bytes, *dictionary: bytes) -> bool:
    """Whether these may be the dictionary of a content."""
    return len(content) + sum(map(len, dictionary)) <= _LARGEST


def _compressor(dictionary: bytes, size: int, format_: int) -> zstandard.ZstdCompressor:
    """`size`: at most, of what it is for."""
    parameters = _parameters(size, len(dictionary), format_)
    return zstandard.ZstdCompressor(dict_data=_raw(dictionary), compression_params=parameters)


def _rounded(size: int) -> int:
    """Up to two digits of it, as a binary number: contents that are about as long have the same compressor."""
    step = 1 << max(0, size.bit_length() - 2)
    return -(-size // step) * step


@lru_cache(maxsize=256)
def _parameters(size: int, dict_size: int, format_: int) -> zstandard.ZstdCompressionParameters:
    return zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        source_size=size,
        dict_size=dict_size,
        window_log=max(zstandard.WINDOWLOG_MIN, (size + dict_size).bit_length()),  # all of it is in reach
        write_content_size=True,
        write_dict_id=False,
        format=format_,
    )


def _decompressor(dictionary: bytes, format_: int) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_raw(dictionary), format=format_)


def _raw(dictionary: bytes) -> zstandard.ZstdCompressionDict | None:
    if not dictionary:
        return None
    return zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


class _Reading(threading.local):
    """A decompressor is nothing that two threads may use."""

    def __init__(self) -> None:
        self.decompressor = lru_cache(maxsize=_KEPT)(_decompressor)


class _Writing(threading.local):
    """And a compressor is not, either."""

    def __init__(self) -> None:
        self.compressor = lru_cache(maxsize=_KEPT)(_compressor)
        self.ahead: dict[tuple[bytes, bytes], bytes | None] = {}
        """What was made in advance, by content and dictionary."""


_reading, _writing = _Reading(), _Writing()
