"""The control API under `/_chatreel/`: plain JSON, so that any language can read it."""

import orjson

import chatreel
from chatreel.reply import Reply
from chatreel.session import Session

PREFIX = "/_chatreel/"


def control_reply(method: str, path: str, session: Session) -> Reply | None:
    """The answer to a control request; `None` if the request is none, or asks for nothing there is."""
    if method != "GET" or path != PREFIX + "health":
        return None
    tally = session.tally
    document = {
        "status": "ok",
        "version": chatreel.__version__,
        "mode": session.mode.value,
        "calls": tally.calls,
        "outcomes": {outcome.value: count for outcome, count in tally.outcomes.items()},
        "seconds_saved": round(tally.seconds_saved, 3),
    }
    return Reply(200, (("content-type", "application/json"),), orjson.dumps(document))
