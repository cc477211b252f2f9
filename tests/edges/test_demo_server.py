"""The demo's model server behaves like a real one, as told by the official client."""

import base64
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from chatreel.demo.calls import CALLS, WEATHER, Call, png
from chatreel.demo.model_server import FIRST_TOKEN, RATE, ModelServer
from chatreel.demo.prose import REFUSAL
from chatreel.demo.request import MODELS
from support.program import clean_environment

ODD_SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"properties": [1]}}}

each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.title)


@pytest.fixture(scope="module", autouse=True)
def _no_proxies() -> Iterator[None]:
    """The clients here read proxies from the environment, and would go through them even to this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - clean_environment().keys():
            patch.delenv(name)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer(pace=0) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ModelServer) -> Iterator[openai.OpenAI]:
    with client_of(server) as client:
        yield client


def client_of(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


def ask(client: openai.OpenAI, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The completion for `arguments`, not streamed, as plain values."""
    asked = {name: value for name, value in arguments.items() if name not in {"stream", "stream_options"}}
    answer: dict[str, Any] = client.chat.completions.create(**asked).model_dump(mode="json", exclude_unset=True)
    return answer


def stream(client: openai.OpenAI, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chunks for `arguments`, streamed, as plain values."""
    with client.chat.completions.create(**{**arguments, "stream": True}) as chunks:
        return [chunk.model_dump(mode="json", exclude_unset=True) for chunk in chunks]


def talk(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


def said(answer: Mapping[str, Any]) -> Any:
    return answer["choices"][0]["message"]["content"]


def without_created(value: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name != "created"}


def rebuilt(chunks: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """The message of one choice, put together from its deltas."""
    message: dict[str, Any] = {"content": None, "refusal": None, "reasoning_content": None, "tool_calls": []}
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index):
        for name in ("content", "refusal", "reasoning_content"):
            if delta.get(name) is not None:
                message[name] = (message[name] or "") + delta[name]
        for call in delta.get("tool_calls") or ():
            if "id" in call:
                message["tool_calls"].append((call["id"], call["function"]["name"], []))
            message["tool_calls"][call["index"]][2].append(call["function"]["arguments"])
    message["tool_calls"] = [(called, name, "".join(arguments)) for called, name, arguments in message["tool_calls"]]
    return message


def test_the_tour_has_twelve_different_calls_in_both_forms() -> None:
    """No two calls of the tour are the same request, and every third one is a stream."""
    assert len(CALLS) == len({call.title for call in CALLS}) == 12
    assert len({json.dumps(call.arguments, sort_keys=True) for call in CALLS}) == 12
    assert sum(call.streams for call in CALLS) == 4


@each_call
def test_same_request_same_answer(client: openai.OpenAI, call: Call) -> None:
    """Asked twice, the server answers the same, `created` aside."""
    assert without_created(ask(client, call.arguments)) == without_created(ask(client, call.arguments))


@each_call
def test_both_forms_say_the_same(client: openai.OpenAI, call: Call) -> None:
    """A stream amounts to the completion: every choice, tool call, finish reason, and the usage."""
    whole = ask(client, call.arguments)
    chunks = stream(client, {**call.arguments, "stream_options": {"include_usage": True}})
    for choice in whole["choices"]:
        message = choice["message"]
        made = [(one["id"], one["function"]) for one in message.get("tool_calls", ())]
        assert rebuilt(chunks, choice["index"]) == {
            "content": message["content"],
            "refusal": message["refusal"],
            "reasoning_content": message.get("reasoning_content"),
            "tool_calls": [(called, named["name"], named["arguments"]) for called, named in made],
        }
        parts = [part for chunk in chunks for part in chunk["choices"] if part["index"] == choice["index"]]
        assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + [choice["finish_reason"]]
    assert chunks[-1]["choices"] == []
    assert [chunk["usage"] for chunk in chunks] == [None] * (len(chunks) - 1) + [whole["usage"]]
    assert {(chunk["id"], chunk["model"], chunk["object"]) for chunk in chunks} == {
        (whole["id"], whole["model"], "chat.completion.chunk")
    }


@each_call
def test_the_client_can_accumulate_every_stream(client: openai.OpenAI, call: Call) -> None:
    """The official accumulator, which is strict, gets the message of the JSON form out of the stream."""
    arguments = {
        name: value for name, value in call.arguments.items() if name not in {"stream", "max_completion_tokens"}
    }
    with client.chat.completions.stream(**arguments) as events:
        final = events.get_final_completion()
    whole = ask(client, arguments)
    assert [choice.message.content for choice in final.choices] == [
        choice["message"]["content"] for choice in whole["choices"]
    ]


def test_no_usage_unless_asked(client: openai.OpenAI) -> None:
    """A stream without `include_usage` has no usage in any chunk and no chunk without a choice."""
    chunks = stream(client, talk("hi"))
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


@each_call
def test_usage_adds_up(client: openai.OpenAI, call: Call) -> None:
    """Tokens of prompt and completion are positive and sum to the total; reasoning is a part of the completion."""
    usage = ask(client, call.arguments)["usage"]
    assert min(usage["prompt_tokens"], usage["completion_tokens"]) > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert (0 < reasoning < usage["completion_tokens"]) if "reasoning" in call.title else reasoning == 0


@pytest.mark.parametrize(
    ("prompt", "more", "calls"),
    [
        ("The weather in Oslo, please", {}, [{"city": "Oslo", "unit": "celsius"}]),
        ("Fahrenheit: the weather in Oslo?", {}, [{"city": "Oslo", "unit": "fahrenheit"}]),
        (
            "The weather in Oslo and New York",
            {},
            [{"city": "Oslo", "unit": "celsius"}, {"city": "New York", "unit": "celsius"}],
        ),
        ("The weather in Oslo and Lima", {"parallel_tool_calls": False}, [{"city": "Oslo", "unit": "celsius"}]),
        ("Good morning from Lima", {"tool_choice": "required"}, [{"city": "Lima", "unit": "celsius"}]),
        (
            "Good morning from Lima",
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            [{"city": "Lima", "unit": "celsius"}],
        ),
        ("Good morning from Lima", {}, []),
        ("The weather in Oslo, please", {"tool_choice": "none"}, []),
    ],
)
def test_calls_tools_when_asked(
    client: openai.OpenAI, prompt: str, more: dict[str, Any], calls: list[dict[str, Any]]
) -> None:
    """The model calls a tool if the prompt or the choice wants it, once per name the prompt mentions."""
    (choice,) = ask(client, talk(prompt, tools=[WEATHER], **more))["choices"]
    made = choice["message"].get("tool_calls", [])
    assert [json.loads(call["function"]["arguments"]) for call in made] == calls
    assert len({call["id"] for call in made}) == len(calls)
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    assert (choice["message"]["content"] is None) == bool(calls)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ('{"temperature": 7}', "According to the tool, temperature is 7."),
        ("[1, 2]", "The result is [1, 2]."),
        ("it rains ", "The tool says: it rains"),
    ],
)
def test_reports_what_a_tool_returned(client: openai.OpenAI, result: str, text: str) -> None:
    """After a tool's result the model puts it in words and calls no further tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]
    assert said(ask(client, {"model": "gpt-4o", "messages": messages, "tools": [WEATHER]})) == text


def test_gives_as_many_answers_as_asked_for(client: openai.OpenAI) -> None:
    """With `n`, the choices are numbered, and not all the same."""
    choices = ask(client, talk("A name for my bakery?", n=4))["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert len({choice["message"]["content"] for choice in choices}) > 1


def test_streamed_choices_take_turns(client: openai.OpenAI) -> None:
    """With `n`, the chunks of the choices alternate, the first one first (Q53)."""
    order = [chunk["choices"][0]["index"] for chunk in stream(client, talk("A name for my bakery?", n=2))]
    assert order[:6] == [0, 1, 0, 1, 0, 1]


def test_structured_output_fits_the_schema(client: openai.OpenAI) -> None:
    """With a schema the content is JSON with the members asked for, filled from the prompt."""
    call = next(call for call in CALLS if call.title == "structured output")
    assert json.loads(said(ask(client, call.arguments))) == {
        "title": "team lunch",
        "day": "Friday",
        "hour": 12,
        "guests": ["Ana", "Bo", "Chidi"],
    }


def test_json_mode_answers_an_object(client: openai.OpenAI) -> None:
    """Without a schema the content is a JSON object all the same."""
    answer = ask(client, talk("As JSON: what is a cache?", response_format={"type": "json_object"}))
    assert isinstance(json.loads(said(answer)), dict)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (640, 3)])
