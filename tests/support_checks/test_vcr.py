"""Recordings of other tools are read in all their dialects, or refused with a reason."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.resources import needs_shared, traffic
from support.vcr import Interaction, Unreadable, chat_interactions, load

URL = "https://api.example.com/v1/chat/completions"


def read(folder: Path, text: str | bytes, name: str = "cassette.yaml") -> list[Interaction]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)


def one(folder: Path, request: object, response: object) -> Interaction:
    (found,) = read(folder, yaml.dump({"interactions": [{"request": request, "response": response}]}, sort_keys=False))
    return found


def asked(folder: Path, **request: Any) -> Interaction:
    answer = {"status": {"code": 200, "message": None}, "headers": {}, "body": {"string": "{}"}}
    return one(folder, {"method": "POST", "uri": URL, "body": None, "headers": {}} | request, answer)


def answered(folder: Path, **response: Any) -> Interaction:
    return one(folder, {"method": "POST", "uri": URL}, {"status": {"code": 200, "message": "OK"}} | response)


def test_reads_the_plain_dialect(tmp_path: Path) -> None:
    """A cassette of VCR.py gives method, URL, bodies, status and headers."""
    text = """
interactions:
- request:
    body: '{"model": "m"}'
    headers:
      Accept: [application/json]
    method: POST
    uri: https://api.example.com/v1/chat/completions?api-version=1#stream
  response:
    body:
      string: "data: {\\"a\\": \\"\\u00e9\\"}\\r\\n\\r\\ndata: [DONE]\\n\\n"
    headers:
      Content-Type: text/event-stream
      X-Many: [a, b]
      x-many: [c]
      content-length: ['12']
    status: {code: 200, message: OK}
