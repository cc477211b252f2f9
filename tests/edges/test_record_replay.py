"""The main job through the front door: record once, replay for ever, bytes equal."""

import base64
import gzip
import random
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.calls import ask, question
from support.database import rows
from support.program import running_chatreel
from support.upstream import Reply, Upstream, completion, stream

ODD_JSON = (
    b' \n{"id":"x" ,"object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"caf\\u00e9 \xe2\x98\x95"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}\n\n'
)
"""Spelled as no serialiser of ours would."""


@pytest.mark.parametrize("streaming", [False, True])
def test_a_recorded_answer_is_replayed_byte_for_byte(upstream: Upstream, store: str, streaming: bool) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question("Hi", stream=streaming))
        second = ask(proxy.base_url, question("Hi", stream=streaming))
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert len(upstream.calls) == 1


def test_the_bytes_of_a_json_body_are_kept_however_they_are_spelled(upstream: Upstream, store: str) -> None:
    upstream.reply_with(Reply(headers={"content-type": "application/json"}, body=ODD_JSON))
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        assert ask(proxy.base_url, question()).content == ODD_JSON
        assert ask(proxy.base_url, question()).content == ODD_JSON
    assert len(upstream.calls) == 1


def test_a_recording_outlives_the_proxy_that_made_it(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question())
    upstream.stop()
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
        second = ask(proxy.base_url, question())
    assert (second.status_code, second.content) == (200, first.content)


def test_different_questions_get_their_own_answers(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        texts = [ask(proxy.base_url, question(f"number {n}")).text for n in (1, 2, 1, 2)]
    assert texts[:2] == texts[2:]
    assert texts[0] != texts[1]
    assert len(upstream.calls) == 2


def test_the_same_question_spelled_differently_is_the_same_call(upstream: Upstream, store: str) -> None:
    body = question("Hi", temperature=1, seed=7)
    spelled = dict(reversed(body.items())) | {"temperature": 1.0, "user": "somebody"}
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        ask(proxy.base_url, body)
        again = ask(proxy.base_url, spelled)
    assert again.headers["cache-status"].startswith("chatreel; hit")


def test_a_stream_is_passed_on_piece_by_piece_while_it_is_recorded(upstream: Upstream, store: str) -> None:
    """The second piece leaves the upstream only after the client has read the first: nothing waits for the end."""
    gates = [None, None, *(threading.Event() for _ in range(2))]
    upstream.reply_with(stream(("one", "two", "three"), gates=gates))
    with (
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as response,
    ):
        text = ""
        for piece in response.iter_text():
            text += piece
            for gate, word in zip(gates[2:], ("one", "two"), strict=True):
                if word in text and gate:
                    gate.set()
    assert text.endswith("data: [DONE]\n\n")
    assert "three" in text


def test_a_stream_is_over_at_done_even_if_its_upstream_stays_connected(upstream: Upstream, store: str) -> None:
    never = threading.Event()
    reply = stream(("one", "two"))
    gates = [None] * len(reply.pieces or ()) + [never]
    upstream.reply_with(stream(("one", "two"), gates=gates))
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question(stream=True))
        second = ask(proxy.base_url, question(stream=True))
        never.set()
    assert first.content == second.content == b"".join(reply.pieces or ())
    assert second.headers["cache-status"].startswith("chatreel; hit")