def test_sees_pictures(client: openai.OpenAI, width: int, height: int) -> None:
    """A picture is acknowledged with its size, and counts in the prompt."""
    url = f"data:image/png;base64,{base64.b64encode(png(width, height, (1, 2, 3))).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url}}
    with_picture = talk("")
    with_picture["messages"][0]["content"] = [{"type": "text", "text": "What is it?"}, picture]
    answer = ask(client, with_picture)
    assert f"{width} by {height} pixels" in said(answer)
    assert answer["usage"]["prompt_tokens"] > ask(client, talk("What is it?"))["usage"]["prompt_tokens"] + 80


def test_log_probabilities_follow_the_tokens(client: openai.OpenAI) -> None:
    """There is an entry per token, its alternatives are sorted, and the token itself leads them."""
    (choice,) = ask(client, talk("How do I sort?", logprobs=True, top_logprobs=3))["choices"]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["top_logprobs"][0]["token"] == entry["token"]
        scores = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(scores) == 3
        assert 0 >= scores[0] > scores[1] > scores[2]


def test_streamed_log_probabilities_travel_with_their_token(client: openai.OpenAI) -> None:
    """Each content delta carries the entry of its own token."""
    pairs = [
        (choice["delta"]["content"], [entry["token"] for entry in choice["logprobs"]["content"]])
        for chunk in stream(client, talk("How do I sort?", logprobs=True))
        for choice in chunk["choices"]
        if choice["delta"].get("content")
    ]
    assert pairs
    assert all(entries == [token] for token, entries in pairs)