version: 1
"""
    (found,) = read(tmp_path, text)
    assert found == Interaction(
        method="POST",
        url="https://api.example.com/v1/chat/completions?api-version=1",
        request_body=b'{"model": "m"}',
        status=200,
        headers={"content-type": ["text/event-stream"], "x-many": ["a", "b", "c"]},
        body='data: {"a": "é"}\r\n\r\ndata: [DONE]\n\n'.encode(),
    )
    assert (found.path, found.query) == ("/v1/chat/completions", "api-version=1")


@pytest.mark.parametrize(
    ("recorded", "body"),
    [
        ({"body": {"string": "text"}}, b"text"),
        ({"body": {"string": b"\xff\x00"}}, b"\xff\x00"),
        ({"body": {"string": gzip.compress(b"packed", mtime=0)}}, b"packed"),
        ({"body": {"string": ""}}, b""),
        ({"body": None}, b""),
        ({}, b""),
        ({"body": "scalar"}, b"scalar"),
        ({"body": {"encoding": "UTF-8", "base64_string": base64.b64encode(b"\x01b").decode()}}, b"\x01b"),
        ({"parsed_body": {"b": 1, "a": "é"}}, '{"b":1,"a":"é"}'.encode()),
        ({"parsed_body": {"b": 1}, "body": None}, b'{"b":1}'),
        ({"body": {"string": "data: 1\n\n"}, "parsed_body": None}, b"data: 1\n\n"),
        ({"content": "old stub"}, b"old stub"),
    ],
    ids=str,
)
def test_reads_every_shape_of_a_body(tmp_path: Path, recorded: dict[str, Any], body: bytes) -> None:
    """Whatever the shape of the body, its bytes come out (V1, V3, V4, V11, V12, V17)."""
    assert answered(tmp_path, **recorded).body == body


@pytest.mark.parametrize(
    ("recorded", "body"),
    [("", b""), ({"model": "m"}, b'{"model":"m"}'), (b"{}", b"{}"), (None, b""), ("no json", b"no json")],
    ids=str,
)
def test_reads_every_shape_of_a_request_body(tmp_path: Path, recorded: object, body: bytes) -> None:
    """A request body may be empty, an object, bytes, nothing or no JSON at all (V12)."""
    assert asked(tmp_path, body=recorded).request_body == body


def test_drops_headers_about_a_coding_that_is_gone(tmp_path: Path) -> None:
    """A header that says gzip over plain text is dropped, and the text stays (V2)."""
    found = answered(tmp_path, body={"string": "{}"}, headers={"Content-Encoding": ["gzip"], "Via": ["x"]})
    assert (found.body, found.headers) == (b"{}", {"via": ["x"]})


@pytest.mark.parametrize("headers", [None, {}])
def test_headers_may_be_missing(tmp_path: Path, headers: object) -> None:
    """Filtered headers are no headers (V7)."""
    assert answered(tmp_path, headers=headers).headers == {}


@pytest.mark.parametrize(
    "status",
    [
        {"status": {"code": 429, "message": None}},
        {"status": None, "status_code": 429},
        {"status": "429 Too Many Requests", "code": 429},
    ],
    ids=str,
)
def test_reads_every_shape_of_a_status(tmp_path: Path, status: dict[str, Any]) -> None:
    """The status code is found wherever the tool puts it, errors included (V4, V13, V15, V17)."""
    assert answered(tmp_path, **status).status == 429


@pytest.mark.parametrize(
    ("recorded", "url"),
    [
        ("<OLLAMA_API_BASE>/chat/completions", "https://ollama-api-base.invalid/chat/completions"),
        ("https://<HOST>/v1/chat/completions", "https://host.invalid/v1/chat/completions"),
        ("https://x.example//openai/deployments/d?a=1", "https://x.example/openai/deployments/d?a=1"),
        (f"{URL}#stream", URL),
    ],
)
def test_makes_scrubbed_urls_usable(tmp_path: Path, recorded: str, url: str) -> None:
    """A URL with parts scrubbed out is absolute again, without fragment and repeated slashes (V8)."""
    assert asked(tmp_path, uri=recorded).url == url


@pytest.mark.parametrize("how", ["apply", "new"])
@pytest.mark.parametrize("node", ["\n      - Accept\n", "\n          args: [Accept]\n"], ids=["sequence", "mapping"])
def test_reads_header_names_that_are_python_objects(tmp_path: Path, how: str, node: str) -> None:
    """A header name kept as a multidict object is its text (V5)."""
    text = f"""
interactions:
- request: {{method: POST, uri: "{URL}"}}
  response:
    headers:
      ? !!python/object/{how}:multidict._multidict.istr{node}      : - application/json
    status: {{code: 200}}
"""
    (found,) = read(tmp_path, text)
    assert found.headers == {"accept": ["application/json"]}


def test_reads_ruby_vcr(tmp_path: Path) -> None:
    """Ruby's cassettes have another root, lower-case methods and their own tag for binary strings (V17)."""
    packed = base64.b64encode(b"data: {}\n\n").decode()
    text = f"""
---
http_interactions:
- request: {{method: post, uri: "{URL}", body: {{encoding: UTF-8, string: "{{}}"}}}}
  response:
    status: {{code: 200, message: OK}}
    body:
      encoding: ASCII-8BIT
      string: !binary |-
        {packed}
recorded_with: VCR 6.4.0
"""
    (found,) = read(tmp_path, text)
    assert (found.method, found.request_body, found.body) == ("POST", b"{}", b"data: {}\n\n")


def test_reads_go_vcr(tmp_path: Path) -> None:
    """go-vcr says `url` and `code`, and its bodies are plain strings (V17)."""
    request = {"method": "POST", "url": URL, "body": "{}", "form": {}}
    found = one(tmp_path, request, {"body": '{"a":1}', "status": "200 OK", "code": 200, "duration": ""})
    assert (found.url, found.status, found.body) == (URL, 200, b'{"a":1}')


