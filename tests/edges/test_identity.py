"""Identity through the front door: record one request, ask for another with `only-if-cached`; a hit or a refusal.

The pairs are a cut through the whole table of `tests/core/test_canonical.py`, sent as they are spelled. And a
conversation with tools, in which what a client sends depends on what it got before, by clients that each do it in
their own way.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.calls import error_of
from support.program import Program, clean_environment, running_chatreel
from support.upstream import Reply, Request, Upstream, completion, stream

HI: Any = {"role": "user", "content": "hi"}
CALL: Any = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
PNG = "data:image/png;base64," + "iVBORw0KGgo" * 100


def asks(**members: Any) -> str:
    return json.dumps({"model": "m", "messages": [HI]} | members)


def says(*messages: Any) -> str:
    return asks(messages=list(messages))


def user(content: Any) -> str:
    return says({"role": "user", "content": content})


def seed(spelling: str) -> str:
    return '{"model":"m","messages":[{}],"seed":%s}' % spelling  # noqa: UP031 - braces all over


def called(**members: Any) -> str:
    return assistant(tool_calls=[CALL | members])


def assistant(**members: Any) -> str:
    """A history in which the assistant said something."""
    return says(HI, {"role": "assistant", **members})


def sound(form: str) -> str:
    return user([{"type": "input_audio", "input_audio": {"data": PNG, "format": form}}])


def file(file_id: str) -> str:
    return user([{"type": "file", "file": {"file_id": file_id}}])


def schema(*names: str) -> str:
    parameters = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return asks(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])


def picture(url: str) -> str:
    return user([{"type": "image_url", "image_url": {"url": url}}])


def answered(one: str, other: str, name: str) -> str:
    """Two calls, and the answer to the one of this name."""
    calls = [CALL | {"id": one}, CALL | {"id": other}]
    return says({"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": name, "content": "4"})


SAME: list[tuple[str, str, str]] = [
    ("whitespace", '{"model":"m","messages":[{}],"n":2}', '{ "model" : "m",\n"messages" : [ { } ], "n":2}'),
    ("the order of members", '{"model":"m","messages":[{}],"n":2}', '{"n":2,"messages":[{}],"model":"m"}'),
    ("escapes", '{"model":"é😀","messages":[{}]}', '{"model":"\\u00e9\\ud83d\\ude00","messages":[{}]}'),
    ("the spelling of 1", seed("1"), seed("1.0")),
    ("an exponent", seed("1000"), seed("1e3")),
    ("the sign of 0", seed("0"), seed("-0.0")),
    ("stream", asks(stream=True), asks()),
    ("stream_options", asks(stream=True, stream_options={"include_usage": True}), asks(stream=True)),
    ("user", asks(user="ann"), asks(user="bob")),
    ("metadata", asks(metadata={"run": "1"}), asks()),
    ("store", asks(store=True), asks(store=False)),
    ("a key in the body", asks(api_key="one"), asks(api_key="two")),
    ("null of an optional member", asks(tools=None, seed=None), asks()),
    ("null of an extension", asks(enable_thinking=None), asks()),
    ("n 1", asks(n=1), asks()),
    ("presence_penalty 0", asks(presence_penalty=0.0), asks()),
    ("one text part", user([{"type": "text", "text": "a"}]), user("a")),
    ("content null beside a call", called(), assistant(content=None, tool_calls=[CALL])),
    ("content empty beside a call", called(), assistant(content="", tool_calls=[CALL])),
    ("index of a call", called(index=0), called()),
    ("what an assistant's message echoes", called(), assistant(refusal=None, annotations=[], tool_calls=[CALL])),
    ("the names of calls", answered("x", "y", "y"), answered("functions.f:0", "toolu_1", "toolu_1")),
]

DIFFERENT: list[tuple[str, str, str]] = [
    ("a model", asks(model="m"), asks(model="M")),
    ("a space", user("hi"), user("hi ")),
    ("a capital", user("hi"), user("Hi")),
    ("a Unicode form", user("é"), user("e\u0301")),
    ("temperature 1", asks(temperature=1), asks()),
    ("top_p", asks(top_p=0.9), asks(top_p=0.95)),
    ("n", asks(n=2), asks(n=3)),
    ("a digit of a long seed", seed("9007199254740993"), seed("9007199254740992")),
    ("a digit beyond 64 bits", seed("18446744073709551617"), seed("18446744073709551616")),
    ("a number and its text", seed("1"), seed('"1"')),
    ("1 and true", asks(x=1), asks(x=True)),
    ("a role", says(HI), says(HI | {"role": "system"})),
    ("the order of messages", says(HI, HI | {"content": "b"}), says(HI | {"content": "b"}, HI)),
    ("the order of properties", schema("a", "b"), schema("b", "a")),
    ("a tool parameter called user", schema("user"), schema("usar")),
    ("the order of stops", asks(stop=["a", "b"]), asks(stop=["b", "a"])),
    ("enable_thinking", asks(enable_thinking=True), asks(enable_thinking=False)),
    ("chat_template_kwargs", asks(chat_template_kwargs={"a": None}), asks(chat_template_kwargs={})),
    ("top_k", asks(top_k=10), asks(top_k=20)),
    ("extra_body", asks(extra_body={"user": "a"}), asks(extra_body={"user": "b"})),
    ("reasoning", asks(reasoning={"effort": "low"}), asks(reasoning={"effort": "high"})),
    ("reasoning_content", assistant(content="a", reasoning_content="b"), assistant(content="a")),
    ("empty text and none", user(""), user(None)),
    ("two texts and one", user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), user("ab")),
    ("arguments, which are opaque", called(), called(function={"name": "f", "arguments": '{"a": 1}'})),
    ("which call is answered", answered("x", "y", "x"), answered("x", "y", "y")),
    ("a picture", picture(PNG), picture(PNG + "A")),
    ("a sound", sound("wav"), sound("mp3")),
    ("a file", file("a"), file("b")),
    ("a response format", asks(response_format={"type": "text"}), asks(response_format={"type": "json_object"})),
]

UNSAFE = {
    "a name twice": '{"model":"m","model":"n","messages":[{}]}',
    "NaN": '{"model":"m","messages":[{}],"seed":NaN}',
    "Infinity": '{"model":"m","messages":[{}],"seed":-Infinity}',
    "a lone surrogate": '{"model":"\\ud800","messages":[{}]}',
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream]]:
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
    ):
        yield proxy, upstream


def post(proxy: Program, body: str, *, place: str = "", cached: bool = False) -> httpx.Response:
    """`place` keeps the pairs apart from each other: it is part of the query, and so of the key."""
    headers = {"content-type": "application/json"} | ({"cache-control": "only-if-cached"} if cached else {})
    url = f"{proxy.base_url}/chat/completions"
    return httpx.post(url, params={"pair": place}, content=body.encode(), headers=headers, trust_env=False, timeout=30)


@pytest.mark.parametrize(("reason", "recorded", "asked"), SAME, ids=[pair[0] for pair in SAME])
def test_what_says_the_same_is_a_hit(both: tuple[Program, Upstream], reason: str, recorded: str, asked: str) -> None:
    proxy, upstream = both
    before = len(upstream.calls)
    for one, other in ((recorded, asked), (asked, recorded)):
        place = f"{reason} {one == recorded}"
        assert post(proxy, one, place=place).status_code == 200
        assert post(proxy, other, place=place, cached=True).headers["cache-status"].startswith("chatreel; hit")
    assert len(upstream.calls) == before + 2


@pytest.mark.parametrize(("reason", "recorded", "asked"), DIFFERENT, ids=[pair[0] for pair in DIFFERENT])
def test_what_may_say_something_else_is_refused(
    both: tuple[Program, Upstream], reason: str, recorded: str, asked: str
) -> None:
    proxy, upstream = both
    before = len(upstream.calls)
    for one, other in ((recorded, asked), (asked, recorded)):
        place = f"{reason} {one == recorded}"
        assert post(proxy, one, place=place).status_code == 200
        refused = error_of(post(proxy, other, place=place, cached=True))
        assert refused["code"] == "chatreel_no_recording"
        assert "differs in" in refused["message"]
    assert len(upstream.calls) == before + 2


@pytest.mark.parametrize("body", UNSAFE.values(), ids=UNSAFE)
def test_what_could_be_read_in_two_ways_is_never_stored(both: tuple[Program, Upstream], body: str) -> None:
    proxy, upstream = both
    before = len(upstream.calls)
    assert post(proxy, body).headers["cache-status"] == "chatreel; fwd=bypass; detail=unkeyable"
    assert error_of(post(proxy, body, cached=True))["code"] == "chatreel_not_keyable"
    assert len(upstream.calls) == before + 1


# A conversation in three turns: two tools at once, then one more, then the answer.

WEATHER = ("get_weather", '{"city":"Oslo"}')
TURNS: list[dict[str, Any]] = [
    {"pieces": ("Let me", " see."), "tool_calls": (WEATHER, ("get_time", '{"zone":"Europe/Oslo"}'))},
    {"pieces": (), "tool_calls": (("get_weather", '{"city":"Bergen"}'),)},
    {"pieces": ("It is cold", " in both."), "tool_calls": ()},
]
QUESTION = "Where is it colder, in Oslo or in Bergen?"


def answer(request: Request) -> Reply:
    """What the model says, by how far the conversation has come, in the wire form that was asked for."""
    body = request.json()
    turn = TURNS[sum(message["role"] == "assistant" for message in body["messages"])]
    if not body.get("stream"):
        return completion("".join(turn["pieces"]) or None, tool_calls=turn["tool_calls"])
    return stream(turn["pieces"], tool_calls=turn["tool_calls"])


def by_http(base_url: str, question: str, *, streamed: bool, folder: Path) -> str:  # noqa: ARG001 - as the others
    """A client without a library: it echoes the message of a JSON answer whole, and of a stream what it joined."""
    messages: list[Any] = [{"role": "user", "content": question}]
    with httpx.Client(trust_env=False, timeout=30) as client:
        while True:
            body = {"model": "m", "messages": messages, "stream": streamed}
            response = client.post(f"{base_url}/chat/completions", json=body)
            message = _joined(response.text) if streamed else response.json()["choices"][0]["message"]
            messages.append(message)
            if not message.get("tool_calls"):
                return str(message["content"])
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": f"{call['function']['arguments']}: -3"}
                for call in message["tool_calls"]
            ]


def _joined(text: str) -> dict[str, Any]:
    """The message that a stream amounts to, `index` and all, as simple clients put it together."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: dict[int, dict[str, Any]] = {}
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    for delta in [choice["delta"] for event in events for choice in json.loads(event)["choices"]]:
        message["content"] += delta.get("content") or ""
        for part in delta.get("tool_calls") or ():
            call = calls.setdefault(
                part["index"], {"index": part["index"], "type": "function", "function": {"arguments": ""}}
            )
            call.update({"id": part["id"]} if part.get("id") else {})
            function = part.get("function") or {}
            call["function"].update({"name": function["name"]} if function.get("name") else {})
            call["function"]["arguments"] += function.get("arguments") or ""
    return message | ({"tool_calls": list(calls.values())} if calls else {})


