"""An answer is stored without its secrets, however they arrived, and is still the whole answer that it was."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Piece
from chatreel.redact import DEFAULT_REDACTOR, REDACTED_HEADER, Redactor
from chatreel.scrubbing import Scrubbed, Unscrubbed, is_clean, scrubbed
from chatreel.secret_patterns import Shapes
from chatreel.secret_shapes import own_pattern
from chatreel.wire.reading import Verdict, read
from chatreel.wire.sse import DONE, encode
from support.planted import KEYS

KEY = KEYS["OpenAI key"]
TEXT = f"It is {KEY}, keep it."
HEADERS = (("content-type", "text/event-stream"),)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return encode(orjson.dumps({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}))


def stream(*deltas: dict[str, Any]) -> bytes:
    return b"".join([*map(chunk, deltas), chunk({}, "stop"), encode(DONE)])


def answer(body: bytes, status: int = 200) -> Scrubbed:
    half = len(body) // 2
    return Scrubbed(read(body, status=status), (Piece(0.5, half), Piece(2.0, len(body) - half)), HEADERS)


def stored(body: bytes, status: int = 200) -> Scrubbed:
    """What is stored of an answer with a secret in it; it is whole, and says what was taken out."""
    came = answer(body, status)
    assert not is_clean(came, DEFAULT_REDACTOR)
    made = scrubbed(came, "v1:0", DEFAULT_REDACTOR)
    assert is_clean(made, DEFAULT_REDACTOR)
    assert made.headers == (*HEADERS, (REDACTED_HEADER, "OpenAI key"))
    assert (made.reading.verdict, made.reading.form) == (came.reading.verdict, came.reading.form)
    assert sum(piece.size for piece in made.pieces) == len(made.reading.body)
    assert made.pieces[-1].at == 2.0
    assert not any(part in spelled(made.reading.body) for part in parts_of(KEY))
    return made


def parts_of(key: str) -> list[str]:
    return [key[start : start + 12] for start in range(0, len(key) - 12, 4)]


def spelled(body: bytes) -> str:
    """All texts of a body in a row, as a reader of single letters would put them together."""
    return "".join(str(orjson.loads(text)) for text in re.findall(rb'"(?:[^"\\]|\\.)*"', body)) + body.decode()


def said(made: Scrubbed) -> dict[str, Any]:
    assert made.reading.completion is not None
    choices: Any = made.reading.completion["choices"]
    message: dict[str, Any] = choices[0]["message"]
    return message


@given(st.lists(st.integers(1, len(TEXT) - 1), unique=True, max_size=len(TEXT)).map(sorted))
def test_however_a_stream_cuts_a_secret_nothing_of_it_is_left(cuts: list[int]) -> None:
    pieces = [TEXT[start:end] for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    made = stored(stream({"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)))
    assert re.fullmatch(r"It is \[OpenAI key removed [0-9a-f]{32}\], keep it\.", said(made)["content"])


def test_log_probabilities_that_spell_it_go_with_it() -> None:
    tokens = [{"token": letter, "logprob": -1.0, "bytes": [ord(letter)], "top_logprobs": []} for letter in TEXT]
    body = b"".join(
        chunk({"content": token["token"]}, logprobs={"content": [token], "refusal": None}) for token in tokens
    )
    made = stored(body + chunk({}, "stop") + encode(DONE))
    assert b'"bytes"' not in made.reading.body
    choice = {"index": 0, "message": {"content": TEXT}, "logprobs": {"content": tokens}, "finish_reason": "stop"}
    other = {"index": 1, "message": {"content": "I"}, "logprobs": {"content": tokens[:1]}, "finish_reason": "stop"}
    whole = stored(orjson.dumps({"id": "1", "choices": [choice, other]}))
    choices: Any = orjson.loads(whole.reading.body)["choices"]
    assert [one["logprobs"] for one in choices] == [None, {"content": tokens[:1]}]


@pytest.mark.parametrize("size", [1, 7, 500])
def test_arguments_of_a_tool_reasoning_and_its_parts_are_searched_whole(size: int) -> None:
    arguments = orjson.dumps({"key": KEY, "n": 1}).decode()
    cut = [arguments[start : start + size] for start in range(0, len(arguments), size)]
    thought = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    made = stored(
        stream(
            {"role": "assistant", "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
            *({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in cut),
            *({"reasoning_content": piece} for piece in thought),
            *({"reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}]} for piece in thought),
        )
    )
    [call] = said(made)["tool_calls"]
    found = orjson.loads(call["function"]["arguments"])
    assert (found["n"], found["key"][:19]) == (1, "[OpenAI key removed")
    assert "[OpenAI key removed" in said(made)["reasoning_content"]


MESSAGE = b'{"id":"1","choices":[{"index":0,"message":{"content":"%s"},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    "text", [TEXT.encode(), "".join(f"\\u{ord(one):04x}" for one in TEXT).encode()], ids=["plain", "escaped"]
)
def test_a_whole_answer_is_written_without_it(text: bytes) -> None:
    assert said(stored(MESSAGE % text))["content"].startswith("It is [OpenAI key removed ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (orjson.dumps({"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}}), 401),
        (f"<p>{KEY}</p>".encode(), 502),
        (chunk({"content": "So"}) + encode(orjson.dumps({"error": {"message": TEXT, "code": 500}})), 200),
    ],
    ids=["JSON", "a page", "in a stream"],
)
def test_an_error_stays_an_error(body: bytes, status: int) -> None:
    made = stored(body, status)
    assert (made.reading.verdict, made.reading.status) == (Verdict.ERROR, status)


def test_a_secret_in_what_no_reader_looks_at_goes_too() -> None:
    body, key = stream({"content": "Hi"}), KEY.encode()
    twice = (MESSAGE % b"Hi").replace(b"{", b'{"id":"%s",' % key, 1)
    for odd in (b": %s\n\n%s" % (key, body), b"event: %s\n%s" % (key, body), twice):
        made = scrubbed(answer(odd), "v1:0", DEFAULT_REDACTOR)
        assert KEY.encode() not in made.reading.body
        assert said(made)["content"] == "Hi"
        assert made.headers[-1] == (REDACTED_HEADER, "a secret")


def test_an_answer_without_secrets_is_clean() -> None:
    for body in (stream({"content": "The prefix is sk-proj-..."}), b'{"choices":[]}', b"", b"\xff"):
        assert is_clean(answer(body), DEFAULT_REDACTOR)


def test_an_answer_that_cannot_be_rid_of_it_is_not_to_be_stored() -> None:
    """Here a shape that the answer has by being one."""
    mine = Redactor(Shapes([own_pattern("all", r'"choices"')]))
    with pytest.raises(Unscrubbed, match="cannot be taken out"):
        scrubbed(answer(stream({"content": "Hi"})), "v1:0", mine)
