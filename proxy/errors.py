"""What can go wrong, as far as chatreel can say something useful about it.

One base, so that an edge can catch all of it; each leaf is also the builtin a caller would expect. Messages say what
happened, where, and what to do next.
"""


class ChatreelError(Exception):
    """Base of every error that chatreel raises on purpose."""


class ConfigError(ChatreelError, ValueError):
    """A setting that cannot be used."""


class StoreError(ChatreelError):
    """The store cannot be opened, read or written."""


class ExportError(ChatreelError):
    """The log cannot be exported, or what was exported cannot be read."""


class NotFound(ChatreelError, LookupError):  # noqa: N818 - it says what is the matter
    """No recording, or no call, is what somebody has named; or several are."""


class ServeError(ChatreelError):
    """The proxy cannot be started, for example because its port is taken."""


class Malformed(ChatreelError, ValueError):  # noqa: N818 - it names a property of the body, not a fault of ours
    """A request body that no JSON reader can take for an object: no server could answer it either."""


class NotKeyable(ChatreelError, ValueError):  # noqa: N818 - it names a property of the body, not a fault of ours
    """A request body that has no safe cache key: it is never stored and never served from the store."""


class CassetteError(ChatreelError, ValueError):
    """A cassette file that cannot be read, or says two things at once. The text names the line."""

    def __init__(self, reason: str, line: int = 0) -> None:
        """`line` counts from 1; 0 if the fault has no place."""
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line
