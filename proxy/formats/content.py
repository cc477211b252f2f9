"""Bodies and times as recordings of other tools have them."""

import gzip
import json
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Final

from chatreel.formats.foreign import Unreadable

TRANSFER_HEADERS: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that describe a coding which a body no longer has."""

_GZIP: Final = b"\x1f\x8b"
_MOST: Final = 256 * 2**20
"""Bytes of a decoded body; more is a bomb, or no recording of a chat."""


def decoded(body: bytes, coding: str) -> bytes:
    """The body without its content coding: gzip by its magic number, as headers are often wrong about it (V1, V2).

    Raises `Unreadable`.
    """
    if body.startswith(_GZIP):
        return _gunzipped(body)
    if coding.lower() not in {"", "gzip", "identity"} and not is_text(body):
        raise Unreadable(f"its body has the content coding {coding!r}, which is not undone here")
    return body


def compact(value: object) -> bytes:
    """JSON text of a value. Raises `Unreadable` if JSON cannot say it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"its body is nothing that JSON can say: {error}") from error


def moment(text: str) -> float | None:
    """Seconds since the epoch of a date in the dress of ISO 8601 or of HTTP; `None` if it is neither."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except ValueError:
            return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_text(body: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _gunzipped(body: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(body)) as file:
            text = file.read(_MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"its gzip body is damaged: {error}") from error
    if len(text) > _MOST:
        raise Unreadable(f"its gzip body decodes to more than {_MOST:,} bytes")
    return text
