"""Interim responses (1xx) of an upstream are passed over: the answer follows (RFC 9110, section 15.2).

mitmproxy's reader of HTTP/1 takes the first response that comes for the answer, and the answer for nobody's. Its reader
of HTTP/2 passes over them by itself. Clients do not get them: they may come at any time, so nobody waits for one.

Written against mitmproxy 12.2 (`mitmproxy/proxy/layers/http/_http1.py`); pyproject.toml caps the version.
"""

import re

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers import http

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d\b")
"""But for 101, which is the last response that is HTTP."""


class _AnswerReader(http.Http1Client):
    """What reads HTTP/1 from an upstream."""

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if self.request:
            while _INTERIM.match(bytes(self.buf)) and self.buf.maybe_extract_lines():
                pass
        yield from super().read_headers(event)


def pass_over() -> None:
    """From now on, in this process. The engine makes its readers by that name, and has no other way in."""
    http.Http1Client = _AnswerReader  # type: ignore[misc]
