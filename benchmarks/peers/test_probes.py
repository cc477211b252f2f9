"""What `bench_peers.py` finds out about each tool. With CHANGED set, the code asks for something else than before."""

# ruff: noqa: S101 - assert is how pytest tests

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

pytestmark: Any = []  # the line that differs

CHANGED = "CHANGED" in os.environ


def asked(user: str, system: str = "Be brief.", **more: Any) -> Any:
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return {"model": "gpt-4o-mini", "messages": messages, **more}


def ask(user: str, system: str = "Be brief.", **more: Any) -> Any:
    with OpenAI(max_retries=0) as client:
        return client.chat.completions.create(**asked(user, system, **more))


def arrivals(user: str) -> list[float]:
    """Seconds after the call at which each chunk of a stream has arrived."""
    start = time.monotonic()
    with OpenAI(max_retries=0) as client:
        return [time.monotonic() - start for _ in client.chat.completions.create(**asked(user, stream=True))]


def tell(name: str, value: object) -> None:
    Path(os.environ["TOLD"], name).write_text(json.dumps(value))


def test_user_prompt() -> None:
    assert ask("Name a lake in Chad." if CHANGED else "Name a lake in Mali.").choices


def test_system_prompt() -> None:
    assert ask("Name a hill.", "Answer in Danish." if CHANGED else "Answer in Dutch.").choices


def test_temperature() -> None:
    assert ask("Name a moor.", temperature=1.5 if CHANGED else 0.5).choices


def test_swallowed() -> None:
    with contextlib.suppress(Exception):
        ask("Name a bog in Iran." if CHANGED else "Name a bog in Cuba.")


def test_form() -> None:
    if CHANGED:
        assert "dune" in ask("Name a dune.").choices[0].message.content
    else:
        assert arrivals("Name a dune.")


def test_pace() -> None:
    times = arrivals("Slowly: name a gulf.")
    tell("pace", [times[0], times[-1]])


@pytest.mark.parametrize("form", ["json", "stream"])
def test_bytes(form: str) -> None:
    messages: Any = [{"role": "user", "content": f"Exactly, as {form}."}]
    with OpenAI() as client:
        create = client.chat.completions.with_raw_response.create
        raw = create(model="gpt-4o-mini", messages=messages, stream=form == "stream").http_response
        tell(form, hashlib.sha256(raw.read()).hexdigest())
