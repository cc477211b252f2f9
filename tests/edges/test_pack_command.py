"""`chatreel pack` and `chatreel merge`: recordings leave as files that others read; two versions become one."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatreel.formats import cassette
from chatreel.model import Recording
from chatreel.request import DEFAULT_KEYS
from support.command import chatreel
from support.made_recordings import KEYED_BY, MONDAY, PATH, UPSTREAM, ask, events, in_events, recorded, said


def some() -> list[Recording]:
    stream = b"".join(events("Hej ", "☕"))
    return [
        said("Hello", "First", at=MONDAY),
        said("Hello", "Second", at=MONDAY + 1),
        recorded(
            ask("Stream", stream=True),
            stream,
            at=MONDAY + 2,
            pieces=in_events(stream),
            headers=(("content-type", "text/event-stream"),),
        ),
        recorded(ask("Too much"), b'{"error": {"message": "slow"}}', at=MONDAY + 3, status=429),
    ]


def a_cassette(folder: Path, recordings: Sequence[Recording], name: str = "in.json") -> Path:
    path = folder / name
    path.write_bytes(cassette.dump(recordings, KEYED_BY))
    return path


def load(path: Path) -> tuple[Recording, ...]:
    return cassette.load(path.read_bytes(), DEFAULT_KEYS).recordings


class TestVcr:
    @pytest.mark.long
    def test_vcr_itself_answers_from_it_in_order(self, tmp_path: Path) -> None:
        """Under httpx and under the standard library; the real one, in a process of its own."""
        a_cassette(tmp_path, some())
        ended = chatreel("pack", "out.yaml", "--format", "vcr", "--from", "in.json", cwd=tmp_path)
        assert (ended.returncode, "4 recordings -> out.yaml" in ended.stderr) == (0, True)
        asked = [json.loads(one.request) for one in some()]
        assert [
            (reply["status"], reply["type"], reply["body"].encode())
            for reply in under_vcr(tmp_path / "out.yaml", asked)
        ] == [(one.status, one.headers[0][1], one.body) for one in some()]

    @pytest.mark.parametrize("kind", ["vcr", "har"])
    @pytest.mark.long
    def test_what_was_written_is_read_again(self, tmp_path: Path, kind: str) -> None:
        """Bodies to the byte, order included."""
        a_cassette(tmp_path, some())
        chatreel("pack", f"out.{kind}", "--format", kind, "--from", "in.json", cwd=tmp_path)
        ended = chatreel("import", "--cassette", "again.json", f"out.{kind}", cwd=tmp_path)
        assert ended.stdout.splitlines()[-1] == "4 exact, 0 converted, 0 refused"
        before, after = (
            [(one.identity, one.body, one.status, one.headers) for one in load(tmp_path / name)]
            for name in ("in.json", "again.json")
        )
        assert after == before


def test_a_har_has_what_version_1_2_demands(tmp_path: Path) -> None:
    """Members and types by the tables of the specification, http://www.softwareishard.com/blog/har-12-spec/."""
    a_cassette(tmp_path, some())
    chatreel("pack", "out.har", "--format", "har", "--from", "in.json", cwd=tmp_path)
    log = json.loads((tmp_path / "out.har").read_text(encoding="utf-8"))["log"]
    assert (log["version"], set(log["creator"])) == ("1.2", {"name", "version"})
    for entry in log["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= entry.keys()
        message = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
        assert message | {"method", "url", "queryString"} <= entry["request"].keys()
        assert message | {"status", "statusText", "content", "redirectURL"} <= entry["response"].keys()
        assert {"size", "mimeType"} <= entry["response"]["content"].keys()
        assert {"send", "wait", "receive"} <= entry["timings"].keys()
        assert entry["time"] == pytest.approx(sum(entry["timings"].values()))


class TestCassettes:
    @pytest.mark.long
    def test_recordings_are_chosen_by_what_is_asked(self, tmp_path: Path) -> None:
        for one in ([said("Old", "x", at=MONDAY)], [said("New", "y", model="o3", at=MONDAY + 86_400)]):
            a_cassette(tmp_path, one)
            chatreel("import", "--store", "store.db", "in.json", cwd=tmp_path)
        for options, answers in [
            ((), ["y", "x"]),
            (("--model", "o*"), ["y"]),
            (("--model", "gpt-4o-mini"), ["x"]),
            (("--since", "2026-07-26"), ["y"]),
            (("--upstream", UPSTREAM), ["y", "x"]),
            (("--key", said("Old", "x").identity.key[:12]), ["x"]),
        ]:
            ended = chatreel("pack", "out.json", "--overwrite", "--store", "store.db", *options, cwd=tmp_path)
            assert ended.returncode == 0, ended.stderr
            found = load(tmp_path / "out.json")
            assert [json.loads(one.completion)["choices"][0]["message"]["content"] for one in found] == answers, options

    def test_a_file_that_is_there_stays(self, tmp_path: Path) -> None:
        a_cassette(tmp_path, some())
        (tmp_path / "out.json").write_text("mine", encoding="utf-8")
        ended = chatreel("pack", "out.json", "--from", "in.json", cwd=tmp_path)
        assert (ended.returncode, "give --overwrite" in ended.stderr) == (2, True)
        assert (tmp_path / "out.json").read_text(encoding="utf-8") == "mine"

    def test_nothing_to_pack_is_said(self, tmp_path: Path) -> None:
        a_cassette(tmp_path, some())
        ended = chatreel("pack", "out.json", "--from", "in.json", "--model", "nobody", cwd=tmp_path)
        assert (ended.returncode, "no recording is like that" in ended.stderr) == (2, True)
        ended = chatreel("pack", "out.json", "--store", "nowhere.db", cwd=tmp_path)
        assert (ended.returncode, "nowhere.db" in ended.stderr) == (4, True)


class TestMergeDriver:
    """In a repository of git, as the documentation says it."""

    def repository(self, folder: Path) -> None:
        git(folder, "init", "--quiet", "--initial-branch", "main")
        git(folder, "config", "user.email", "me@example.com")
        git(folder, "config", "user.name", "Me")
        git(folder, "config", "merge.chatreel.driver", f"{_program()} merge %O %A %B")
        (folder / ".gitattributes").write_text("cassettes/**/*.json merge=chatreel\n", encoding="utf-8")

    def test_additions_at_one_place_merge_and_removals_stay_removed(self, tmp_path: Path) -> None:
        self.repository(tmp_path)
        (tmp_path / "cassettes" / "test_a").mkdir(parents=True)
        gone, stays = said("A is for", "an ant"), said("B is for", "a bee")
        ours, theirs = said("C is for", "a cat"), said("D is for", "a dog")
        path = a_cassette(tmp_path, [gone, stays], "cassettes/test_a/test_b.json")
        commit(tmp_path, "base")
        git(tmp_path, "checkout", "--quiet", "-b", "theirs")
        a_cassette(tmp_path, [stays, theirs], str(path.relative_to(tmp_path)))
        commit(tmp_path, "theirs")
        git(tmp_path, "checkout", "--quiet", "main")
        a_cassette(tmp_path, [gone, stays, ours], str(path.relative_to(tmp_path)))
        commit(tmp_path, "ours")
        merged = git(tmp_path, "merge", "--no-edit", "theirs")
        assert merged.returncode == 0, merged.stdout + merged.stderr
        assert path.read_bytes() == cassette.dump([stays, ours, theirs], KEYED_BY)

    def test_a_side_that_cannot_be_read_leaves_ours_as_it_was(self, tmp_path: Path) -> None:
        ours = a_cassette(tmp_path, some(), "ours.json")
        before = ours.read_bytes()
        (tmp_path / "base.json").write_bytes(b"")
        (tmp_path / "theirs.json").write_bytes(b"<<<<<<< ours\n" + before)
        ended = chatreel("merge", "base.json", "ours.json", "theirs.json", cwd=tmp_path)
        assert (ended.returncode, "theirs.json: line 1: a merge conflict" in ended.stderr) == (4, True)
        assert ours.read_bytes() == before


_UNDER_VCR = """
import json, sys, urllib.request
import httpx, vcr
url, path = sys.argv[1:]
replies = []
with vcr.VCR(record_mode="none", match_on=["method", "uri", "body"]).use_cassette(path) as played:
    for number, asked in enumerate(json.load(sys.stdin)):
        if number % 2:
            request = urllib.request.Request(url, json.dumps(asked).encode(), {"content-type": "application/json"})
            try:
                reply = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                reply = error
            status, body = reply.status, reply.read().decode()
        else:
            reply = httpx.post(url, json=asked)
            status, body = reply.status_code, reply.text
        replies.append({"status": status, "type": reply.headers["content-type"], "body": body})
    assert played.all_played
print(json.dumps(replies))
"""


def under_vcr(path: Path, asked: list[Any]) -> Any:
    """What VCR.py answers to these requests, one by one, without a network."""
    ended = subprocess.run(
        [sys.executable, "-c", _UNDER_VCR, f"{UPSTREAM}{PATH}", str(path)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def git(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    assert git(folder, "commit", "--quiet", "--message", message).returncode == 0


def _program() -> str:
    return f"{sys.executable} -m chatreel"
