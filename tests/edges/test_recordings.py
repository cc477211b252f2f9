"""Traffic as it really is: served by the test's upstream, recorded through the proxy, replayed while that is off."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from chatreel.model import WireForm
from chatreel.wire.reading import wire_form
from chatreel.wire.usage import without_usage
from support.database import rows
from support.program import running_chatreel
from support.resources import REPOSITORY, needs_shared, traffic
from support.upstream import Reply, Upstream
from support.vcr import Interaction, chat_interactions

DROPPED = {"content-encoding", "content-length", "transfer-encoding", "connection", "date", "keep-alive"}
"""Headers of the recorded connection, not of the answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and what the upstream answers to it."""

    name: str
    target: str
    """Path and query."""
    request: bytes
    reply: Reply
    outcome: str = ""
    """What should become of it, where that is known."""

    @property
    def body(self) -> bytes:
        return self.reply.body or b"".join(self.reply.pieces or ())

    @property
    def shown(self) -> bytes:
        """What the client should get: a stream without the usage that it did not ask for."""
        asked = b"include_usage" in self.request
        return self.body if asked or not self.body.lstrip().startswith(b"data:") else without_usage(self.body)

    def in_other_form(self) -> "Exchange":
        """The same question by a client that wants the other wire form."""
        request = json.loads(self.request)
        recorded_as_stream = wire_form(self.body) is WireForm.SSE
        return replace(self, request=json.dumps({**request, "stream": not recorded_as_stream}).encode())


def foreign_recordings() -> list[Exchange]:
    """All there are, files in order, repeats as they stand."""
    return [_foreign(interaction) for path in traffic(".yaml") for interaction in chat_interactions(path)]


def own_examples() -> list[Exchange]:
    return [_own(path) for path in sorted((REPOSITORY / "cassettes" / "examples").glob("*.json"))]


def _foreign(interaction: Interaction) -> Exchange:
    headers = {name: values[0] for name, values in interaction.headers.items() if name.lower() not in DROPPED}
    streamed = interaction.body.lstrip()[:5] == b"data:"
    pieces = interaction.body.splitlines(keepends=True) if streamed else None
    target = f"{interaction.path}?{interaction.query}" if interaction.query else interaction.path
    reply = Reply(interaction.status, headers, b"" if streamed else interaction.body, pieces)
    return Exchange(interaction.url, target, interaction.request_body, reply)


def _own(path: Path) -> Exchange:
    example = json.loads(path.read_text(encoding="utf-8"))
    response = example["response"]
    pieces = [piece.encode() for piece in response["body"]]
    reply = Reply(response["status"], response["headers"], pieces=pieces)
    return Exchange(
        path.stem, "/v1/chat/completions", json.dumps(example["request"]).encode(), reply, example["outcome"]
    )


@contextmanager
def client_of(upstream: Upstream, store: Path, mode: str) -> Iterator[httpx.Client]:
    with (
        running_chatreel("--upstream", upstream.url, "--mode", mode, "--store", str(store)) as proxy,
        httpx.Client(base_url=proxy.base_url.removesuffix("/v1"), trust_env=False, timeout=30) as client,
    ):
        yield client
        assert "Traceback" not in proxy.log


def ask(client: httpx.Client, exchange: Exchange) -> httpx.Response:
    return client.post(exchange.target, content=exchange.request, headers={"content-type": "application/json"})


def record(upstream: Upstream, store: Path, exchanges: Sequence[Exchange]) -> list[tuple[str, str]]:
    """Have each answered once; the log says, for each in turn, outcome and reason.

    Every client gets the bytes of the upstream, less usage at the end of a stream that it did not ask for (Q28).
    """
    with client_of(upstream, store, "record") as client:
        for exchange in exchanges:
            upstream.reply_with(exchange.reply)
            live = ask(client, exchange)
            refused = live.headers["cache-status"] == "chatreel; detail=chatreel_bad_request"
            assert refused or live.status_code == exchange.reply.status, exchange.name
            assert refused or live.content == exchange.shown, exchange.name
    log = rows(store, "SELECT outcome, reason FROM calls ORDER BY started_at")
    assert len(log) == len(exchanges)
    return [(outcome, reason) for outcome, reason in log]


def replay(upstream: Upstream, store: Path, exchanges: Sequence[Exchange]) -> None:
    """Ask for the recorded ones in their order, while the upstream is off: the bytes are those of the recording."""
    upstream.stop()
    with client_of(upstream, store, "replay") as client:
        for exchange in exchanges:
            replayed = ask(client, exchange)
            assert replayed.content == exchange.shown, exchange.name
            assert replayed.headers["cache-status"].startswith("chatreel; hit; key="), exchange.name
        for exchange in exchanges:
            other = ask(client, exchange.in_other_form())
            assert other.status_code == 200, exchange.name
            assert other.headers["cache-status"].startswith("chatreel; hit"), exchange.name
            assert wire_form(other.content) is not wire_form(exchange.body), exchange.name


def test_our_own_examples_become_what_they_say(upstream: Upstream, tmp_path: Path) -> None:
    examples = own_examples()
    outcomes = [outcome for outcome, _ in record(upstream, tmp_path / "store.db", examples)]
    assert {example.name: outcome for example, outcome in zip(examples, outcomes, strict=True)} == {
        example.name: example.outcome for example in examples
    }
    replay(upstream, tmp_path / "store.db", [example for example in examples if example.outcome == "recorded"])


@pytest.mark.long
@needs_shared
def test_every_recording_of_others_is_replayed_to_the_byte_or_has_a_reason_not_to(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchanges = foreign_recordings()
    log = record(upstream, tmp_path / "store.db", exchanges)
    replay(
        upstream,
        tmp_path / "store.db",
        [e for e, (outcome, _) in zip(exchanges, log, strict=True) if outcome == "recorded"],
    )
    assert all(reason for outcome, reason in log if outcome != "recorded")
    counts = Counter(
        "equal to the byte" if outcome == "recorded" else f"{outcome}: {reason}" for outcome, reason in log
    )
    with capsys.disabled():
        print(*(f"\n  {count:4d}  {what}" for what, count in counts.most_common()))
    assert counts["equal to the byte"] > 100
