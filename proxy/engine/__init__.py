"""The edge to mitmproxy: the only package that imports it. Needs the extra `chatreel[proxy]`."""

from chatreel.engine import left_out  # noqa: F401 - before all else of the engine
