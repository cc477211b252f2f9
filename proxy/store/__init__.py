"""Recordings and the log of calls, in a database. Everything outside this package uses `Store` alone."""

from chatreel.store.log import Call
from chatreel.store.neighbours import Neighbour
from chatreel.store.store import Store

__all__ = ["Call", "Neighbour", "Store"]
