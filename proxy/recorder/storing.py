"""The end of a call: an answer of the upstream is understood, and stored if it is worth it."""

import asyncio
from dataclasses import replace

from chatreel.decide import Action, Found, why_forwarded
from chatreel.exchange import Answered, Exchange
from chatreel.facts import Facts, facts_of_bytes
from chatreel.http_caching import CacheStatus
from chatreel.model import Identity, Recording
from chatreel.redact import kept_headers
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Reading, Verdict, read

_LONG = 100_000
"""Bytes of a response that take long to read, about 7 ms: beyond it, others are served meanwhile."""


def forward_status(exchange: Exchange) -> CacheStatus:
    """What can be said of a forwarded call before its answer is complete."""
    fwd = why_forwarded(exchange.session.mode, exchange.action, exchange.found)
    if exchange.action is Action.RECORD:
        key = exchange.identity.key if exchange.identity else ""
        return CacheStatus(fwd=fwd, collapsed=exchange.collapsed, key=key, detail="recording")
    return CacheStatus(fwd=fwd, detail="unkeyable" if exchange.found is Found.UNKEYABLE else exchange.mode.value)


async def store(exchange: Exchange, answered: Answered) -> CacheStatus:
    """Store an answer if it is to be recorded and complete, and let those have it who wait for it.

    Raises `StoreError`.
    """
    status = forward_status(exchange)
    if exchange.action is not Action.RECORD or exchange.identity is None:
        return status
    reading = await _read(answered)
    complete = reading.verdict is Verdict.COMPLETE
    if not complete and not (exchange.session.options.record_errors and reading.verdict is Verdict.ERROR):
        exchange.reason = reading.reason
        return replace(status, detail=f"not-stored-{reading.verdict.value}")
    recording = _recording(exchange, exchange.identity, answered, reading)
    stored = await exchange.session.recordings.add(recording, instead_of=exchange.replaces)
    exchange.recording_id = stored.id
    exchange.answer = stored.replayable
    exchange.session.repeats.served(stored.identity.key, exchange.form)
    if exchange.flight and complete:  # an error is nobody's but the one's who got it
        exchange.flight.land(exchange.answer)
    return replace(status, stored=True, detail="")


def _recording(exchange: Exchange, identity: Identity, answered: Answered, reading: Reading) -> Recording:
    return Recording(
        identity=identity,
        upstream=exchange.upstream,
        path=exchange.path,
        query=exchange.query,
        tenant=exchange.tenant,
        model=exchange.model,
        recorded_at=exchange.started_at,
        request=exchange.asked.body,
        status=answered.status,
        headers=kept_headers(answered.headers),
        form=reading.form,
        body=answered.body,
        pieces=answered.pieces,
        completion=dumps(reading.completion) if reading.verdict is Verdict.COMPLETE else b"",
        usage_added=exchange.adds_usage,
    )


async def facts(answered: Answered) -> Facts:
    """What an answer says of itself."""
    told = answered.status, answered.body, answered.pieces
    return facts_of_bytes(*told) if len(answered.body) < _LONG else await asyncio.to_thread(facts_of_bytes, *told)


async def _read(answered: Answered) -> Reading:
    if len(answered.body) < _LONG:
        return read(answered.body, status=answered.status)
    return await asyncio.to_thread(read, answered.body, status=answered.status)
