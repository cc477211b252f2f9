"""`chatreel import`: what a suite has recorded with other tools answers its calls from now on."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from chatreel.cassette_names import cassette_name
from chatreel.formats import cassette
from chatreel.request import DEFAULT_KEYS
from support.calls import ask as call
from support.command import chatreel
from support.made_recordings import KEYED_BY, ask, completion, events, said
from support.program import running_chatreel
from support.resources import needs_shared, traffic
from support.upstream import Upstream
from support.vcr import Interaction, load

UPSTREAM = "https://api.example"


def vcr(*answers: str, uri: str = f"{UPSTREAM}/v1/chat/completions") -> str:
    entries = [
        {
            "request": {"method": "POST", "uri": uri, "body": json.dumps(ask()), "headers": {"authorization": ["x"]}},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"Content-Type": ["application/json"]},
                "body": {"string": json.dumps(completion(answer))},
            },
        }
        for answer in answers
    ]
    text: str = yaml.dump({"interactions": entries, "version": 1})
    return text


def suite(folder: Path) -> Path:
    """A folder as pytest-recording leaves it."""
    cassettes = folder / "tests" / "cassettes" / "test_weather"
    cassettes.mkdir(parents=True)
    (cassettes / "test_rain.yaml").write_text(vcr("One", "Two"), encoding="utf-8")
    (cassettes / "TestOslo.test_snow[gpt-4o].yaml").write_text(vcr("Three"), encoding="utf-8")
    other = vcr("Four", uri=f"{UPSTREAM}/v1/embeddings")
    (cassettes / "test_embedding.yaml").write_text(other, encoding="utf-8")
    return cassettes


def answers(path: Path) -> list[str]:
    found = cassette.load(path.read_bytes(), DEFAULT_KEYS).recordings
    return [json.loads(one.completion)["choices"][0]["message"]["content"] for one in found]


_FLOWS = """
import sys
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils
path, asked = sys.argv[1:]
with open(path, "wb") as file:
    for content, reply in [(asked.encode(), sys.stdin.buffer.read()), (b"", b"")]:
        request = tutils.treq(method=b"POST", scheme=b"https", host="api.example", port=443, authority=b"",
                              path=b"/v1/chat/completions", content=content)
        response = tutils.tresp(content=reply, headers=((b"content-type", b"text/event-stream"),))
        FlowWriter(file).add(tflow.tflow(req=request, resp=response))
    FlowWriter(file).add(tflow.tflow(err=True))
    FlowWriter(file).add(tflow.ttcpflow())
