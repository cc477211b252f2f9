"""The event loop that a proxy runs on: uvloop's where it is installed, with which a hit is a tenth less work."""

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes it, for `asyncio.run`; `None`: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
