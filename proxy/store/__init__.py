"""Recordings and the log of calls, in a database. Everything outside this package uses `Store` alone."""

from chatreel.store.store import Call, Store

__all__ = ["Call", "Store"]
