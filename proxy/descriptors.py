"""How many files and sockets this process may have open at a time."""

from contextlib import suppress

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

_ENOUGH = 65_536
"""Beyond it, some systems refuse, and some programs that inherit the limit close so many at their start."""

OTHERS = 200
"""Besides those of calls: the store, cassettes, the listeners."""


def allow_more() -> None:
    """Allow as many as the system lets us: each call takes two, one to its client and one to its upstream."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a lower limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def allowed() -> int | None:
    """How many a proxy can have here; `None`: there is no limit."""
    if resource is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard
