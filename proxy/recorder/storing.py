"""The end of a call: an answer of the upstream is understood, and stored without secrets if it is worth it."""

import asyncio
from collections.abc import Callable

from chatreel.decide import Action, Found, why_forwarded
from chatreel.errors import NotKeyable
from chatreel.exchange import Answered, Exchange
from chatreel.facts import Facts, facts_of_bytes
from chatreel.http_caching import CacheStatus
from chatreel.model import Recording, Replayable, WireForm
from chatreel.redact import Redactor, kept_headers
from chatreel.request import Kept, Keys
from chatreel.scrubbing import Scrubbed, Unscrubbed, is_clean, scrubbed
from chatreel.store.foretelling import Foretold
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Reading, Verdict, begins, read
from chatreel.wire.stream_reader import StreamReader

_LONG = 100_000
"""Bytes of a response that take long to read, about 7 ms: beyond it, others are served meanwhile."""

_MUCH = 1_000_000
"""Bytes of a stream that are read while it comes: what they amount to takes as much memory again."""

_EVERY = 0.03
"""Seconds between two looks at what has come of a stream: what is read by then need not be read at its end."""


def forward_status(exchange: Exchange) -> CacheStatus:
    """What can be said of a forwarded call before its answer is complete."""
    fwd = why_forwarded(exchange.session.mode, exchange.action, exchange.found)
    if exchange.action is Action.RECORD:
        key = exchange.identity.key if exchange.identity else ""
        return CacheStatus(fwd=fwd, collapsed=exchange.collapsed, key=key, detail="recording")
    return CacheStatus(fwd=fwd, detail="unkeyable" if exchange.found is Found.UNKEYABLE else exchange.mode.value)


def read_along(exchange: Exchange, news: Callable[[], bytes]) -> None:
    """Read what has come of a stream, from time to time until it ends. `news`: what has come since it was called."""
    if exchange.answered or exchange.logged:
        return
    if data := news():
        exchange.begun = begun = exchange.begun or begins(data)
        if begun is None or len(data) >= _LONG or begun.size >= _MUCH:
            return  # it is read at its end, if need be beside the event loop
        begun.feed(data)
    asyncio.get_running_loop().call_later(_EVERY, read_along, exchange, news)


async def store(
    exchange: Exchange, answered: Answered, keys: Keys, foretell: Callable[[], Foretold] | None = None
) -> CacheStatus:
    """Store an answer if it is to be recorded and complete, and let those have it who wait for it.

    `foretell`: how the call is told of before that, if its client need not wait for it. Raises `StoreError`.
    """
    status = forward_status(exchange)
    if exchange.action is not Action.RECORD or exchange.identity is None:
        return status
    reading = await _read(answered, exchange.begun)
    complete = reading.verdict is Verdict.COMPLETE
    if not complete and not (exchange.session.options.record_errors and reading.verdict is Verdict.ERROR):
        exchange.reason = reading.reason
        return status._replace(detail=f"not-stored-{reading.verdict.value}")
    try:
        kept = exchange.kept
        if kept is None:
            kept = await asyncio.to_thread(keys.keep, exchange, exchange.body, exchange.asked.body)
        answer = await _scrubbed(reading, answered, kept, keys.redactor)
    except (NotKeyable, Unscrubbed) as error:
        exchange.reason = f"not stored: {error}"
        return status._replace(detail="not-stored-secrets")
    recording, recordings = _recording(exchange, kept, answered, answer), exchange.session.recordings
    foretold = None
    if foretell and complete and not exchange.client_left and not exchange.session.cassette and not recordings.shared:
        exchange.answer = recording.replayable
        foretold = foretell()
    stored = await recordings.add(recording, instead_of=exchange.replaces, foretold=foretold)
    exchange.recording_id = stored.id
    exchange.answer = made = stored.replayable
    exchange.said = answer.reading.spoken if answer.reading.form is WireForm.SSE else None
    exchange.session.repeats.served(stored.identity.key, exchange.form)
    if exchange.flight and complete:  # an error is nobody's but the one's who got it
        exchange.flight.land(_as_it_came(made, answered, reading))
    return status._replace(stored=True, detail="")


def _recording(exchange: Exchange, kept: Kept, answered: Answered, answer: Scrubbed) -> Recording:
    reading = answer.reading
    return Recording(
        identity=kept.identity,
        upstream=kept.upstream,
        path=kept.path,
        query=kept.query,
        tenant=kept.tenant,
        model=kept.model,
        recorded_at=exchange.started_at,
        request=kept.request,
        status=answered.status,
        headers=answer.headers,
        form=reading.form,
        body=reading.body,
        pieces=answer.pieces,
        completion=_completion(reading),
        usage_added=exchange.adds_usage,
    )


async def facts(answered: Answered) -> Facts:
    """What an answer says of itself."""
    told = answered.status, answered.body, answered.pieces
    return facts_of_bytes(*told) if len(answered.body) < _LONG else await asyncio.to_thread(facts_of_bytes, *told)


def _as_it_came(stored: Replayable, answered: Answered, reading: Reading) -> Replayable:
    """What those get who have waited for the answer itself: nothing was taken out of it, and nothing of it is kept."""
    if stored.body == answered.body:
        return stored
    headers = kept_headers(answered.headers)
    completion = _completion(reading)
    return stored._replace(headers=headers, body=answered.body, pieces=answered.pieces, completion=completion)


def _completion(reading: Reading) -> bytes:
    return dumps(reading.completion) if reading.verdict is Verdict.COMPLETE else b""


async def _scrubbed(reading: Reading, answered: Answered, kept: Kept, redactor: Redactor) -> Scrubbed:
    """Raises `Unscrubbed`."""
    headers = kept_headers(answered.headers)
    as_it_came = Scrubbed(reading, answered.pieces, headers)
    if len(answered.body) < _LONG:
        clean = is_clean(as_it_came, redactor)
    else:
        clean = await asyncio.to_thread(is_clean, as_it_came, redactor)
    return as_it_came if clean else await asyncio.to_thread(scrubbed, as_it_came, kept.identity.key, redactor)


async def _read(answered: Answered, begun: StreamReader | None) -> Reading:
    unread = len(answered.body) - (begun.size if begun else 0)
    if unread < _LONG:
        return read(answered.body, status=answered.status, begun=begun)
    return await asyncio.to_thread(read, answered.body, status=answered.status, begun=begun)
