"""Two laws of the key: how a request is written never counts, what it says always does. And what follows."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chatreel.canonical import SCHEME, KeyOptions, Rule, cache_key, identify, parse_body
from chatreel.canonical.document import forget_schemas
from chatreel.canonical.pointers import parse_pointer
from chatreel.canonical.rules import CREDENTIALS, DEFAULTS, DROPPED, EMPTY_IN_HISTORY, SAMPLING_DEFAULTS
from chatreel.errors import ConfigError
from chatreel.model import Identity, JsonObject

TEXT = st.text(max_size=8)
NAMES = st.one_of(st.sampled_from(["type", "properties", "items", "user", "n", "stream", "index", "id"]), TEXT)
NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=10,
)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": TEXT})}),
    st.dictionaries(NAMES, VALUES, max_size=3),
)
CALLS = st.fixed_dictionaries(
    {"id": TEXT, "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})},
    optional={"type": st.just("function"), "index": st.integers(0, 2)},
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
    optional={
        "content": st.one_of(st.none(), TEXT, st.lists(PARTS, max_size=2)),
        "tool_calls": st.lists(CALLS, max_size=2),
        "tool_call_id": TEXT,
        "refusal": TEXT,
    },
)
BODIES = st.fixed_dictionaries(
    {"model": TEXT, "messages": st.lists(MESSAGES, max_size=3)},
    optional={
        "temperature": NUMBERS,
        "n": NUMBERS,
        "seed": NUMBERS,
        "stream": st.booleans(),
        "tools": st.lists(VALUES, max_size=2),
        "extra_body": VALUES,
    },
)


def identity(body: JsonObject, options: KeyOptions | None = None) -> Identity:
    options = options or KeyOptions()
    return identify(upstream="https://api.example", path="/v1/chat/completions", query="", body=body, options=options)


def respelled(tree: Any, rng: random.Random, *, ordered: bool = False) -> str:
    """`tree` as JSON, what JSON leaves open decided by `rng`; `ordered` keeps the order of its members."""
    if isinstance(tree, dict):
        names = list(tree) if ordered else rng.sample(list(tree), len(tree))
        members = (
            _text(name, rng)
            + _gap(rng)
            + ":"
            + respelled(tree[name], rng, ordered=name == "properties" and not ordered)
            for name in names
        )
        return _gap(rng) + "{" + ",".join(members) + _gap(rng) + "}" + _gap(rng)
    if isinstance(tree, list):
        return _gap(rng) + "[" + ",".join(respelled(item, rng) for item in tree) + _gap(rng) + "]" + _gap(rng)
    if isinstance(tree, str):
        return _gap(rng) + _text(tree, rng) + _gap(rng)
    if isinstance(tree, bool) or tree is None:
        return _gap(rng) + json.dumps(tree) + _gap(rng)
    return _gap(rng) + _number(tree, rng) + _gap(rng)


def _gap(rng: random.Random) -> str:
    return rng.choice(["", "", "", " ", "\n", "\t", "\r\n  "])


def _text(text: str, rng: random.Random) -> str:
    units = (json.dumps(char, ensure_ascii=rng.random() < 0.5)[1:-1] for char in text)
    escaped = (
        f"\\u{ord(char):04x}" if ord(char) < 0x10000 and rng.random() < 0.2 else unit
        for char, unit in zip(text, units, strict=True)
    )
    return f'"{"".join(escaped)}"'


def _number(number: float, rng: random.Random) -> str:
    spellings = [json.dumps(number)]
    if float(number) == number and abs(number) < 2**53:
        exponent = f"{float(number):.17e}"
        spellings += [repr(float(number)), exponent, exponent.upper().replace("E-", "E-0")]
        spellings += ["-0", "-0.0", "0E0"] if number == 0 else []
    if float(number) == number == int(number):
        spellings += [f"{int(number)}", f"{int(number)}e0" if abs(number) < 2**53 else f"{int(number)}"]
    return rng.choice(spellings)


def same_value(one: Any, other: Any, *, ordered: bool = False) -> bool:
    """Whether two values say the same by the rules for values, told independently of how keys are made."""
    if isinstance(one, bool) or isinstance(other, bool) or type(one) is not type(other):
        numeric = not isinstance(one, bool) and not isinstance(other, bool)
        numeric = numeric and isinstance(one, (int, float)) and isinstance(other, (int, float))
        return bool(one == other) if numeric else one is other
    if isinstance(one, dict):
        if one.keys() != other.keys() or (ordered and list(one) != list(other)):
            return False
        return all(same_value(one[name], other[name], ordered=name == "properties" and not ordered) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return bool(one == other)


@given(BODIES, st.randoms(use_true_random=False))
def test_how_a_request_is_written_never_counts(body: Any, rng: random.Random) -> None:
    written = respelled(body, rng).encode()
    assert identity(parse_body(written)) == identity(body)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Any, Any]:
    """A value, and the same value with one of its inner values replaced."""
    value = draw(VALUES)
    root: Any = {"": copy.deepcopy(value)}
    holder, place = root, ""
    while isinstance(holder[place], (dict, list)) and holder[place] and draw(st.booleans()):
        holder = holder[place]
        place = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[place] = draw(VALUES)
    return value, root[""]


@given(changes())
def test_what_a_request_says_always_counts(pair: tuple[Any, Any]) -> None:
    one, other = pair
    equal = identity({"x": {"y": one}}).key == identity({"x": {"y": other}}).key
    assert equal == same_value(one, other)


@given(st.text(), st.text())
def test_every_character_of_a_message_counts(one: str, other: str) -> None:
    keys = {identity({"messages": [{"role": "user", "content": text}]}).key for text in (one, other)}
    assert len(keys) == len({one, other})


@given(st.integers(480, 560), st.integers(480, 560), st.sampled_from("ab"), st.sampled_from("ab"))
def test_every_character_of_a_payload_counts(length: int, other_length: int, last: str, other_last: str) -> None:
    urls = {"A" * length + last, "A" * other_length + other_last}
    parts: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    assert len({identity({"messages": [{"role": "user", "content": [part]}]}).key for part in parts}) == len(urls)


@given(BODIES)
def test_a_body_is_not_changed_by_being_identified(body: Any) -> None:
    before = copy.deepcopy(body)
    rule = Rule("vowel", "/messages/*/content", "[aeiou]")
    identity(body, KeyOptions("spec", ("/seed", "/messages/*/tool_calls/*/index"), (rule,)))
    assert repr(body) == repr(before)


@given(BODIES)
def test_the_document_is_canonical_json_and_the_key_its_tagged_digest(body: Any) -> None:
    made = identity(body)
    document = parse_body(made.document)
    assert list(document) == ["v", "upstream", "path", "query", "body"]
    assert document["v"] == SCHEME
    assert made.key == cache_key(made.document)
    assert made.key.startswith(f"{SCHEME}:")
    assert len(made.key) == len(SCHEME) + 1 + 64


def test_the_key_of_a_request_stays_what_it_is() -> None:
    """A known answer: if this changes, stored keys are worthless and the scheme needs another name."""
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.50,"stream":true}'
    made = identify(upstream="https://api.example", path="/v1/chat/completions", query="b=1&a=2", body=parse_body(body))
    assert made.document == (
        b'{"v":"v1","upstream":"https://api.example","path":"/v1/chat/completions","query":[["a","2"],["b","1"]],'
        b'"body":{"messages":[{"content":"hi","role":"user"}],"model":"m","temperature":0.5}}'
    )
    assert made.key == "v1:aa15cc58fbb1327cebe84f327a32a00d8664d5a62aa015e1e9c884c2a6b584af"


def test_large_payloads_leave_the_document() -> None:
    url = "data:image/png;base64," + "A" * 100_000
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 100_000, "format": "wav"}}
    file = {"type": "file", "file": {"file_data": "A" * 100_000}}
    parts: Any = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": url},
        audio,
        file,
    ]
    assert len(identity({"messages": [{"role": "user", "content": parts}]}).document) < 1_000


def test_credentials_leave_the_document() -> None:
    body: Any = {
        "api_key": "SECRET",
        "tools": [{"type": "mcp", "authorization": "SECRET"}],
        "data_sources": [{"parameters": {"authentication": {"type": "api_key", "key": "SECRET"}}}],
    }
    made = identify(upstream="https://SECRET:SECRET@api.example", path="/", query="key=SECRET&sig=SECRET", body=body)
    assert b"SECRET" not in made.document


def test_a_body_may_have_any_type_where_another_is_expected() -> None:
    """Odd bodies are the upstream's to refuse: they have keys, and those differ."""
    odd: list[Any] = [None, True, 1, 0.5, "x", [], {}, {"x": 1}, ["x"], [[]]]
    bodies: list[Any] = [{"messages": value} for value in odd[:-2]]
    bodies += [{"messages": [value]} for value in odd]
    bodies += [{"messages": [{"role": "assistant", "content": [value]}]} for value in odd]
    bodies += [{"messages": [{"role": "user", "tool_calls": value}]} for value in odd[1:]]
    bodies += [{"messages": [{"role": "assistant", "tool_calls": [value]}]} for value in odd]
    bodies += [{"messages": [{"content": [{"image_url": value}]}]} for value in odd[1:]]
    bodies += [{"tools": value, "data_sources": value} for value in odd[1:]]
    assert len({identity(body).key for body in bodies}) == len(bodies)


