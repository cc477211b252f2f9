"""Recordings and the log of calls, in a database. Everything outside this package uses `Store` alone."""

from chatreel.store.call import Call
from chatreel.store.store import Store

__all__ = ["Call", "Store"]