@pytest.mark.parametrize("model", MODELS)
def test_only_a_reasoning_model_thinks_aloud(client: openai.OpenAI, model: str) -> None:
    """`reasoning_content` is there for a reasoning model alone; each model answers under its full name."""
    answer = ask(client, talk("What is a cache?", model=model))
    assert ("reasoning_content" in answer["choices"][0]["message"]) == (model == "deepseek-reasoner")
    assert answer["model"] == MODELS[model]


@pytest.mark.parametrize("stop", ["\n\n", ["never", "\n\n"]])
def test_stops_at_a_stop_sequence(client: openai.OpenAI, stop: str | list[str]) -> None:
    """The text ends before the first stop sequence; without one it goes on."""
    assert "\n\n" in said(ask(client, talk("Write a haiku.")))
    (choice,) = ask(client, talk("Write a haiku.", stop=stop))["choices"]
    assert "\n\n" not in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_stops_at_the_limit_of_tokens(client: openai.OpenAI, name: str) -> None:
    """A limit cuts the text after that many tokens and says so; a high one changes nothing."""
    answer = ask(client, talk("What is a cache?", **{name: 5}))
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("length", 5)
    assert ask(client, talk("What is a cache?", **{name: 5000}))["choices"][0]["finish_reason"] == "stop"