def test_every_answer_says_what_the_cache_did(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        recorded = ask(proxy.base_url, question())
        hit = ask(proxy.base_url, question())
        streamed = ask(proxy.base_url, question("other", stream=True))
        refused = ask(proxy.base_url, question("new"), cache_control="only-if-cached")
    key = recorded.headers["cache-status"].split('"')[1]
    assert recorded.headers["cache-status"] == f'chatreel; fwd=miss; stored; key="{key}"'
    assert hit.headers["cache-status"] == f'chatreel; hit; key="{key}"'
    assert int(hit.headers["age"]) >= 0
    assert streamed.headers["cache-status"].startswith("chatreel; fwd=miss; key=")
    assert refused.headers["cache-status"] == "chatreel; detail=chatreel_no_recording"


def test_the_status_of_a_cache_further_up_is_kept(upstream: Upstream, store: str) -> None:
    upstream.reply_with(completion(headers={"cache-status": "edge; hit"}))
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        assert (
            ask(proxy.base_url, question()).headers["cache-status"].startswith("edge; hit, chatreel; fwd=miss; stored")
        )


def test_a_recording_in_one_wire_form_answers_in_the_other(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        as_json = ask(proxy.base_url, question("a"))
        as_stream = ask(proxy.base_url, question("a", stream=True))
        streamed = ask(proxy.base_url, question("b", stream=True))
        joined = ask(proxy.base_url, question("b"))
    assert len(upstream.calls) == 2
    assert as_stream.headers["content-type"].startswith("text/event-stream")
    assert as_stream.headers["cache-status"].endswith("detail=converted")
    assert as_stream.text.endswith("data: [DONE]\n\n")
    said = as_json.json()["choices"][0]["message"]["content"]
    assert said in as_stream.text
    assert joined.headers["content-type"] == "application/json"
    assert joined.headers["cache-status"].endswith("detail=converted")
    text = joined.json()["choices"][0]["message"]["content"]
    assert text.startswith("You said: b")
    assert all(piece in streamed.text for piece in (text[:4], text[-4:]))


def test_errors_of_the_upstream_reach_the_client_and_are_not_recorded(upstream: Upstream, store: str) -> None:
    teapot = Reply(418, {"content-type": "text/plain", "retry-after": "7"}, b"short and stout")
    upstream.reply_with(teapot, completion("at last"))
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question())
        second = ask(proxy.base_url, question())
    assert (first.status_code, first.text, first.headers["retry-after"]) == (418, "short and stout", "7")
    assert first.headers["cache-status"].endswith("detail=not-stored-error")
    assert second.status_code == 200
    assert len(upstream.calls) == 2


def test_a_compressed_answer_is_recorded_as_what_it_says(upstream: Upstream, store: str) -> None:
    """An upstream that compresses although it was asked not to (Q1)."""
    plain = completion("zipped")
    upstream.reply_with(
        Reply(headers={**plain.headers, "content-encoding": "gzip"}, body=gzip.compress(plain.body)),
    )
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question())
        second = ask(proxy.base_url, question())
    assert first.content == second.content == plain.body
    assert "content-encoding" not in second.headers
    assert upstream.calls[0].headers["accept-encoding"] == "identity"


@pytest.mark.long
def test_a_request_of_twenty_megabytes_travels_untouched(upstream: Upstream, store: str) -> None:
    """A picture, a sound and a file in one request, as the API takes them inline."""
    data = base64.b64encode(random.Random(1).randbytes(5_000_000)).decode()
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "What are these?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
    ]
    asked = question() | {"messages": [{"role": "user", "content": parts}]}
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, asked)
        second = ask(proxy.base_url, asked)
        parts[1]["image_url"]["url"] = f"data:image/png;base64,{data[:-8]}AAAAAAAA"
        third = ask(proxy.base_url, asked)
    assert first.status_code == third.status_code == 200
    assert first.content == second.content
    assert len(upstream.calls) == 2
    assert len(upstream.calls[0].body) > 20_000_000
    assert upstream.calls[1].json() == asked
    sizes = "SELECT size FROM recordings JOIN payloads ON payloads.id = recordings.{} ORDER BY recordings.id"
    assert rows(store, sizes.format("request")) == [(len(call.body),) for call in upstream.calls]
    assert all(size < 2_000 for (size,) in rows(store, sizes.format("document"))), "what is large enters it by digest"


def test_the_store_is_its_owners_alone(upstream: Upstream, tmp_path: Path) -> None:
    store = tmp_path / "new folder" / "store.db"
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", str(store)) as proxy:
        ask(proxy.base_url, question())
        files = list(store.parent.iterdir())
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert store.parent.stat().st_mode & 0o777 == 0o700