NODE = """
import OpenAI from "openai";

const [baseURL, question, streamed] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "sk-test", maxRetries: 0 });
const messages = [{ role: "user", content: question }];
for (;;) {
  const body = { model: "m", messages };
  const answer = streamed === "true"
    ? await client.chat.completions.stream(body).finalChatCompletion()
    : await client.chat.completions.create(body);
  const message = answer.choices[0].message;
  messages.push(message);
  if (!message.tool_calls?.length) {
    console.log(message.content);
    break;
  }
  for (const call of message.tool_calls) {
    messages.push({ role: "tool", tool_call_id: call.id, content: `${call.function.arguments}: -3` });
  }
}
"""


def by_node(base_url: str, question: str, *, streamed: bool, folder: Path) -> str:
    """The official client for Node."""
    ended = subprocess.run(
        ["node", "converse.mjs", base_url, question, str(streamed).lower()],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official client for Node."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no Node with npm here")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "converse.mjs").write_text(NODE)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "openai@7"]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm did not answer in time")
    if ended.returncode:
        pytest.skip(f"npm could not install openai: {ended.stderr.strip()[-200:]}")
    return folder


type Way = Callable[..., str]


def converse_four_times(both: tuple[Program, Upstream], way: Way, folder: Path, *, streamed_first: bool) -> None:
    """Recorded in one wire form, then played in that, in the other, and in the first again."""
    proxy, upstream = both
    upstream.reply_by(answer)
    question = f"{QUESTION} ({way.__name__}, {streamed_first})"
    before = len(upstream.calls)
    for run, streamed in enumerate((streamed_first, streamed_first, not streamed_first, streamed_first)):
        assert way(proxy.base_url, question, streamed=streamed, folder=folder) == "It is cold in both."
        assert len(upstream.calls) == before + len(TURNS), f"run {run} reached the upstream"


@pytest.mark.parametrize("streamed_first", [False, True])
def test_a_conversation_by_plain_http_hits_on_every_turn_from_the_second_run_on(
    both: tuple[Program, Upstream], tmp_path: Path, streamed_first: bool
) -> None:
    converse_four_times(both, by_http, tmp_path, streamed_first=streamed_first)


@pytest.mark.parametrize("streamed_first", [False, True])
def test_a_conversation_by_the_client_for_node_hits_on_every_turn_from_the_second_run_on(
    both: tuple[Program, Upstream], node: Path, streamed_first: bool
) -> None:
    converse_four_times(both, by_node, node, streamed_first=streamed_first)