"""
"""Writes a flow file with mitmproxy itself."""


class TestFolders:
    def test_a_folder_of_pytest_recording_becomes_cassettes_of_the_same_names(self, tmp_path: Path) -> None:
        cassettes = suite(tmp_path)
        ended = chatreel("import", "tests", cwd=tmp_path)
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "3 exact, 0 converted, 1 refused")
        assert "  interaction 1: refused: it is no chat completion: POST /v1/embeddings" in ended.stdout
        assert answers(cassettes / "test_rain.json") == ["One", "Two"]
        assert answers(cassettes / "TestOslo.test_snow[gpt-4o].json") == ["Three"]
        assert not (cassettes / "test_embedding.json").exists()

    def test_names_are_those_that_the_plugin_looks_for(self, tmp_path: Path) -> None:
        cassettes = tmp_path / "cassettes" / "test_weather"
        cassettes.mkdir(parents=True)
        (cassettes / "TestOslo.test_rain[ChatOpenAI].yaml").write_text(vcr("One"), encoding="utf-8")
        chatreel("import", "cassettes", cwd=tmp_path)
        assert answers(cassettes / cassette_name(["TestOslo"], "test_rain[ChatOpenAI]")) == ["One"]

    def test_what_was_refused_can_be_allowed(self, tmp_path: Path) -> None:
        suite(tmp_path)
        ended = chatreel("import", "--allow-refused", "--json", "tests", cwd=tmp_path)
        assert ended.returncode == 0
        reports = json.loads(ended.stdout)
        assert [(Path(one["file"]).name, one["exact"], len(one["refused"])) for one in reports] == [
            ("TestOslo.test_snow[gpt-4o].yaml", 1, 0),
            ("test_embedding.yaml", 0, 1),
            ("test_rain.yaml", 2, 0),
        ]

    def test_an_import_that_is_repeated_changes_nothing(self, tmp_path: Path) -> None:
        cassettes = suite(tmp_path)
        chatreel("import", "tests", cwd=tmp_path)
        before = (cassettes / "test_rain.json").read_bytes()
        ended = chatreel("import", "tests", cwd=tmp_path)
        assert "2 exact (2 of them known already)" in ended.stdout
        assert (cassettes / "test_rain.json").read_bytes() == before

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        cassettes = suite(tmp_path)
        ended = chatreel("import", "--dry-run", "--allow-refused", "tests", cwd=tmp_path)
        assert ended.stdout.splitlines()[-1] == "3 exact, 0 converted, 1 refused"
        assert list(cassettes.glob("*.json")) == []


class TestFiles:
    def test_files_of_several_tools_go_into_one_cassette_beside_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(vcr("One"), encoding="utf-8")
        fixture = {"match": {"userMessage": "Bye", "model": "m"}, "response": {"content": "Two"}}
        (tmp_path / "b.json").write_text(json.dumps({"fixtures": [fixture]}), encoding="utf-8")
        (tmp_path / "all.json").write_bytes(cassette.dump([said("There", "Zero")], KEYED_BY))
        ended = chatreel("import", "--cassette", "all.json", "a.yaml", "b.json", cwd=tmp_path)
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "1 exact, 1 converted, 0 refused")
        assert sorted(answers(tmp_path / "all.json")) == ["One", "Two", "Zero"]

    def test_the_origin_can_be_another_one(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(vcr("One", uri="<API_BASE>/v1/chat/completions"), encoding="utf-8")
        chatreel("import", "--upstream", "https://api.openai.com/v1", "a.yaml", cwd=tmp_path)
        (found,) = cassette.load((tmp_path / "a.json").read_bytes(), DEFAULT_KEYS).recordings
        assert found.upstream == "https://api.openai.com"

    def test_flow_files_of_mitmproxy_are_read(self, tmp_path: Path) -> None:
        body = b"".join(events("One", "two"))
        made = subprocess.run(
            [sys.executable, "-c", _FLOWS, str(tmp_path / "a.flow"), json.dumps(ask(stream=True))],
            input=body,
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        ended = chatreel("import", "a.flow", cwd=tmp_path)
        assert ended.returncode == 1
        assert ended.stdout.splitlines()[1:] == [
            "  flow 2: refused: The request body is empty.",
            "  flow 3: refused: it has no response: error",
            "  flow 4: refused: it is no HTTP",
            "1 exact, 0 converted, 3 refused",
        ]
        (found,) = cassette.load((tmp_path / "a.json").read_bytes(), DEFAULT_KEYS).recordings
        assert (found.body, found.upstream) == (body, "https://api.example")

    def test_a_file_is_never_replaced_by_its_own_import(self, tmp_path: Path) -> None:
        fixture = {"match": {"userMessage": "Bye", "model": "m"}, "response": {"content": "Two"}}
        text = json.dumps({"fixtures": [fixture]})
        (tmp_path / "b.json").write_text(text, encoding="utf-8")
        ended = chatreel("import", "b.json", cwd=tmp_path)
        assert (ended.returncode, "name a file with --cassette" in ended.stderr) == (2, True)
        assert (tmp_path / "b.json").read_text(encoding="utf-8") == text

    def test_files_that_are_nothing_are_refused_with_the_reason(self, tmp_path: Path) -> None:
        files = {
            "a": (b"", "the file is empty"),
            "b": (b"version: !!python/object/apply:os.system [id]\n", "line 1: it wants the Python object"),
            "c": (b"\x00\x01\x02", "not YAML"),
            "d": (b'{"chatreel_cassette": 9, "interactions": []}', "line 1: this cassette has format 9"),
            "e": (b"12:not a flow,", "mitmproxy cannot read it"),
        }
        for name, (content, _) in files.items():
            (tmp_path / name).write_bytes(content)
        ended = chatreel("import", *files, cwd=tmp_path)
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
        refused = [line for line in ended.stdout.splitlines() if line.startswith("  the file: refused: ")]
        assert all(says in line for line, (_, says) in zip(refused, files.values(), strict=True)), refused

    def test_a_path_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        ended = chatreel("import", "nowhere", cwd=tmp_path)
        assert (ended.returncode, "nowhere: there is no such file" in ended.stderr) == (2, True)


class TestStore:
    def test_a_cassette_goes_into_a_store_once_and_is_replayed(self, tmp_path: Path, upstream: Upstream) -> None:
        (tmp_path / "a.yaml").write_text(vcr("One", uri=f"{upstream.url}/v1/chat/completions"), encoding="utf-8")
        for known in ("", " (1 of them known already)"):
            ended = chatreel("import", "--store", "store.db", "a.yaml", cwd=tmp_path)
            assert f"a.yaml: 1 exact{known} -> " in ended.stdout
        arguments = ("--upstream", upstream.url, "--mode", "replay", "--store", str(tmp_path / "store.db"))
        with running_chatreel(*arguments) as proxy:
            answer = call(proxy.base_url, ask())
            assert answer.json()["choices"][0]["message"]["content"] == "One"
            assert len(upstream.calls) == 0

    @needs_shared
    @pytest.mark.long
    def test_every_recording_of_others_is_replayed_as_recorded_and_in_order(self, tmp_path: Path) -> None:
        """All of them from one store; the upstreams are out of reach, and never asked."""
        files = [str(path) for path in traffic(".yaml")]
        ended = chatreel("import", "--into-store", "--json", "--store", "store.db", *files, cwd=tmp_path)
        reports = json.loads(ended.stdout)
        totals = [sum(len(one[kind]) for one in reports) for kind in ("converted", "refused")]
        assert [sum(one["exact"] for one in reports), *totals] == [95, 49, 5]
        expected = [found for one in reports for found in replayable(one)]
        names = {origin: f"up{number}" for number, origin in enumerate(sorted({one.origin for one in expected}))}
        upstreams = [part for origin, name in names.items() for part in ("--upstream", f"{name}={origin}")]
        arguments = (*upstreams, "--mode", "replay", "--store", str(tmp_path / "store.db"))
        with (
            running_chatreel(*arguments) as proxy,
            httpx.Client(base_url=proxy.base_url.removesuffix("/v1"), trust_env=False, timeout=30) as client,
        ):
            for one in expected:
                found = one.interaction
                target = f"/{names[one.origin]}{found.path}{f'?{found.query}' if found.query else ''}"
                answer = client.post(target, content=found.request_body, headers={"content-type": "application/json"})
                assert answer.status_code == found.status, one
                if one.exact:
                    assert answer.content == found.body, one.interaction.url


@dataclass(frozen=True)
class Expected:
    """An interaction that was imported."""

    interaction: Interaction
    exact: bool

    @property
    def origin(self) -> str:
        return self.interaction.url[: self.interaction.url.index("/", 8)]


def replayable(report: dict[str, Any]) -> list[Expected]:
    """Those of a file that were not refused, as another reader reads them."""
    refused = {one["place"] for one in report["refused"]}
    converted = {one["place"] for one in report["converted"]}
    places = [(f"interaction {number}", found) for number, found in enumerate(load(Path(report["file"])), start=1)]
    return [Expected(found, place not in converted) for place, found in places if place not in refused]
