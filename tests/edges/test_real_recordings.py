"""Real traffic of many providers, recorded by others: served by the test's upstream, recorded, replayed offline."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.database import rows
from support.program import running_chatreel
from support.resources import needs_shared, traffic
from support.upstream import Reply, Upstream
from support.vcr import Interaction, chat_interactions

DROPPED = {"content-encoding", "content-length", "transfer-encoding", "connection", "date", "keep-alive"}
"""Headers of the recorded connection, not of the answer."""


def interactions() -> list[Interaction]:
    """All of them, files in order, repeats as they stand."""
    return [interaction for path in traffic(".yaml") for interaction in chat_interactions(path)]


def reply_of(interaction: Interaction) -> Reply:
    headers = {name: values[0] for name, values in interaction.headers.items() if name.lower() not in DROPPED}
    if interaction.body.lstrip()[:5] == b"data:":
        events = [piece for piece in interaction.body.splitlines(keepends=True) if piece]
        return Reply(interaction.status, headers, pieces=events)
    return Reply(interaction.status, headers, interaction.body)


@contextmanager
def client_of(upstream: Upstream, store: Path, mode: str) -> Iterator[httpx.Client]:
    with (
        running_chatreel("--upstream", upstream.url, "--mode", mode, "--store", str(store)) as proxy,
        httpx.Client(base_url=proxy.base_url.removesuffix("/v1"), trust_env=False, timeout=30) as client,
    ):
        yield client
        assert "Traceback" not in proxy.log


def ask(client: httpx.Client, interaction: Interaction) -> httpx.Response:
    url = urlsplit(interaction.url)
    target = f"{url.path}?{url.query}" if url.query else url.path
    return client.post(target, content=interaction.request_body, headers={"content-type": "application/json"})


@needs_shared
def test_every_recording_is_replayed_to_the_byte_or_refused_with_a_reason(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = interactions()
    store = tmp_path / "store.db"
    with client_of(upstream, store, "record") as client:
        for interaction in everything:
            upstream.reply_with(reply_of(interaction))
            live = ask(client, interaction)
            refused = live.headers["cache-status"] == "chatreel; detail=chatreel_bad_request"
            assert refused or live.content == interaction.body, interaction.url
    log = rows(store, "SELECT outcome, reason FROM calls ORDER BY id")
    assert len(log) == len(everything)

    upstream.stop()
    counts: Counter[str] = Counter()
    with client_of(upstream, store, "replay") as client:
        for interaction, (outcome, reason) in zip(everything, log, strict=True):
            if outcome != "recorded":
                assert reason, f"{interaction.url}: {outcome} without a reason"
                counts[f"{outcome}: {reason[:90]}"] += 1
                continue
            replayed = ask(client, interaction)
            assert replayed.content == interaction.body, interaction.url
            assert replayed.headers["cache-status"].startswith("chatreel; hit; key="), interaction.url
            counts["equal to the byte"] += 1
    with capsys.disabled():
        print()
        for what, count in counts.most_common():
            print(f"  {count:4d}  {what}")
    assert counts["equal to the byte"] > 100