@pytest.mark.parametrize("name", ["single.json", "single.yaml"])
def test_reads_a_single_interaction(tmp_path: Path, name: str) -> None:
    """A file may be one interaction, as JSON or as YAML (V16)."""
    single = {
        "request": {"method": "POST", "url": URL, "body": "{}"},
        "response": {"status": {"code": 200}, "body": "x"},
    }
    (found,) = read(tmp_path, json.dumps(single), name)
    assert (found.url, found.body) == (URL, b"x")


def test_keeps_repeats_in_order_and_filters_chat(tmp_path: Path) -> None:
    """The same request twice is two interactions in order (V10); other calls are filtered out (V9)."""

    def entry(url: str, body: str) -> object:
        return {"request": {"method": "POST", "uri": url}, "response": {"status": {"code": 200}, "body": body}}

    embedding = entry("https://api.example.com/v1/embeddings", "no")
    read(tmp_path, yaml.dump({"interactions": [entry(URL, "first"), embedding, entry(URL, "second")]}))
    assert len(load(tmp_path / "cassette.yaml")) == 3
    assert [found.body for found in chat_interactions(tmp_path / "cassette.yaml")] == [b"first", b"second"]


BROTLI = "{content-encoding: [br]}"
BAD_GZIP = base64.b64encode(gzip.compress(b"x" * 100, mtime=0)[:-9]).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a list", "not a mapping"),
        ("a: 1", "neither"),
        ("interactions: {}", "not a list"),
        ("interactions: [1]", "without a request"),
        ("interactions: [{request: {uri: u}}]", "without a response"),
        ("interactions: [{request: {}, response: {status: {code: 200}}}]", "without `uri`"),
        ("interactions: [{request: {uri: u}, response: {}}]", "without a status"),
        ("interactions: [{request: {uri: u}, response: {status: {code: 200}, headers: [a]}}]", "not a mapping"),
        ("interactions: [{request: {uri: u}, response: {status: {code: 200}, body: {string: 5}}}]", "type int"),
        ("interactions: [{request: {uri: u}, response: {status: {code: 1}, parsed_body: {d: 2024-01-01}}}]", "JSON"),
        (f"interactions: [{{request: {{uri: u}}, response: {{code: 1, body: !!binary {BAD_GZIP}}}}}]", "damaged gzip"),
        ("interactions: [{request: {uri: u}, response: {code: 1, body: {base64_string: a}}}]", "not base64"),
        (
            f"interactions: [{{request: {{uri: u}}, response: {{code: 1, headers: {BROTLI}, body: !binary /w==}}}}]",
            "content-encoding br",
        ),
        ("a: [", "does not parse"),
        ("httprr trace v1\n1 2\n", "httprr"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: !!python/object/apply:multidict.CIMultiDict [[]]", "refuses the Python object"),
        ("a: !!python/object/apply:multidict.istr []", "without its text"),
    ],
)
def test_refuses_with_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    """What is no recording is refused, and the message names the file and the reason."""
    with pytest.raises(Unreadable, match=f"(?s)^cassette.yaml: .*{reason}"):
        read(tmp_path, text)


@needs_shared
def test_reads_all_recordings_at_hand() -> None:
    """Every YAML recording loads, its chat calls have JSON or SSE bodies, and none is left packed."""
    found = [interaction for path in traffic(".yaml", ".yml") for interaction in chat_interactions(path)]
    starts = {interaction.body.lstrip()[:1] for interaction in found}
    # One recording was aborted (V11), and one upstream was a page that echoes its request.
    assert starts == {b"{", b"d", b":", b"m", b""}
    assert len(found) == 156
    assert sum(interaction.status == 200 for interaction in found) == 143


@needs_shared
@pytest.mark.parametrize("path", traffic(".txt", ".sse"), ids=lambda path: path.name)
def test_bare_chunks_are_no_recording(path: Path) -> None:
    """A file with only the chunks of an answer has no request, so it is refused (V18)."""
    with pytest.raises(Unreadable):
        load(path)