@pytest.mark.parametrize("pointer", [*DROPPED, *CREDENTIALS])
def test_every_pointer_of_the_tables_takes_something_out(pointer: str) -> None:
    body: Any = "SECRET"
    for token in reversed(parse_pointer(pointer)):
        body = [body] if token == "*" else {token: body}
    assert b"SECRET" not in identity(body).document


@pytest.mark.parametrize(("name", "default"), [*DEFAULTS.items(), *SAMPLING_DEFAULTS.items()])
def test_every_default_of_the_tables_equals_absence(name: str, default: float) -> None:
    spec = KeyOptions("spec")
    assert identity({name: default}, spec) == identity({}, spec)
    assert identity({name: default + 1}, spec) != identity({}, spec)


@pytest.mark.parametrize("name", EMPTY_IN_HISTORY)
def test_every_empty_member_of_the_tables_equals_absence(name: str) -> None:
    said: Any = {"role": "assistant", "content": "ok"}
    empty = said | {name: EMPTY_IN_HISTORY[name]}
    assert identity({"messages": [empty]}) == identity({"messages": [said]})


@pytest.mark.parametrize("pointer", ["", "seed", "/a~2", "/a~", "a/b"])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ConfigError, match="JSON pointer"):
        KeyOptions(ignore=(pointer,))
    with pytest.raises(ConfigError, match="JSON pointer"):
        Rule("date", pointer, "x")


