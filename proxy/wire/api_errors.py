"""Errors of the API, in the many shapes they travel in, and in the one shape they are answered in (Q6, Q7, Q75)."""

from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps

_MESSAGE_KEYS: Final = ("message", "detail", "details", "msg", "status_msg")
_FLAT_ERROR_KEYS: Final = (*_MESSAGE_KEYS, "error_type")
"""Members that, beside no choices, make an object an error without saying `error`."""

_STATUS_KEYS: Final = ("status_code", "code", "status")
_BAD_GATEWAY: Final = 502

GIVEN_UP: Final = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
"""Finish reasons that mean the upstream failed in the middle of an answer (Q44)."""


def find_error(body: JsonObject) -> Json:
    """The error that a body, or a chunk of a stream, reports; None if it reports none.

    Found are: `error` (Q6, Q75), with `error_type` beside it if it is a mere text; `object: "error"` and other flat
    forms without choices (Q7); a choice's own `error`; MiniMax's `base_resp` (Q6).
    """
    error = body.get("error")
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        return {"message": error, "type": body.get("error_type")}
    if error or body.get("object") == "error":
        return body
    return _of_a_choice(body) or _of_minimax(body) or _flat(body)


def _of_a_choice(body: JsonObject) -> Json:
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and choice.get("error"):
            return choice["error"]
    return None


def _of_minimax(body: JsonObject) -> Json:
    status = body.get("base_resp")
    return status if isinstance(status, dict) and status.get("status_code") else None


def _flat(body: JsonObject) -> Json:
    silent = body.get("choices") is None and not body.get("usage")
    return body if silent and any(body.get(key) for key in _FLAT_ERROR_KEYS) else None


def http_status(error: Json) -> int:
    """The HTTP status an error stands for: the one it names if that is 400..599, else 502 (Q75)."""
    if isinstance(error, dict):
        for key in _STATUS_KEYS:
            code = error.get(key)
            if isinstance(code, str) and code.isascii() and code.isdigit():
                code = int(code[:4])
            if isinstance(code, int) and 400 <= code <= 599:
                return code
    return _BAD_GATEWAY


def error_body(error: Json, reason: str) -> JsonObject:
    """`{"error": {"message", "type", "param", "code", ...}}`; what the error says itself comes first."""
    said = error if isinstance(error, dict) else {"message": error} if error else {}
    message = next((said[key] for key in _MESSAGE_KEYS if said.get(key)), reason)
    text = message if isinstance(message, str) else dumps(message).decode()
    defaults: JsonObject = {"message": text, "type": "upstream_error", "param": None, "code": None}
    return {"error": defaults | {key: value for key, value in said.items() if value is not None} | {"message": text}}
