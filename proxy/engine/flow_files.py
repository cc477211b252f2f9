"""Flow files of mitmproxy, read with mitmproxy: what `mitmdump -w` and the save command of mitmproxy write."""

from collections.abc import Iterator
from io import BytesIO

from mitmproxy import http
from mitmproxy.exceptions import FlowReadException
from mitmproxy.io import FlowReader

from chatreel.formats.content import TRANSFER_HEADERS
from chatreel.formats.foreign import Exchange, Found, Refused, Unreadable
from chatreel.model import Piece


def read(data: bytes) -> list[Found]:
    """All HTTP flows of a file, in its order. Raises `Unreadable` if it is no flow file."""
    try:
        return [*_found(data)]
    except (FlowReadException, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"mitmproxy cannot read it: {error}") from error


def _found(data: bytes) -> Iterator[Found]:
    for number, flow in enumerate(FlowReader(BytesIO(data)).stream(), start=1):
        place = f"flow {number}"
        yield _exchange(flow, place) if isinstance(flow, http.HTTPFlow) else Refused(place, "it is no HTTP")


def _exchange(flow: http.HTTPFlow, place: str) -> Found:
    request, response = flow.request, flow.response
    if response is None:
        reason = flow.error.msg if flow.error else "it was never answered"
        return Refused(place, f"it has no response: {reason}")
    try:
        body, asked = response.content, request.content
    except ValueError as error:
        return Refused(place, f"its content coding cannot be undone: {error}")
    if body is None or asked is None:
        return Refused(place, "its body was not saved with it: mitmproxy streamed it")
    headers = tuple((name.lower(), value) for name, value in response.headers.items(multi=True))
    ended = response.timestamp_end or response.timestamp_start
    waited = ended - request.timestamp_start if ended else 0.0
    return Exchange(
        place=place,
        method=request.method.upper(),
        url=request.url,
        request=asked,
        status=response.status_code,
        headers=tuple(pair for pair in headers if pair[0] not in TRANSFER_HEADERS),
        body=body,
        recorded_at=request.timestamp_start or None,
        pieces=(Piece(max(waited, 0.0), len(body)),),
    )