@pytest.mark.parametrize("name", ["", "two words", "‹date›", "a\nb", "é"])
def test_a_rule_needs_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError, match="rule name"):
        Rule(name, "/messages/*/content", "x")


def test_a_rule_needs_a_pattern_that_compiles() -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        Rule("date", "/messages/*/content", "(")


@given(BODIES, VALUES, st.sampled_from(["tools", "functions", "response_format"]))
def test_a_key_is_the_same_whether_its_schemas_were_seen_before_or_not(
    body: JsonObject, schema: Any, name: str
) -> None:
    asked = body | {name: schema}
    remembered = identity(asked)
    forget_schemas()
    assert identity(asked) == remembered
    assert identity(asked | {"other": schema}) == identity({"other": schema} | asked)


class Loader(yaml.CSafeLoader):
    """Reads recordings with tags of their recorders, in headers and responses; those do not matter here."""


for tag in ("!", "tag:yaml.org,2002:python/"):
    Loader.add_multi_constructor(tag, lambda *_: "something else")


def recorded_bodies() -> list[Any]:
    traffic = Path(__file__).parents[2].parent / "shared" / "recordings" / "traffic"
    if not traffic.is_dir():
        pytest.skip(f"no recorded traffic at {traffic}")
    bodies: list[Any] = []
    for file in sorted(traffic.rglob("*.y*ml")):
        recorded = yaml.load(file.read_text(), Loader)
        for interaction in recorded.get("interactions", ()):
            request = interaction["request"]
            body = request.get("parsed_body") or request.get("body")
            bodies.append(json.loads(body) if isinstance(body, str) and body.startswith("{") else body)
    return [body for body in bodies if isinstance(body, dict) and "messages" in body]


def test_recorded_requests_have_keys_that_survive_being_written_differently() -> None:
    bodies = recorded_bodies()
    rng = random.Random(0)
    assert len(bodies) > 100
    for body in bodies:
        assert identity(parse_body(respelled(body, rng).encode())) == identity(body)
