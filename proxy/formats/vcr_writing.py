"""Recordings as a cassette of VCR.py, for suites that stay with it."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import yaml

from chatreel.formats import content
from chatreel.model import Recording
from chatreel.redact import kept_headers

_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write(recordings: Iterable[Recording]) -> bytes:
    """The YAML text, interactions in the order of `recordings`: VCR.py answers equal requests in that order."""
    document = {"interactions": [_interaction(recording) for recording in recordings], "version": 1}
    text: str = yaml.dump(document, Dumper=_DUMPER, allow_unicode=True, width=1_000_000)
    return text.encode()


def _interaction(recording: Recording) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in kept_headers(recording.headers):
        headers.setdefault(name, []).append(value)
    query = f"?{recording.query}" if recording.query else ""
    return {
        "request": {
            "body": _body(recording.request),
            "headers": {"content-type": ["application/json"]},
            "method": "POST",
            "uri": f"{recording.upstream}{recording.path}{query}",
        },
        "response": {
            "body": {"string": _body(recording.body)},
            "headers": headers,
            "status": {"code": recording.status, "message": _message(recording.status)},
        },
    }


def _body(body: bytes) -> str | bytes:
    return body.decode() if content.is_text(body) else body


def _message(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
