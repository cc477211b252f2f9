"""A stream is played back as it came: nothing is said before it was, and in the end all of it has been said."""

import json
from dataclasses import replace

import pytest

from chatreel.dashboards.call.playback import playback
from chatreel.model import Piece, Recording, WireForm
from support.stores import genuine, take


def streamed(*events: tuple[float, object], cut: int = 0) -> Recording:
    """A recording of these events; `cut`: bytes of the last of them that came before the rest of it."""
    body, pieces = b"", []
    for at, data in events:
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        line = b"data: " + text + b"\n\n"
        body += line
        pieces.append(Piece(at, len(line)))
    if cut:
        last = pieces.pop()
        pieces += [Piece(last.at - 0.5, cut), Piece(last.at, last.size - cut)]
    return replace(take(body=body), form=WireForm.SSE, pieces=tuple(pieces))


def says(text: str, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text, **more}}]}


def test_what_had_been_said_grows_with_time() -> None:
    found = playback(streamed((1.0, says("Oslo")), (1.5, says(" is")), (3.0, says(" cold")), (3.0, b"[DONE]")))
    assert [found.until(at) for at in (0.9, 1.0, 1.49, 1.5, 2.9, 3.0)] == [
        "",
        "Oslo",
        "Oslo",
        "Oslo is",
        "Oslo is",
        "Oslo is cold",
    ]
    assert found.duration == 3.0
    assert found.lengths() == [(1000, 4), (1500, 7), (3000, 12)]


def test_an_event_is_heard_when_its_last_byte_has_come() -> None:
    found = playback(streamed((1.0, says("a")), (2.0, says("b")), cut=10))
    assert (found.until(1.9), found.until(2.0)) == ("a", "ab")


def test_reasoning_refusals_and_tool_calls_are_heard_too_and_other_choices_are_not() -> None:
    call = {"index": 0, "function": {"name": "get_weather", "arguments": '{"city":'}}
    found = playback(
        streamed(
            (1.0, {"choices": [{"index": 0, "delta": {"reasoning": "Hm. ", "reasoning_content": "Hm. "}}]}),
            (
                1.1,
                {"choices": [{"index": 1, "delta": {"content": "another"}}, {"index": 0, "delta": {"content": "I"}}]},
            ),
            (1.2, {"choices": [{"index": 0, "delta": {"refusal": " refuse"}}]}),
            (1.3, {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}),
            (1.4, {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": '"Oslo"}'}}]}}]}),
        )
    )
    assert found.until(9) == 'Hm. I refuse\nget_weather {"city":"Oslo"}'


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b'{"choices":[]}', b'{"choices":[null]}', b'{"choices":[{"delta":7}]}']
)
def test_events_without_an_answer_say_nothing(data: bytes) -> None:
    assert playback(streamed((1.0, data))).parts == ()


def test_an_answer_that_was_no_stream_has_no_parts() -> None:
    found = playback(genuine())
    assert (found.parts, found.duration, found.until(9)) == ((), 0.0, "")
