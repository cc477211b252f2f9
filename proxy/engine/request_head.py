"""Heads of HTTP/1.1 requests that leave nothing to be asked: one way to read them, or none at all.

What is read here is answered without the engine. So this is no parser that copes with what travels: it knows the one
spelling that every reader takes for the same request (RFC 9112, sections 2 to 6), and whatever is otherwise, or asks
for more than an answer, is not read. The engine reads it.
"""

import re
from dataclasses import dataclass
from typing import Final

END: Final = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~]*)\r\n")
_LENGTH = re.compile(rb"[1-9][0-9]{0,17}")

_ASKS_FOR_MORE: Final = frozenset(
    {
        b"content-encoding",  # the body is not what it says
        b"expect",  # an answer before the answer
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_ONCE: Final = frozenset({b"content-length", b"host", b"connection"})


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body."""

    target: str
    """Path and query, as they travel."""
    length: int
    """Bytes of the body; at least one."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""

    def all(self, name: str) -> tuple[str, ...]:
        """The values of all headers of that name."""
        return tuple(value for known, value in self.headers if known == name)

    def get(self, name: str) -> str | None:
        """The same as one, in which commas separate them; `None` if there is none."""
        values = self.all(name)
        return ", ".join(values) if values else None


def read_head(head: bytes) -> Head | None:
    """Read a head, its empty line included; `None` if it is not for us to read."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        return None
    at, end = line.end(), len(head) - 2
    fields: list[tuple[bytes, bytes]] = []
    while at < end:
        field = _FIELD.match(head, at)
        if field is None:
            return None
        fields.append((field[1].lower(), field[2].strip(b" \t")))
        at = field.end()
    length = _length_of(fields)
    if not length:
        return None
    return Head(line[1].decode(), length, tuple((name.decode(), value.decode()) for name, value in fields))


def _length_of(fields: list[tuple[bytes, bytes]]) -> int:
    """Bytes of the body that these headers announce; 0 if there is any doubt about the message or the connection."""
    names = [name for name, _ in fields]
    once = {name: value for name, value in fields if name in _ONCE}
    if any(name in _ASKS_FOR_MORE for name in names) or any(names.count(name) > 1 for name in once):
        return 0
    length = once.get(b"content-length", b"")
    stays = once.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    return int(length) if once.get(b"host") and stays and _LENGTH.fullmatch(length) else 0
