"""What `chatreel.pytest_plugin` is made of. Light: a test run that records and replays nothing must not notice it.

options   what can be configured, and what wins
guard     calls that go around the proxy
shared    one proxy for all processes of a run
control   the control API, over one connection
handle    what a test sees of its session
verdicts  what all tests came to: findings, table, report
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatreel.testing.handle import Call, ChatreelSession

__all__ = ["Call", "ChatreelSession"]
"""For annotations of tests."""


def __getattr__(name: str) -> object:
    """Imported when asked for: the plugin comes through here in every test run there is."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chatreel.testing import handle

    return getattr(handle, name)
