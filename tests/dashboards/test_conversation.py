"""A call is told as a conversation: who says what, in order, in the words in which it was said."""

import json

from chatreel.dashboards.call.conversation import answers, settings, tools, turns
from chatreel.demo.calls import CALLS, WEATHER


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def test_messages_come_in_order_with_who_says_them() -> None:
    [conversation] = [call.arguments for call in CALLS if call.title == "a system prompt and a conversation"]
    found = turns(raw(conversation))
    assert [(turn.role, turn.text) for turn in found] == [
        (message["role"], message["content"]) for message in conversation["messages"]
    ]


def test_tool_calls_and_their_answers_are_told_in_words() -> None:
    [conversation] = [call.arguments for call in CALLS if call.title == "the turn after a tool call"]
    asked, called, answered = turns(raw(conversation))
    assert asked.text == "How is the weather in Oslo?"
    assert called.text == "calls get_weather (call_forecast_oslo)\n  city: Oslo\n  unit: celsius"
    assert (answered.role, '"temperature": 7' in answered.text) == ("tool", True)


def test_a_picture_is_told_by_its_size_and_never_fetched() -> None:
    [conversation] = [call.arguments for call in CALLS if call.title == "a picture"]
    [turn] = turns(raw(conversation))
    assert turn.text.splitlines()[0] == "What is in this picture?"
    assert "image/png, " in turn.text
    assert "base64" not in turn.text


def test_each_choice_is_a_turn_that_says_why_it_ended() -> None:
    choices = [
        {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        for number, (text, reason) in enumerate([("a", "stop"), ("b", "length")])
    ]
    assert [(turn.text, turn.note) for turn in answers(raw({"choices": choices}))] == [
        ("a", "choice 1, ended with stop"),
        ("b", "choice 2, ended with length"),
    ]
    assert [turn.note for turn in answers(raw({"choices": choices[:1]}))] == ["ended with stop"]


def test_what_a_model_thought_is_apart_from_what_it_said() -> None:
    message = {"role": "assistant", "content": "No.", "reasoning_content": "One space\nis a difference."}
    [turn] = answers(raw({"choices": [{"message": message}]}))
    assert (turn.text, turn.reasoning) == ("No.", "One space\nis a difference.")


def test_text_is_kept_line_by_line_and_control_characters_are_seen() -> None:
    [turn] = turns(raw({"messages": [{"role": "user", "content": "  a\n\n![x](https://h/p.png)\x1b[31m"}]}))
    assert turn.text == "  a\n\n![x](https://h/p.png)\\x1b[31m"


def test_what_is_no_request_has_no_turns() -> None:
    for body in (b"", b"{", b"[1]", b'{"messages":7}', b'{"messages":[1,null]}', b"\xff"):
        assert turns(body) == []
        assert answers(body) == []
        assert tools(body) == []


def test_settings_are_all_that_is_neither_said_nor_offered() -> None:
    body = raw({"model": "m", "temperature": 0, "messages": [], "tools": [WEATHER]})
    assert settings(body) == {"model": "m", "temperature": 0}
    assert tools(body) == [WEATHER]
