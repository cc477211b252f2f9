"""Notices that another process has ended, for a proxy that must not outlive whoever it was started for."""

import asyncio
import os

INTERVAL = 0.5
"""Seconds between two looks where the system cannot say it by itself."""


async def ended(pid: int) -> None:
    """Return once there is no process `pid`, or it has ended and nobody has asked for its exit code yet."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or a sandbox that lacks it
        while _runs(pid):  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(INTERVAL)
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user, so it is there
        return True
    return True
