"""Columns of JSON that all say nearly the same, row for row: compressed, with what they usually say as the dictionary.

What is short, or was written before there was this, lies there as it is: JSON of an object or an array, which nothing
that is compressed begins like (RFC 8878, 3.1.1.1.1: one of these bits is never set).
"""

from functools import lru_cache

import orjson
import zstandard

from chatreel.errors import StoreError
from chatreel.store.coding import decompress, encode

USAGE = (
    b'{"input_tokens":0,"output_tokens":0,"cost":0.0,"is_byok":false,"cost_details":{"upstream_inference_cost":null},'
    b'"queue_time":0.0,"prompt_time":0.0,"completion_time":0.0,"total_time":0.0,"prompt_cache_hit_tokens":0,'
    b'"prompt_cache_miss_tokens":0,"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,'
    b'"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
"""What OpenAI and those that speak like it report. Never changed: stores are read with it."""

HEADERS = (
    b'[["content-type","text/event-stream"],["x-ratelimit-limit-requests",""],["x-ratelimit-remaining-requests",""],'
    b'["retry-after",""],["x-should-retry","false"],["x-request-id",""],["content-type","text/event-stream; '
    b'charset=utf-8"],["content-type","application/json"],["openai-processing-ms",""],["openai-version","2020-10-01"],'
    b'["x-request-id","req_"]]'
)
"""What is kept of their headers. Never changed: stores are read with it."""

_PLAIN = (b"{", b"[")
_REMEMBERED = 1_000


@lru_cache(_REMEMBERED)  # hits repeat what their recording says
def packed_usage(text: str) -> bytes:
    """Usage, JSON, as a row of the log has it."""
    return _packed(text.encode(), USAGE)


@lru_cache(_REMEMBERED)
def usage_of(data: bytes) -> str:
    """Usage again. Raises `StoreError` if it is damaged."""
    return _unpacked(data, USAGE).decode()


def packed_headers(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Response headers as the row of a recording has them."""
    return _packed(orjson.dumps(headers), HEADERS)


def headers_of(data: bytes) -> tuple[tuple[str, str], ...]:
    """Response headers again. Raises `StoreError`, `TypeError` or `ValueError` if they are damaged."""
    return tuple([(name, value) for name, value in orjson.loads(_unpacked(data, HEADERS))])


def _packed(plain: bytes, usual: bytes) -> bytes:
    return encode(plain, usual) or plain


def _unpacked(data: bytes, usual: bytes) -> bytes:
    if data.startswith(_PLAIN):
        return data
    try:
        return decompress(data, usual)
    except zstandard.ZstdError as error:
        raise StoreError(f"a row of the store is damaged: {error}") from error
