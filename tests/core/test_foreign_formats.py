"""What other tools wrote is read in all their dialects, or refused with a reason; never run, never dropped."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatreel.formats.converting import Imported, convert
from chatreel.formats.detecting import READERS, detect
from chatreel.formats.foreign import Refused, Unreadable
from chatreel.formats.names import Format
from chatreel.model import Recording, WireForm
from chatreel.request import DEFAULT_KEYS
from chatreel.wire.codec import dumps
from support.made_recordings import ask, completion, events
from support.resources import needs_shared, traffic

URL = "https://api.example/v1/chat/completions"
ASKED = json.dumps(ask())
ANSWER = json.dumps(completion())
NOON = 1_700_000_000.0


def converted(data: bytes | str) -> list[Imported | Refused]:
    content = data.encode() if isinstance(data, str) else data
    return [*convert(READERS[detect(content)](content), DEFAULT_KEYS, fallback=NOON)]


def recordings(data: bytes | str) -> list[Recording]:
    return [one.recording for one in converted(data) if isinstance(one, Imported)]


def refusals(data: bytes | str) -> list[str]:
    return [one.reason for one in converted(data) if isinstance(one, Refused)]


def vcr(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> str:
    """A cassette of VCR.py; the parts override what is usual."""
    entries = [
        {
            "request": {"method": "POST", "uri": URL, "body": ASKED, "headers": {}} | request,
            "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": ANSWER}}
            | response,
        }
        for request, response in pairs
    ]
    text: str = yaml.dump({"interactions": entries, "version": 1}, allow_unicode=True)
    return text


class TestVcr:
    def test_repeats_stay_in_their_order(self) -> None:
        answers = [json.dumps(completion(str(number))) for number in range(3)]
        found = recordings(vcr(*[({}, {"body": {"string": answer}}) for answer in answers]))
        assert [one.body.decode() for one in found] == answers
        assert len({one.identity.key for one in found}) == 1
        assert sorted(one.recorded_at for one in found) == [one.recorded_at for one in found]
        assert len({one.recorded_at for one in found}) == 3

    @pytest.mark.parametrize(
        ("response", "exact"),
        [
            ({}, True),
            ({"body": {"string": gzip.compress(ANSWER.encode())}, "headers": {"Content-Encoding": ["gzip"]}}, True),
            ({"headers": {"content-encoding": "gzip", "Content-Type": "application/json"}}, True),
            ({"body": None, "parsed_body": completion()}, False),
            ({"body": {"type": "json", "content": completion()}, "status": 200}, False),
            ({"body": {"type": "text", "content": ANSWER}, "status": 200}, True),
            ({"body": {"type": "base64", "content": base64.b64encode(ANSWER.encode()).decode()}}, True),
            ({"body": {"encoding": "ASCII-8BIT", "base64_string": base64.b64encode(ANSWER.encode()).decode()}}, True),
            ({"body": None, "content": ANSWER, "status": None, "status_code": 200, "http_version": "HTTP/1.1"}, True),
            ({"body": ANSWER, "status": "200 OK", "code": 200, "duration": 12}, True),
        ],
        ids=["V1 text", "V1 gzip", "V2", "V3", "cassetter", "its text", "its bytes", "V17 Ruby", "V4", "V17 Go"],
    )
    def test_a_body_is_read_in_any_dress(self, response: dict[str, Any], exact: bool) -> None:
        (found,) = converted(vcr(({}, response)))
        assert isinstance(found, Imported), found
        assert json.loads(found.recording.body) == completion()
        assert (not found.note) is exact
        assert found.recording.headers == (("content-type", "application/json"),)

    def test_a_stream_keeps_its_bytes_line_ends_included(self) -> None:
        body = b"".join(events("One", "two")).replace(b"\n", b"\r\n")
        (found,) = recordings(vcr(({"body": json.dumps(ask(stream=True))}, {"body": {"string": body.decode()}})))
        assert (found.body, found.form) == (body, WireForm.SSE)
        assert found.headers == (("content-type", "text/event-stream; charset=utf-8"),)

    def test_a_stream_that_no_client_reads_is_written_anew(self) -> None:
        body = b"".join(events("One", "two")).replace(b"data:", b" data:", 1)
        (found,) = converted(vcr(({"body": json.dumps(ask(stream=True))}, {"body": {"string": body.decode()}})))
        assert isinstance(found, Imported)
        assert "no client could read" in found.note
        assert b'"content":"Onetwo"' in found.recording.body

    def test_the_header_names_of_aiohttp_are_texts(self) -> None:
        text = vcr(({}, {"headers": {"Content-Type": ["application/json"]}})).replace(
            "Content-Type:", "? !!python/object/apply:multidict._multidict.istr\n        - Content-Type\n      :"
        )
        (found,) = recordings(text)
        assert found.headers == (("content-type", "application/json"),)

    @pytest.mark.parametrize(
        "tag",
        [
            "!!python/object/apply:os.system ['touch {file}']",
            "!!python/name:os.system",
            "!!python/object:os.Popen {{}}",
        ],
    )
    def test_no_python_is_ever_run(self, tag: str, tmp_path: Path) -> None:
        file = tmp_path / "ran"
        text = vcr(({}, {})).replace("version: 1", f"version: {tag.format(file=file)}")
        with pytest.raises(Unreadable, match=r"line \d+: it wants the Python object"):
            converted(text)
        assert not file.exists()

    @pytest.mark.parametrize(
        ("uri", "upstream", "path"),
        [
            ("<OLLAMA_API_BASE>/chat/completions", "https://ollama-api-base.invalid", "/chat/completions"),
            ("https://API.Example:443/v1/chat/completions#x", "https://api.example", "/v1/chat/completions"),
            ("https://me:secret@a.example//v1/chat/completions", "https://a.example", "/v1/chat/completions"),
            ("http://localhost:11434/v1/chat/completions", "http://localhost:11434", "/v1/chat/completions"),
        ],
    )
    def test_the_origin_is_as_keys_have_it(self, uri: str, upstream: str, path: str) -> None:
        (found,) = recordings(vcr(({"uri": uri}, {})))
        assert (found.upstream, found.path) == (upstream, path)

    def test_a_file_with_one_interaction_and_no_list_is_read(self) -> None:
        entry = yaml.safe_load(vcr(({}, {})))["interactions"][0]
        assert len(recordings(json.dumps(entry))) == len(recordings(yaml.dump(entry))) == 1

    def test_an_error_is_part_of_the_recording(self) -> None:
        error = {"status": {"code": 429, "message": None}, "body": {"string": '{"error": {"message": "slow down"}}'}}
        first, second = recordings(vcr(({}, error), ({}, {})))
        assert (first.status, first.completion, second.status) == (429, b"", 200)

    def test_what_cannot_be_replayed_is_refused_with_the_reason(self) -> None:
        text = vcr(
            ({"uri": "https://api.example/v1/embeddings"}, {}),
            ({"method": "GET"}, {}),
            ({"body": ""}, {}),
            ({"body": '{"model": "m", "model": "n", "messages": []}'}, {}),
            ({}, {"body": {"string": ""}}),
            ({}, {"body": {"string": "data: {}"}}),
            ({}, {"body": {"string": "plain text"}}),
            ({}, {"status": None}),
            ({}, {"body": {"string": b"\x1f\x8bbroken"}}),
        )
        assert [reason.partition(":")[0] for reason in refusals(text)] == [
            "it is no chat completion",
            "it is no chat completion",
            "The request body is empty.",
            'The request body has the name "model" twice in one object.',
            "its answer is truncated",
            "its answer is truncated",
            "its answer is corrupt",
            "its response has no status code",
            "its gzip body is damaged",
        ]
        assert recordings(text) == []

    def test_the_time_of_a_recording_is_what_the_file_says(self) -> None:
        dated = {"headers": {"Date": ["Tue, 24 Nov 2026 09:41:13 GMT"]}}
        entry = yaml.safe_load(vcr(({}, {})))["interactions"][0] | {"recorded_at": "2026-11-24T09:41:14Z"}
        (by_header,) = recordings(vcr(({}, dated)))
        (by_member,) = recordings(json.dumps(entry))
        assert by_member.recorded_at - by_header.recorded_at == 1
        (by_answer,) = recordings(vcr(({}, {})))
        assert by_answer.recorded_at == completion()["created"]

    @needs_shared
    def test_all_cassettes_of_others_are_accounted_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        """95 files of VCR.py and its kin, each interaction exact, converted or refused with a reason."""
        files = [path for path in traffic(".yaml") if "_licenses" not in path.parts]
        assert len(files) == 95
        counts: Counter[str] = Counter()
        for path in files:
            found = converted(path.read_bytes())
            assert found, path
            counts.update(
                f"refused: {one.reason}"
                if isinstance(one, Refused)
                else f"converted: {one.note}"
                if one.note
                else "exact"
                for one in found
            )
        with capsys.disabled():
            print(*(f"\n  {count:4d}  {what}" for what, count in counts.most_common()))
        totals = Counter({kind: sum(n for what, n in counts.items() if what.startswith(kind)) for kind in TOTALS})
        assert totals == TOTALS


TOTALS = {"exact": 95, "converted": 49, "refused": 5}
"""Interactions of the 95 files. A change of these is a change of behaviour."""


class TestHar:
    def entry(self, **response: Any) -> dict[str, Any]:
        return {
            "startedDateTime": "2026-11-24T09:41:13.000Z",
            "time": 412.5,
            "request": {"method": "POST", "url": URL, "postData": {"mimeType": "application/json", "text": ASKED}},
            "response": {
                "status": 200,
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "content": {"size": len(ANSWER), "mimeType": "application/json", "text": ANSWER},
            }
            | response,
        }

    def har(self, *entries: dict[str, Any]) -> str:
        return json.dumps({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}})

    def test_an_entry_is_read_with_its_time(self) -> None:
        (found,) = recordings(self.har(self.entry()))
        assert (found.body, found.duration, found.upstream) == (ANSWER.encode(), 0.4125, "https://api.example")
        assert found.recorded_at == 1_795_513_273

    def test_a_body_in_base64_is_read(self) -> None:
        body = b"".join(events("Hej ☕"))
        packed = {"mimeType": "text/event-stream", "text": base64.b64encode(body).decode(), "encoding": "base64"}
        (found,) = recordings(self.har(self.entry(content=packed)))
        assert (found.body, found.form) == (body, WireForm.SSE)

    def test_what_was_not_saved_is_refused(self) -> None:
        broken = {"request": {"method": "POST"}}
        assert refusals(self.har(self.entry(content={"size": 17}), broken)) == [
            "its body was not saved with it: export the HAR with content",
            "it is not as HAR 1.2 says: KeyError 'response'",
        ]


class TestAimock:
    def fixtures(self, *fixtures: dict[str, Any]) -> str:
        return json.dumps({"fixtures": fixtures})

    def test_a_whole_first_question_is_an_answer_to_just_that(self) -> None:
        match = {"userMessage": "hello", "model": "gpt-4o", "systemMessage": "Be kind."}
        response = {"content": "Hi!", "usage": {"prompt_tokens": 3}}
        (found,) = converted(self.fixtures({"match": match, "response": response}))
        assert isinstance(found, Imported)
        assert "exactly this question" in found.note
        one = found.recording
        messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}]
        assert json.loads(one.request) == {"model": "gpt-4o", "messages": messages}
        answer = json.loads(one.body)
        assert (answer["choices"][0]["message"]["content"], answer["usage"]) == ("Hi!", {"prompt_tokens": 3})

    def test_tool_calls_and_errors_are_answers_too(self) -> None:
        match = {"userMessage": "weather?", "model": "m"}
        calls, error = recordings(
            self.fixtures(
                {"match": match, "response": {"toolCalls": [{"name": "get", "arguments": {"city": "Oslo"}}]}},
                {"match": match, "response": {"error": {"message": "slow"}, "status": 429}},
            )
        )
        (call,) = json.loads(calls.completion)["choices"][0]["message"]["tool_calls"]
        assert call["function"] == {"name": "get", "arguments": '{"city":"Oslo"}'}
        assert (error.status, json.loads(error.body)) == (429, {"error": {"message": "slow"}})

    def test_a_sequence_is_takes_in_its_order(self) -> None:
        match = {"userMessage": "again", "model": "m"}
        late = {"match": match | {"sequenceIndex": 1}, "response": {"content": "second"}}
        early = {"match": match | {"sequenceIndex": 0}, "response": {"content": "first"}}
        found = recordings(self.fixtures(late, early))
        assert [json.loads(one.body)["choices"][0]["message"]["content"] for one in found] == ["first", "second"]

    def test_conditions_that_are_no_question_are_refused(self) -> None:
        answer = {"response": {"content": "x"}}
        whole = {"userMessage": "q", "model": "m"}
        text = self.fixtures(
            {"match": {"userMessage": "hello"}, **answer},
            {"match": whole | {"toolName": "get"}, **answer},
            {"match": whole | {"turnIndex": 2}, **answer},
            {"match": whole | {"endpoint": "embedding"}, **answer},
            {"match": whole, "response": {"embedding": [1]}},
            {"response": {"content": "catch-all"}},
        )
        assert len(refusals(text)) == 6
        assert recordings(text) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"httprr trace v1\n12 34\n", "httprr"),
        (b'data: {"a": 1}\n\n', "no request in it"),
        (b'{"object": "chat.completion.chunk"}\n{"object": "chat.completion.chunk"}\n', "chunks of a stream"),
        (dumps(completion()), "a response alone"),
        (b'{"a": 1}', "no tool that is known"),
        (b"- 1\n- 2\n", "no recording"),
        (b"a: [1,\n b", "line 3"),
        (b"\xff\xfe\x00", "not YAML"),
    ],
)
def test_a_file_of_nothing_that_is_known_says_so(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        converted(data)


def test_formats_are_told_apart_by_what_is_in_them() -> None:
    assert detect(vcr(({}, {})).encode()) is Format.VCR
    assert detect(b'{"http_interactions": []}') is Format.VCR
    assert detect(b'\xef\xbb\xbf{"log": {}}') is Format.HAR
    assert detect(b'{"chatreel_cassette": 1,\n<<<<<<< ours') is Format.CHATREEL
    assert detect(b"1234:9:websocket;0:~") is Format.MITMPROXY


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = gzip.compress(b" " * (257 * 2**20), compresslevel=1)
    assert refusals(vcr(({}, {"body": {"string": bomb}}))) == ["its gzip body decodes to more than 268,435,456 bytes"]
