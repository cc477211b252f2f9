"""Large blocks of memory go back to the system as soon as they are free."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of `mallopt(3)`, glibc's."""

LARGE = 2**20
"""Bytes of a block that is mapped by itself."""


def give_back_large() -> None:
    """Do so from now on, in this process. Does nothing where the C library is another one.

    By itself glibc puts blocks of up to 32 MiB, once one of them was freed, where other blocks keep them from going.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE)
