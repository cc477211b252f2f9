"""The table of identity: which requests are the same call and which are not, one line each, with the reason.

A line is a reason, a function that makes a request, and the two things it is made of.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, Rule, identify, parse_body
from chatreel.model import Identity

DEFAULT = KeyOptions()


@dataclass(frozen=True)
class Request:
    body: bytes
    upstream: str = "https://api.example"
    path: str = "/v1/chat/completions"
    query: str = ""
    options: KeyOptions = DEFAULT

    def identity(self) -> Identity:
        body = parse_body(self.body)
        return identify(upstream=self.upstream, path=self.path, query=self.query, body=body, options=self.options)


type Line = tuple[str, Callable[[Any], Request], Any, Any]

HI: Any = {"role": "user", "content": "hi"}
CALL: Any = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DATE = Rule("date", "/messages/*/content", r"\d{4}-\d\d-\d\d")
SEED = Rule("seed", "/seed", ".+")
RUN = Rule("run", "/messages/*/content", r"run-\w+")


def itself(request: Request) -> Request:
    return request


def text(body: str) -> Request:
    return Request(body.encode())


def asks(members: Any) -> Request:
    """A request that says hi, with `members` changed or added."""
    return text(json.dumps({"model": "m", "messages": [HI]} | members))


def temperature(spelling: str) -> Request:
    return text('{"model":"m","temperature":%s}' % spelling)  # noqa: UP031 - braces all over


def seed(spelling: str) -> Request:
    return text('{"model":"m","seed":%s}' % spelling)  # noqa: UP031 - braces all over


def says(messages: Any) -> Request:
    return asks({"messages": messages})


def user(content: Any) -> Request:
    return says([{"role": "user", "content": content}])


def system(content: Any) -> Request:
    return says([{"role": "system", "content": content}, HI])


def part(content_part: Any) -> Request:
    return user([content_part])


def hi(members: Any) -> Request:
    """A user message that says hi, with `members` changed or added."""
    return says([HI | members])


def ok(members: Any) -> Request:
    """A history in which the assistant said ok, with `members` changed or added."""
    return says([HI, {"role": "assistant", "content": "ok"} | members, HI])


def called(members: Any) -> Request:
    """A history in which the assistant called a tool without a word, with `members` changed or added."""
    return says([HI, {"role": "assistant", "tool_calls": [CALL]} | members])


def call(members: Any) -> Request:
    return called({"tool_calls": [CALL | members]})


def function_call(members: Any) -> Request:
    return call({"function": CALL["function"] | members})


def ids(three: Any) -> Request:
    """Two calls and the answer to one of them, with these ids."""
    one, other, answered = three
    answer = {"role": "tool", "tool_call_id": answered, "content": "4"}
    return says([{"role": "assistant", "tool_calls": [CALL | {"id": one}, CALL | {"id": other}]}, answer])


def result(content: Any) -> Request:
    return says([{"role": "tool", "tool_call_id": "a", "content": content}])


def function(members: Any) -> Request:
    return asks({"tools": [{"type": "function", "function": {"name": "f"} | members}]})


def parameters(schema: Any) -> Request:
    return function({"parameters": schema})


def properties(schemas: Any) -> Request:
    return parameters({"type": "object", "properties": schemas})


def picture(url: Any) -> Request:
    return part({"type": "image_url", "image_url": {"url": url}})


def sound(data: Any) -> Request:
    return part({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})


def file(members: Any) -> Request:
    return part({"type": "file", "file": {"filename": "a.pdf", "file_data": LONG} | members})


def query(parameters: str) -> Request:
    return replace(asks({}), query=parameters)


def upstream(origin: str) -> Request:
    return replace(asks({}), upstream=origin)


def path(route: str) -> Request:
    return replace(asks({}), path=route)


def spec(members: Any) -> Request:
    return replace(asks(members), options=KeyOptions(sampling_defaults="spec"))


def ignoring(*pointers: str) -> Callable[[Request], Request]:
    return lambda request: replace(request, options=KeyOptions(ignore=pointers))


def ruled(content: Any) -> Request:
    return replace(user(content), options=KeyOptions(normalize=(DATE, RUN)))


def by(rule: Rule) -> Request:
    return replace(user("2026-01-01"), options=KeyOptions(normalize=(rule,)))


TEXT_A: Any = {"type": "text", "text": "a"}
TEXT_B: Any = {"type": "text", "text": "b"}
AB: Any = {"type": "object", "properties": {"a": {}, "b": {}}}
BA: Any = {"type": "object", "properties": {"b": {}, "a": {}}}
F_CALL: Any = {"function_call": {"name": "f", "arguments": ""}}
CACHED: Any = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
PNG = "data:image/png;base64," + "iVBORw0KGgo" * 100
JPG = "data:image/jpeg;base64," + "iVBORw0KGgo" * 100
LONG = "UklGRiQAAABXQVZF" * 100
PNG_DIGEST = f"sha256:{hashlib.sha256(PNG.encode()).hexdigest()}:{len(PNG)}"


def source(members: Any) -> Request:
    return asks({"data_sources": [{"type": "azure_search", "parameters": {"index": "i"} | members}]})


def mcp(members: Any) -> Request:
    return asks({"tools": [{"type": "mcp", "server_url": "https://tools.example"} | members]})


# Members of the specification, each with two values that differ.
SPECIFIED: list[tuple[str, Any, Any]] = [
    ("model", "m", "M"),
    ("messages", [HI], [HI, HI]),
    ("temperature", 0, 0.1),
    ("top_p", 0.9, 0.95),
    ("n", 1, 2),
    ("stop", "a", "b"),
    ("stop", "a", ["a"]),
    ("stop", ["a", "b"], ["b", "a"]),
    ("max_tokens", 10, 11),
    ("max_completion_tokens", 10, 11),
    ("presence_penalty", 0, 0.5),
    ("frequency_penalty", 0, -0.5),
    ("logit_bias", {"50256": -100}, {"50256": 100}),
    ("tools", [], [{"type": "web_search"}]),
    ("tool_choice", "auto", "none"),
    ("tool_choice", {"function": {"name": "f"}}, {"function": {"name": "g"}}),
    ("response_format", {"type": "text"}, {"type": "json_object"}),
    ("seed", 1, 2),
    ("reasoning_effort", "low", "high"),
    ("modalities", ["text"], ["text", "audio"]),
    ("audio", {"voice": "a", "format": "wav"}, {"voice": "b", "format": "wav"}),
    ("audio", {"voice": "a", "format": "wav"}, {"voice": "a", "format": "mp3"}),
    ("logprobs", True, False),
    ("top_logprobs", 1, 2),
    ("parallel_tool_calls", True, False),
    ("service_tier", "auto", "flex"),
    ("verbosity", "low", "high"),
    ("prediction", {"type": "content", "content": "a"}, {"type": "content", "content": "b"}),
    ("web_search_options", {}, {"search_context_size": "low"}),
    ("functions", [{"name": "f"}], [{"name": "g"}]),
    ("function_call", "auto", {"name": "f"}),
]

# Members of other servers, or of nobody: what is not known counts.
EXTENSIONS: list[tuple[str, Any, Any]] = [
    ("enable_thinking", True, False),
    ("thinking_budget", 100, 200),
    ("thinking", {"type": "enabled"}, {"type": "disabled"}),
    ("chat_template_kwargs", {"enable_thinking": True}, {"enable_thinking": False}),
    ("top_k", 10, 20),
    ("min_p", 0.1, 0.2),
    ("repetition_penalty", 1, 1.1),
    ("extra_body", {"a": 1}, {"a": 2}),
    ("search_parameters", {"mode": "on"}, {"mode": "off"}),
    ("enable_search", True, False),
    ("reasoning", {"effort": "low"}, {"effort": "high"}),
    ("provider", {"order": ["a", "b"]}, {"order": ["b", "a"]}),
    ("models", ["a", "b"], ["b", "a"]),
    ("transforms", [], ["middle-out"]),
    ("safe_prompt", True, False),
    ("guided_json", {"type": "object"}, {"type": "array"}),
    ("guided_regex", "a", "b"),
    ("api_base", "https://a.example", "https://b.example"),
    ("prompt_cache_options", {"ttl": "1h"}, {"ttl": "2h"}),
    ("some_extension", "a", "b"),
]

OPTIONAL = sorted({name for name, _, _ in SPECIFIED + EXTENSIONS} - {"model", "messages"})

SAME: list[Line] = [
    # JSON says the same thing in many ways.
    ("whitespace is no content", text, '{"model":"m","n":2}', '{ "model" :\n\t"m" ,\r\n"n": 2 } '),
    ("members have no order", text, '{"model":"m","n":2}', '{"n":2,"model":"m"}'),
    ("nor have those of a message", says, [{"role": "user", "content": ""}], [{"content": "", "role": "user"}]),
    (
        "nor those of an extension",
        asks,
        {"extra": {"a": 1, "b": {"c": 1, "d": 2}}},
        {"extra": {"b": {"d": 2, "c": 1}, "a": 1}},
    ),
    ("an escape is its character", text, '{"model":"é/"}', '{"model":"\\u00e9\\/"}'),
    ("a surrogate pair is its character", text, '{"model":"😀"}', '{"model":"\\ud83d\\ude00"}'),
    ("names may be escaped", text, '{"model":"m"}', '{"\\u006dodel":"m"}'),
    ("a quote may be a number", text, '{"a":"\\"b\\":1"}', '{"a":"\\u0022b\\u0022:1"}'),
    ("1 is 1.0", temperature, "1", "1.0"),
    ("1 is 1e0", temperature, "1", "1e0"),
    ("1 is 1E+0", temperature, "1", "1E+0"),
    ("1 is 0.1e1", temperature, "1", "0.1e1"),
    ("0 is -0", temperature, "0", "-0"),
    ("0 is -0.0", temperature, "0", "-0.0"),
    ("0 is 0e7", temperature, "0", "0e7"),
    ("0.5 is 0.50", temperature, "0.5", "0.50"),
    ("0.00001 is 1e-05", temperature, "0.00001", "1e-05"),
    ("a double has one value, however many digits it is given", temperature, "0.1", "0.1000000000000000055"),
    ("a large round number may have an exponent", temperature, "100000000000000000000", "1e20"),
    ("a number below the least double is 0", temperature, "0", "1e-400"),
    # What leaves the body.
    ("stream is how the answer travels", asks, {"stream": True}, {"stream": False}),
    ("stream defaults to false", asks, {"stream": False}, {}),
    ("stream may be null", asks, {"stream": None}, {"stream": True}),
    ("include_usage is about the stream", asks, {"stream_options": {"include_usage": True}}, {}),
    ("include_obfuscation is about the stream", asks, {"stream_options": {"include_obfuscation": False}}, {}),
    ("user is who asks", asks, {"user": "ann"}, {"user": "bob"}),
    ("safety_identifier is who asks", asks, {"safety_identifier": "a"}, {}),
    ("metadata is a label", asks, {"metadata": {"run": "1"}}, {"metadata": {"run": "2"}}),
    ("store is what the provider keeps", asks, {"store": True}, {"store": False}),
    ("prompt_cache_key finds a cached prefix", asks, {"prompt_cache_key": "a"}, {"prompt_cache_key": "b"}),
    ("prompt_cache_retention keeps it", asks, {"prompt_cache_retention": "24h"}, {}),
    ("a key in the body is a credential", asks, {"api_key": "one"}, {"api_key": "two"}),
    ("so is that of a data source", source, {"authentication": {"key": "one"}}, {"authentication": {"key": "two"}}),
    ("so is that of a tool server", mcp, {"authorization": "one"}, {"authorization": "two"}),
    # Absence and defaults.
    *((f"{name} null is absent", asks, {name: None}, {}) for name in OPTIONAL),
    ("n defaults to 1", asks, {"n": 1}, {}),
    ("n may be a float", asks, {"n": 1.0}, {}),
    ("presence_penalty defaults to 0", asks, {"presence_penalty": 0}, {}),
    ("frequency_penalty defaults to 0", asks, {"frequency_penalty": 0.0}, {}),
    ("temperature defaults to 1 if so configured", spec, {"temperature": 1.0}, {}),
    ("top_p defaults to 1 if so configured", spec, {"top_p": 1}, {}),
    # Schemas.
    ("keywords have no order", parameters, {"type": "object", "required": []}, {"required": [], "type": "object"}),
    (
        "nor inside of properties",
        properties,
        {"a": {"type": "string", "title": "A"}},
        {"a": {"title": "A", "type": "string"}},
    ),
    (
        "a property called properties is a schema",
        properties,
        {"properties": {"a": 1, "b": 2}},
        {"properties": {"b": 2, "a": 1}},
    ),
    ("definitions have no order", parameters, {"$defs": {"a": {}, "b": {}}}, {"$defs": {"b": {}, "a": {}}}),
    (
        "a tool's members have no order",
        function,
        {"strict": True, "description": ""},
        {"description": "", "strict": True},
    ),
    ("numbers in schemas are numbers", parameters, {"maximum": 1}, {"maximum": 1.0}),
    # Content.
    ("one text part is its text", user, [TEXT_A], "a"),
    ("also with members that are null", user, [TEXT_A | {"image_url": None, "cache_control": None}], "a"),
    ("also from the system", system, [TEXT_A], "a"),
    ("also from a tool", result, [TEXT_A], "a"),
    ("also from the assistant", ok, {"content": [TEXT_A]}, {"content": "a"}),
    ("null in a content part is absent", user, [TEXT_A, TEXT_B | {"cache_control": None}], [TEXT_A, TEXT_B]),
    ("null in a message is absent", hi, {"name": None, "tool_calls": None, "some_extension": None}, {}),
    ("null content is absent content", says, [{"role": "user", "content": None}], [{"role": "user"}]),
    # Histories.
    ("content null beside tool calls is absent", called, {"content": None}, {}),
    ("content empty beside tool calls is absent", called, {"content": ""}, {}),
    ("also if it is a part", called, {"content": [{"type": "text", "text": ""}]}, {}),
    ("also beside a function call", ok, {"content": "", **F_CALL}, {"content": None, **F_CALL}),
    *(
        (f"{name} null is not echoed", ok, {name: None}, {})
        for name in ("refusal", "annotations", "audio", "tool_calls")
    ),
    ("reasoning_content null is absent", ok, {"reasoning_content": None}, {}),
    ("function_call null is not echoed", ok, {"function_call": None}, {}),
    ("refusal empty is not echoed", ok, {"refusal": ""}, {}),
    ("annotations empty are not echoed", ok, {"annotations": []}, {}),
    ("audio empty is not echoed", ok, {"audio": {}}, {}),
    ("function_call empty is not echoed", ok, {"function_call": {}}, {}),
    ("tool_calls empty are not echoed", ok, {"tool_calls": []}, {}),
    ("index is an artefact of streaming", call, {"index": 0}, {}),
    ("null in a tool call is absent", call, {"custom": None, "index": None}, {}),
    ("ids of calls are names", ids, ("x", "y", "y"), ("functions.f:0", "toolu_01", "toolu_01")),
    ("even an empty one", ids, ("x", "y", "y"), ("", "y", "y")),
    ("even ours", ids, ("call_0", "call_1", "call_1"), ("call_1", "call_0", "call_0")),
    ("even if nothing was called", ids, ("x", "y", "z"), ("x", "y", "a")),
    ("also of custom tools", call, {"id": "x", "type": "custom"}, {"id": "y", "type": "custom"}),
    # Where the request goes.
    ("parameters are sorted by name", query, "b=2&a=1", "a=1&b=2"),
    ("empty parameters are none", query, "&a=1&&", "a=1"),
    ("keys in a query are credentials", query, "v=1&api-key=one", "v=1&api-key=two"),
    ("however they are spelled", query, "API%2DKey=one", ""),
    ("a password in an upstream is a credential", upstream, "https://u:p@a.example:8443/x", "https://a.example:8443/x"),
    # Options.
    ("an ignored member does not count", ignoring("/seed"), asks({"seed": 1}), asks({})),
    ("nor one of every message", ignoring("/messages/*/name"), hi({"name": "a"}), hi({})),
    ("nor a whole message", ignoring("/messages/0"), system("a"), system("b")),
    ("nor all of them", ignoring("/messages/*"), user("a"), system("b")),
    ("nor all members", ignoring("/extra/*"), asks({"extra": {"a": 1}}), asks({"extra": {"b": 1}})),
    ("nor one of any member", ignoring("/e/*/x"), asks({"e": {"a": {"x": 1}}}), asks({"e": {"a": {"x": 2}}})),
    ("a slash in its name is ~1", ignoring("/a~1b"), asks({"a/b": 1}), asks({})),
    ("ignored caching leaves plain text", ignoring("/messages/*/content/*/cache_control"), user([CACHED]), user("a")),
    ("what a rule matches does not count", ruled, "today is 2026-01-01.", "today is 2026-12-31."),
    ("also in a text part", ruled, [{"type": "text", "text": "2026-01-01"}], "2027-01-01"),
    ("rules work side by side", ruled, "run-1 at 2026-01-01 by run-2", "run-3 at 2026-01-02 by run-4"),
    ("the leftmost match counts", ruled, "run-1999-12-31", "run-2-12-31"),
    ("a rule that finds nothing leaves no trace", itself, ruled("a"), user("a")),
    ("nor one that finds a number", itself, ruled([{"text": 1}]), user([{"text": 1}])),
    ("nor one that finds no text", itself, replace(ruled("a"), options=KeyOptions(normalize=(SEED,))), user("a")),
    (
        "a rule is for texts",
        itself,
        replace(asks({"seed": 1}), options=KeyOptions(normalize=(SEED,))),
        asks({"seed": 1}),
    ),
]

DIFFERENT: list[Line] = [
    *((f"{name} counts", asks, {name: one}, {name: other}) for name, one, other in SPECIFIED + EXTENSIONS),
    *((f"{name} counts by being there", asks, {name: one}, {}) for name, one, _ in EXTENSIONS),
    # Values.
    ("text is not trimmed", user, "hi", "hi "),
    ("text is not case-folded", user, "hi", "Hi"),
    ("text is not Unicode-normalised", user, "é", "e\u0301"),
    ("line ends are text", user, "a\nb", "a\r\nb"),
    ("names are not case-folded", asks, {"Seed": 1}, {"seed": 1}),
    ("1 is not true", asks, {"x": 1}, {"x": True}),
    ("0 is not false", asks, {"x": 0}, {"x": False}),
    ("false is not absence", asks, {"x": False}, {}),
    ("an empty object is not absence", asks, {"x": {}}, {}),
    ("n true is not n 1", asks, {"n": True}, {}),
    ("presence_penalty false is not 0", asks, {"presence_penalty": False}, {}),
    ("n as text is not n", asks, {"n": "1"}, {}),
    ("a number is not its text", seed, "1", '"1"'),
    ("null is not its text", asks, {"x": None}, {"x": "null"}),
    ("an empty list is not an empty object", asks, {"x": []}, {"x": {}}),
    ("null in an array is an element", asks, {"stop": ["a", None]}, {"stop": ["a"]}),
    ("null in a free object is a value", asks, {"chat_template_kwargs": {"a": None}}, {"chat_template_kwargs": {}}),
    ("null in a schema is a value", parameters, {"default": None}, {}),
    ("null in a tool is a value", function, {"strict": None}, {}),
    ("integers keep their digits", seed, "9007199254740993", "9007199254740992"),
    ("up to 64 bits", seed, "18446744073709551615", "18446744073709551614"),
    ("and beyond", seed, "18446744073709551617", "18446744073709551616"),
    ("also below zero", seed, "-9223372036854775809", "-9223372036854775810"),
    ("a long integer is not its text", seed, "18446744073709551617", '"18446744073709551617"'),
    ("neighbouring doubles differ", temperature, "0.1", "0.10000000000000002"),
    ("the sign counts", seed, "1", "-1"),
    # What leaves the body leaves it at the top level only.
    ("a tool parameter may be called user", properties, {"user": {"type": "string"}}, {"user": {"type": "integer"}}),
    ("or stream", properties, {"stream": {}}, {}),
    ("or api_key", properties, {"api_key": {}}, {}),
    ("metadata of a message counts", hi, {"metadata": 1}, {"metadata": 2}),
    ("user in an extension counts", asks, {"extra_body": {"user": "a"}}, {"extra_body": {"user": "b"}}),
    ("n in an extension has no default", asks, {"extra_body": {"n": 1}}, {"extra_body": {}}),
    ("a data source's index counts", source, {"index": "i"}, {"index": "j"}),
    ("a tool server's address counts", mcp, {"server_url": "https://a.example"}, {"server_url": "https://b.example"}),
    # Defaults that servers override.
    ("temperature 1 is not absent", asks, {"temperature": 1}, {}),
    ("top_p 1 is not absent", asks, {"top_p": 1.0}, {}),
    ("temperature true is no default", spec, {"temperature": True}, {}),
    ("temperature 0 is no default", spec, {"temperature": 0}, {}),
    # Schemas.
    ("the order of properties counts", parameters, AB, BA),
    ("also inside of properties", properties, {"x": AB}, {"x": BA}),
    ("also of a property called properties", properties, {"properties": AB}, {"properties": BA}),
    ("also in items", parameters, {"items": AB}, {"items": BA}),
    ("also in definitions", parameters, {"$defs": {"x": AB}}, {"$defs": {"x": BA}}),
    ("also under anyOf", parameters, {"anyOf": [AB]}, {"anyOf": [BA]}),
    ("also of functions", asks, {"functions": [{"parameters": AB}]}, {"functions": [{"parameters": BA}]}),
    ("also of custom tools", asks, {"tools": [{"custom": {"x": AB}}]}, {"tools": [{"custom": {"x": BA}}]}),
    (
        "also of a format",
        asks,
        {"response_format": {"json_schema": {"schema": AB}}},
        {"response_format": {"json_schema": {"schema": BA}}},
    ),
    ("also of guided_json", asks, {"guided_json": AB}, {"guided_json": BA}),
    ("also at the top", asks, AB, BA),
    ("also in a message", hi, AB, BA),
    ("also in a part", part, AB, BA),
    ("also in a call", call, AB, BA),
    ("also in media", part, {"file": AB}, {"file": BA}),
    ("also of format", asks, {"format": AB}, {"format": BA}),
    ("the order of required counts", parameters, {"required": ["a", "b"]}, {"required": ["b", "a"]}),
    ("the order of enum counts", parameters, {"enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    (
        "the order of tools counts",
        asks,
        {"tools": [{"type": "a"}, {"type": "b"}]},
        {"tools": [{"type": "b"}, {"type": "a"}]},
    ),
    ("a tool's name counts", function, {"name": "f"}, {"name": "g"}),
    ("a tool's description counts", function, {"description": "f"}, {"description": "g"}),
    ("a tool's strict counts", function, {"strict": True}, {"strict": False}),
    ("a property's description counts", properties, {"a": {"description": "a"}}, {"a": {"description": "b"}}),
    ("no tools are not absent tools", asks, {"tools": []}, {}),
    # Messages.
    ("the role system counts", hi, {"role": "system"}, {}),
    ("the role developer counts", hi, {"role": "developer"}, {"role": "system"}),
    ("the role assistant counts", hi, {"role": "assistant"}, {}),
    ("the role tool counts", hi, {"role": "tool"}, {}),
    ("the order of messages counts", says, [HI, HI | {"content": "b"}], [HI | {"content": "b"}, HI]),
    ("name counts", hi, {"name": "a"}, {"name": "b"}),
    ("an extension of a message counts", ok, {"prefix": True}, {}),
    ("empty text is not absent text", hi, {"content": ""}, {"content": None}),
    ("nor in an assistant message without calls", ok, {"content": ""}, {"content": None}),
    ("nor if the calls are empty", ok, {"content": "", "tool_calls": []}, {"content": None, "tool_calls": []}),
    ("empty members count where none is echoed", hi, {"annotations": []}, {}),
    ("content beside tool calls counts", called, {"content": "let me see"}, {}),
    ("so does a space", called, {"content": " "}, {}),
    ("reasoning_content counts", ok, {"reasoning_content": "so"}, {"reasoning_content": "thus"}),
    ("also if empty, since DeepSeek insists on it", ok, {"reasoning_content": ""}, {}),
    ("reasoning counts", ok, {"reasoning": "so"}, {}),
    ("reasoning_details count", ok, {"reasoning_details": [{"text": "a"}]}, {"reasoning_details": [{"text": "b"}]}),
    ("a refusal counts", ok, {"refusal": "no"}, {}),
    ("annotations count", ok, {"annotations": [{"type": "url_citation"}]}, {}),
    ("audio counts", ok, {"audio": {"id": "audio_1"}}, {"audio": {"id": "audio_2"}}),
    ("a function call counts", ok, F_CALL, {}),
    ("an id that is not of a call is content", ok, {"id": "x"}, {"id": "y"}),
    # Tool calls.
    ("that a tool was called counts", called, {}, {"tool_calls": [CALL, CALL | {"id": "b"}]}),
    ("which counts", function_call, {"name": "f"}, {"name": "g"}),
    ("arguments count", function_call, {"arguments": '{"a":1}'}, {"arguments": '{"a":2}'}),
    ("arguments are opaque text", function_call, {"arguments": '{"a":1}'}, {"arguments": '{"a": 1}'}),
    ("with an order", function_call, {"arguments": '{"a":1,"b":2}'}, {"arguments": '{"b":2,"a":1}'}),
    ("no arguments are not an empty object", function_call, {"arguments": ""}, {"arguments": "{}"}),
    ("arguments that are an object are not its text", function_call, {"arguments": {}}, {"arguments": "{}"}),
    ("null in arguments is a value", function_call, {"arguments": {"a": None}}, {"arguments": {}}),
    ("arguments null are not empty ones", function_call, {"arguments": None}, {"arguments": ""}),
    ("index counts elsewhere", function_call, {"index": 0}, {"index": 1}),
    ("the type of a call counts", call, {"type": "custom"}, {}),
    ("an input counts", call, {"custom": {"input": "i"}}, {"custom": {"input": "j"}}),
    ("which call a result answers counts", ids, ("x", "y", "x"), ("x", "y", "y")),
    ("whether it answers one counts", ids, ("x", "y", "y"), ("x", "y", "z")),
    ("whether calls share an id counts", ids, ("x", "x", "x"), ("x", "y", "x")),
    ("an id that is no string is no name", ids, (1, 2, 2), (1, 3, 3)),
    ("no id is not an empty one", call, {"id": None}, {"id": ""}),
    # Content parts.
    ("two texts are not one", user, [TEXT_A, TEXT_B], "ab"),
    ("the order of parts counts", user, [TEXT_A, TEXT_B], [TEXT_B, TEXT_A]),
    ("text with a cache mark is more than its text", user, [CACHED], "a"),
    ("no parts are not empty text", user, [], ""),
    ("text of another type is not text", user, [{"type": "input_text", "text": "a"}], "a"),
    ("a bare text in a list is no part", user, ["a"], "a"),
    ("text that is not text is no text", user, [{"type": "text", "text": 1}], 1),
    ("an object is not a list of it", user, TEXT_A, [TEXT_A]),
    ("a picture's address counts", picture, "https://a.example", "https://b.example"),
    ("a picture's data count", picture, PNG, PNG + "A"),
    ("a picture's media type counts", picture, PNG, JPG),
    ("a picture is not its digest", picture, PNG, PNG_DIGEST),
    ("a digest is not an escaped one", picture, PNG_DIGEST, f"verbatim:{PNG_DIGEST}"),
    ("a bare picture counts", part, {"type": "image_url", "image_url": PNG}, {"type": "image_url", "image_url": JPG}),
    (
        "a picture's detail counts",
        part,
        {"image_url": {"url": PNG, "detail": "low"}},
        {"image_url": {"url": PNG, "detail": "high"}},
    ),
    ("null in a picture is a value", part, {"image_url": {"url": "u", "detail": None}}, {"image_url": {"url": "u"}}),
    ("a sound's data count", sound, LONG, LONG + "A"),
    (
        "a sound's format counts",
        part,
        {"input_audio": {"data": LONG, "format": "wav"}},
        {"input_audio": {"data": LONG, "format": "mp3"}},
    ),
    ("a file's data count", file, {"file_data": LONG}, {"file_data": LONG + "A"}),
    ("a file's name counts", file, {"filename": "a.pdf"}, {"filename": "b.pdf"}),
    ("a file's id counts", file, {"file_id": "a"}, {"file_id": "b"}),
    ("a film's address counts", part, {"video_url": {"url": "a"}}, {"video_url": {"url": "b"}}),
    ("a film's data count", part, {"video_url": {"url": LONG}}, {"video_url": {"url": LONG + "A"}}),
    ("a refusal part counts", part, {"type": "refusal", "refusal": "a"}, {"type": "refusal", "refusal": "b"}),
    ("an unknown part counts", part, {"type": "x", "x": {"a": 1}}, {"type": "x", "x": {"a": 2}}),
    # Where the request goes.
    ("the upstream counts", upstream, "https://a.example", "https://b.example"),
    ("the path counts", path, "/v1/chat/completions", "/v2/chat/completions"),
    ("the query counts", query, "api-version=1", "api-version=2"),
    ("a parameter counts by being there", query, "a", ""),
    ("a name alone is not one with an empty value", query, "a", "a="),
    ("equal names keep their order", query, "a=1&a=2", "a=2&a=1"),
    ("path and query are not joined", itself, replace(path("/c"), query="a=1"), path("/c?a=1")),
    # Options: whatever one of them took out has left a trace.
    ("an ignored member leaves a trace", itself, ignoring("/seed")(asks({"seed": 1})), asks({})),
    ("spec leaves a trace", itself, spec({"temperature": 1}), asks({})),
    ("other ignored members, other keys", itself, ignoring("/seed")(asks({})), ignoring("/top_k")(asks({}))),
    ("other messages than the ignored one count", ignoring("/messages/1/content"), system("a"), system("b")),
    ("other names than the ignored one count", ignoring("/seed/x"), asks({"seed": 1}), asks({"seed": 2})),
    ("what a rule does not match counts", ruled, "on 2026-01-01", "at 2026-01-01"),
    ("how often it matches counts", ruled, "2026-01-01", "2026-01-01 2026-01-01"),
    ("which rule matches counts", ruled, "2026-01-01", "run-1"),
    (
        "a rule changes nothing elsewhere",
        itself,
        replace(ruled("a"), query="2026-01-01"),
        replace(ruled("a"), query="2026-01-02"),
    ),
    ("no text passes for a mark", ruled, "2026-01-01 ‹date›", "‹date› 2026-01-01"),
    ("nor where there is no rule", itself, ruled("2026-01-01"), user("‹date›")),
    ("nor by doubling it", itself, ruled("‹a"), user("‹‹a")),
    ("another pattern, another key", by, DATE, Rule("date", DATE.pointer, ".+")),
    ("another pointer, another key", by, DATE, Rule("date", "/messages/0/content", DATE.pattern)),
    ("another name, another key", by, DATE, Rule("day", DATE.pointer, DATE.pattern)),
]


@pytest.mark.parametrize(("make", "one", "other"), [line[1:] for line in SAME], ids=[line[0] for line in SAME])
def test_requests_that_ask_for_the_same_are_one(make: Callable[[Any], Request], one: Any, other: Any) -> None:
    assert make(one) != make(other), "the line compares a request with itself"
    assert make(one).identity() == make(other).identity()


@pytest.mark.parametrize(
    ("make", "one", "other"), [line[1:] for line in DIFFERENT], ids=[line[0] for line in DIFFERENT]
)
def test_requests_that_may_ask_for_something_else_differ(make: Callable[[Any], Request], one: Any, other: Any) -> None:
    assert make(one).identity().key != make(other).identity().key
