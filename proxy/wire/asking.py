"""Usage at the end of a stream, as a request asks for it: `stream_options: {"include_usage": true}` (Q28)."""

from chatreel.model import JsonObject
from chatreel.wire.codec import dumps

_OPTIONS = "stream_options"
_ASKING = b',"stream_options":{"include_usage":true}}'


def asks_for_usage(request: JsonObject) -> bool:
    """Whether the request asks for it."""
    options = request.get(_OPTIONS)
    return isinstance(options, dict) and options.get("include_usage") is True


def asking_for_usage(raw: bytes, request: JsonObject) -> bytes:
    """The body of a request that asks for it. `raw` is JSON text of `request`, an object with members.

    The text stays as it is but for the new member; only options that are there already make it be written anew.
    """
    options = request.get(_OPTIONS)
    if _OPTIONS not in request:
        return raw.rstrip()[:-1] + _ASKING
    added = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return dumps({**request, _OPTIONS: added})
