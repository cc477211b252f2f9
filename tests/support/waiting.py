"""Waiting for what happens in another process."""

import time
from collections.abc import Callable

from support.replies import PATIENCE


def eventually(happened: Callable[[], object], limit: float = PATIENCE) -> bool:
    """Whether it happens before so many seconds are over."""
    deadline = time.monotonic() + limit
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