def test_refuses_what_does_harm(client: openai.OpenAI) -> None:
    """A refusal is a member of its own, beside empty content, in both forms."""
    harmful = talk("Help me write malware")
    message = ask(client, harmful)["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, REFUSAL)
    assert rebuilt(stream(client, harmful), 0)["refusal"] == REFUSAL


def test_other_requests_are_other_completions(client: openai.OpenAI) -> None:
    """Whatever can change an answer changes its id."""
    requests = [talk("hi"), talk("Hi"), talk("hi", seed=1), talk("hi", temperature=0), talk("hi", model="gpt-4o")]
    assert len({ask(client, request)["id"] for request in requests}) == len(requests)


@pytest.mark.parametrize(
    ("content", "status", "param"),
    [
        (b"", 400, None),
        (b"[]", 400, None),
        (b"\xff", 400, None),
        ({"messages": []}, 400, "model"),
        ({"model": "gpt-4o"}, 400, "messages"),
        ({"model": "gpt-4o", "messages": []}, 400, "messages"),
        ({"model": "gpt-4o", "messages": ["hi"]}, 400, "messages"),
        ({"model": "gpt-4o", "messages": [{"role": "robot"}]}, 400, "messages"),
        ({"model": "gpt-4o", "messages": [{"role": "tool", "tool_call_id": "x"}]}, 400, "messages"),
        (talk("hi", model="gpt-99"), 404, "model"),
        (talk("hi", n=0), 400, "n"),
        (talk("hi", n=True), 400, "n"),
        (talk("hi", temperature=3), 400, "temperature"),
        (talk("hi", top_p="much"), 400, "top_p"),
        (talk("hi", max_tokens=0), 400, "max_tokens"),
        (talk("hi", top_logprobs=2), 400, "top_logprobs"),
        (talk("hi", response_format={"type": "json_object"}), 400, "response_format"),
        (talk("hi", tools=5), 400, None),
        (talk("hi", tools=[5]), 400, None),
        (talk("hi", stop=5), 400, None),
        (talk("hi", response_format=ODD_SCHEMA), 400, None),
    ],
)
@pytest.mark.parametrize("form", [{}, {"stream": True}], ids=["json", "stream"])
def test_refuses_bad_requests(
    server: ModelServer, content: bytes | dict[str, Any], form: dict[str, Any], status: int, param: str | None
) -> None:
    """A bad request gets an error in the API's shape, as JSON even if it asked for a stream."""
    body = content if isinstance(content, bytes) else json.dumps(content | form).encode()
    headers = {"authorization": "Bearer any"}
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png;base64,AAAA", "data:image/png;base64,%"])
def test_refuses_pictures_it_cannot_read(client: openai.OpenAI, url: str) -> None:
    """Nothing is fetched: a picture that is not in the request is an error."""
    request = talk("")
    request["messages"][0]["content"] = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(openai.BadRequestError, match="not a PNG"):
        ask(client, request)


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer"}, {"authorization": "Basic abc"}], ids=str)
def test_wants_a_key_but_any_key(server: ModelServer, header: dict[str, str]) -> None:
    """A request without a key gets a 401."""
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=talk("hi"), headers=header)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/chat/completions"), ("POST", "/v1/embeddings")])
def test_knows_no_other_url(server: ModelServer, method: str, path: str) -> None:
    """Other URLs get a 404, on a connection that stays usable."""
    with httpx.Client(base_url=server.url, headers={"authorization": "Bearer any"}) as http:
        answer = http.request(method, path, json=talk("hi") if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
        assert http.post("/v1/chat/completions", json=talk("hi")).status_code == 200


def test_refuses_a_body_without_a_length(server: ModelServer) -> None:
    """A chunked request is refused, and the connection closed, since its body was not read."""
    headers = {"authorization": "Bearer any"}
    with httpx.Client() as http:
        answer = http.post(f"{server.url}/v1/chat/completions", content=iter([b"{}"]), headers=headers)
    assert answer.status_code == 411


def test_counts_its_calls() -> None:
    """`calls` is the number of requests, errors included."""
    with (
        ModelServer(pace=0) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
    ):
        ask(client, talk("hi"))
        stream(client, talk("hi"))
        with pytest.raises(openai.NotFoundError):
            ask(client, talk("hi", model="gpt-99"))
        assert server.calls == 3


def test_takes_its_time() -> None:
    """The first token comes no sooner than the pace says, and a token takes time to write."""
    pace = 0.1
    with ModelServer(pace=pace) as server, client_of(server) as client:
        before = time.monotonic()
        with client.chat.completions.create(**talk("What is a cache?", stream=True)) as chunks:
            arrivals = [time.monotonic() - before for _ in chunks]
    assert arrivals[0] >= FIRST_TOKEN[0] * pace
    assert arrivals[-1] >= (FIRST_TOKEN[0] + (len(arrivals) - 1) / RATE[1]) * pace


def test_stop_ends_what_is_under_way() -> None:
    """A stopped server aborts the answer it is writing and refuses connections; stopping again is harmless."""
    failures: list[Exception] = []

    def ask_slowly(url: str) -> None:
        try:
            httpx.post(url, json=talk("hi"), headers={"authorization": "Bearer any"}, timeout=30)
        except httpx.HTTPError as failure:
            failures.append(failure)

    with ModelServer(pace=1000) as server:
        thread = threading.Thread(target=ask_slowly, args=(f"{server.url}/v1/chat/completions",))
        thread.start()
        while thread.is_alive() and not server.calls:
            time.sleep(0.01)
        server.stop()
        thread.join()
    assert [type(failure) for failure in failures] == [httpx.RemoteProtocolError]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0))


def test_a_server_that_never_ran_can_be_stopped() -> None:
    """Stopping before the start gives the port back and does not wait for anything."""
    server = ModelServer()
    server.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(server.url).port))
