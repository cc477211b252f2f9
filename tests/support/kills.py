"""`kill -9` in the middle of many calls, again and again; and what the store says of it afterwards."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from chatreel.errors import StoreError
from chatreel.model import WireForm
from chatreel.replay import replay
from chatreel.request import Keys, read_request
from chatreel.store import Store
from support.mixed_load import MixedLoad, Received
from support.program import clean_environment, running_chatreel
from support.replies import USAGE
from support.upstream import Upstream

ANSWERS = (1, 150)
"""A kill comes after so many answers, at least and at most, and up to `_LATER` seconds."""

_LATER = 0.03
_MEMORY = 64_000_000

PRICES = {"CHATREEL_PRICE": '[{"model": "gpt*", "input": 1, "output": 10}]'}
"""Nobody but the proxy knows them."""
_PRICE = USAGE["prompt_tokens"] * 1_000 + USAGE["completion_tokens"] * 10_000
"""Of every answer that reports its usage, in billionths of a USD."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What was wrong after some kills."""

    answers: int
    """Received to their end, and looked for in the store."""
    lost: list[str]
    """Requests whose answer is not in the store as it was received."""
    corrupt: list[str]
    unlogged: list[str]
    """Calls that have no row in the log, or several, or one that does not say what the answer said and cost."""


def kill_and_look(upstream: Upstream, store: str, kills: int, seed: int = 0) -> Damage:
    """Kill the proxy so many times, each time under load; all of it in one store."""
    received: list[Received] = []
    for number in range(kills):
        received += _kill_once(upstream, store, random.Random(f"{seed} {number}"), number)
    return look(upstream, store, received)


def look(upstream: Upstream, store: str, received: list[Received]) -> Damage:
    """What is wrong with a store, of a proxy that has priced calls by `PRICES`."""
    corrupt = _corrupt(store)  # whose commands are the first to open the store
    return Damage(len(received), asyncio.run(_lost(upstream.url, store, received)), corrupt, _unlogged(store, received))


def _kill_once(upstream: Upstream, store: str, rng: random.Random, number: int) -> list[Received]:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--no-ask-usage")
    with running_chatreel(*flags, env=PRICES) as proxy:
        load = MixedLoad(proxy.base_url, number)
        load.start()
        load.wait_for(rng.randint(*ANSWERS))
        time.sleep(rng.uniform(0, _LATER))
        proxy.kill()
        load.stop()
    return load.received


async def _lost(upstream: str, store: str, received: list[Received]) -> list[str]:
    route = SimpleNamespace(upstream=upstream, path="/v1/chat/completions", query="", tenant=None)
    keys = Keys()
    with closing(Store(store, memory_limit=_MEMORY)) as opened:
        lost = []
        for one in received:
            key = keys.identify(route, read_request(one.request)).key
            stored = [await opened.replayable(take.id) for take in await opened.takes("", key)]
            answers = [replay(recording, one.form, include_usage=False).body for recording in stored]
            if one.status != 200 or not any(answer.startswith(one.answer) for answer in answers):
                lost.append(f"{one.form}, {one.cache_status}: {one.request[:120]!r}")
    return lost


def _unlogged(store: str, received: list[Received]) -> list[str]:
    """Each call has a tag of its own, and its outcome is known from `Cache-Status`."""
    columns = "outcome, recording_id, cost, saved, prompt_tokens + completion_tokens, prompt IS NOT NULL, finish_reason"
    found: dict[str, list[tuple[Any, ...]]] = {}
    with closing(sqlite3.connect(store)) as database:
        for tags, *row in database.execute(f"SELECT tags, {columns} FROM calls"):
            found.setdefault(tags, []).append(tuple(row))
    made = {row[1]: (row[2], row[4]) for rows in found.values() for row in rows if row[0] == "recorded"}
    faults = []
    for one in received:
        rows = found.get(f'{{"call":"{one.tag}"}}', [])
        if len(rows) != 1 or not _says_all(one, rows[0], made):
            faults.append(f"call {one.tag}, {one.form}, {one.cache_status}: {rows}")
    return faults


def _says_all(one: Received, row: tuple[Any, ...], made: dict[int, tuple[int | None, int | None]]) -> bool:
    """Whether a row is right. The usage of a stream is not reported, as nobody asks for it."""
    outcome, recording, cost, saved, tokens, *rest = row
    worth = (_PRICE, USAGE["total_tokens"]) if one.form is WireForm.JSON else (None, None)
    if "; hit" in one.cache_status or "collapsed;" in f"{one.cache_status};":
        known = made.get(recording, (saved, tokens))  # of a call that was killed there may be a recording and no row
        right = outcome in ("hit", "coalesced") and (cost, saved, tokens) == (0, *known)
    else:
        right = (outcome, cost, saved, tokens) == ("recorded", worth[0], 0, worth[1])
    return right and rest == [1, "stop"]


def _corrupt(store: str) -> list[str]:
    with closing(sqlite3.connect(store)) as database:
        faults = [str(row) for row in database.execute("PRAGMA integrity_check") if row != ("ok",)]
        faults += [f"points nowhere: {row}" for row in database.execute("PRAGMA foreign_key_check")]
        ids = [row for (row,) in database.execute("SELECT id FROM recordings")]
    return faults + asyncio.run(_unreadable(store, ids)) + _verified(store)


def _verified(store: str) -> list[str]:
    """What `chatreel verify` has to say against the store."""
    command = (sys.executable, "-m", "chatreel", "verify", "--store", store)
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False)
    return [] if ended.returncode == 0 else [ended.stdout + ended.stderr]


async def _unreadable(store: str, ids: list[int]) -> list[str]:
    faults = []
    with closing(Store(store, memory_limit=0)) as opened:
        for recording_id in ids:
            try:
                await opened.load(recording_id)
            except StoreError as error:
                faults.append(str(error))
    return faults
