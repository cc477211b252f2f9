"""What a session came to, and its calls, as JSON that a test runner can act on."""

import asyncio
from decimal import Decimal
from typing import Any

from chatreel.canonical import without_secrets
from chatreel.errors import NotKeyable, StoreError
from chatreel.journal import Entry
from chatreel.model import Json, JsonObject, Outcome, Recording
from chatreel.redact import Redaction, Redactor
from chatreel.request import readable
from chatreel.session import Session

_EXCERPT = 80
"""Characters of what was asked, to know an unused recording by."""


async def verdict(session: Session) -> JsonObject:
    """All a test runner has to know of a session."""
    journal, account = session.journal, session.tally.account
    listed = await session.recordings.listed()
    return {
        "id": session.id,
        "name": session.name,
        "cassette": session.cassette or None,
        "mode": session.mode.value,
        "open": session.is_open,
        "calls": session.tally.calls,
        "outcomes": {outcome.value: count for outcome, count in session.tally.outcomes.items()},
        "seconds_saved": round(session.tally.seconds_saved, 3),
        "refusals": [
            {"call_id": entry.call_id, "code": entry.code, "reason": entry.reason, "model": entry.model}
            for entry in journal.refusals
        ],
        "failures": [{"call_id": entry.call_id, "reason": entry.reason} for entry in journal.failures],
        "recorded": session.tally.outcomes[Outcome.RECORDED],
        "spent_usd": _number(account.spent.usd),
        "saved_usd": _number(account.saved.usd),
        "unpriced": account.unpriced,
        "unused": [_unused(recording) for recording in listed if recording.id not in journal.used],
        "old": [*sorted(journal.aged)],
        "edited": [recording.id for recording in listed if recording.edited],
        "warnings": list(journal.warnings),
    }


def _number(usd: Decimal | None) -> float | None:
    return None if usd is None else float(usd)


async def calls(session: Session, redactor: Redactor) -> JsonObject:
    """The calls of a session in order of arrival, each with what answered it; a hit is kept as it came until then."""
    return {"calls": [await _call(session, entry, redactor) for entry in tuple(session.journal.calls)]}


async def _call(session: Session, entry: Entry, redactor: Redactor) -> Json:
    recording = await _recording(session, entry)
    is_replay = entry.outcome in (Outcome.HIT, Outcome.COALESCED)
    return {
        "call_id": entry.call_id,
        "outcome": entry.outcome.value,
        "status": entry.status,
        "model": entry.model,
        "stream": entry.stream,
        "key": entry.key,
        "take": entry.take,
        "latency": round(entry.latency, 6),
        "reason": entry.reason,
        "sent": await asyncio.to_thread(_sent, entry.sent, redactor),
        "recorded": readable(recording.request) if recording and is_replay else None,
        "completion": readable(recording.completion) or None if recording else None,
    }


async def _recording(session: Session, entry: Entry) -> Recording | None:
    """What answered a call, or was made of it; `None` if it is gone meanwhile."""
    if entry.recording_id is None:
        return None
    try:
        return await session.recordings.load(entry.recording_id)
    except StoreError:
        return None


def _sent(body: bytes, redactor: Redactor) -> JsonObject:
    try:
        return Redaction(redactor).object(without_secrets(readable(body)))
    except NotKeyable:
        return {}


def _unused(recording: Recording) -> JsonObject:
    return {
        "recording": recording.id,
        "key": recording.identity.key,
        "model": recording.model,
        "text": _last_text(readable(recording.request)),
    }


def _last_text(body: dict[str, Any]) -> str:
    """The beginning of what was said last."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = " ".join(text for text in texts if isinstance(text, str))
    text = " ".join(content.split()) if isinstance(content, str) else ""
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
