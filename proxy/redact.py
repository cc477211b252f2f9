"""What may be stored of an exchange: response headers by allow-list, nothing of a request's headers at all.

An allow-list, because a header nobody thought of must not leak: cookies, organisation and project ids, rate limits and
hop-by-hop headers (RFC 9110, section 7.6.1) are out simply by not being in. Names as recorded from providers: quirk Q9.
"""

import re
from collections.abc import Iterable

KEPT_RESPONSE_HEADERS = frozenset(
    {
        "apim-request-id",
        "content-type",
        "inference-id",
        "mistral-correlation-id",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "x-ds-trace-id",
        "x-generation-id",
        "x-groq-region",
        "x-ms-region",
        "x-request-id",
    }
)

_LONE = re.compile(r"[\ud800-\udfff]")
"""Half a character: what bytes become that are not UTF-8."""


def kept_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Response headers worth keeping, in order, names in lower case; none whose value holds bytes that are no text."""
    lowered = ((name.lower(), value) for name, value in headers)
    return tuple((name, value) for name, value in lowered if name in KEPT_RESPONSE_HEADERS and not _LONE.search(value))
