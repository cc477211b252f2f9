"""Messages of the engine without the checks that it has for authors of addons.

Each part of each request and response is held against its annotation, which takes as long as reading the request. Under
`python -O` the engine leaves that out itself; here what puts messages together is checked by mypy.

Written against mitmproxy 12.2 (`mitmproxy/http.py`); pyproject.toml caps the version.
"""

from mitmproxy import http


def trust_messages() -> None:
    """From now on, in this process."""
    http.MessageData.__post_init__ = lambda _self: None  # type: ignore[method-assign]
