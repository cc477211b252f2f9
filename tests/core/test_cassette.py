"""The text of a cassette: what it looks like, what happens when it is edited, merged or damaged."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from chatreel import canonical
from chatreel.canonical import KeyOptions
from chatreel.errors import CassetteError
from chatreel.formats import cassette
from chatreel.model import Json, Piece, Recording, WireForm
from chatreel.request import DEFAULT_KEYS, Keys
from chatreel.wire.codec import dumps
from support.made_recordings import KEYED_BY, MONDAY, ask, completion, events, in_events, recorded, said

SECRET = "sk-proj-Tq7Z0mVb9LkXw2RfYh4NcJd8"


def written(*some: Recording) -> str:
    return cassette.dump(some, KEYED_BY).decode()


def read(text: str, keys: Keys = DEFAULT_KEYS) -> tuple[Recording, ...]:
    return cassette.load(text.encode(), keys).recordings


def edited(text: str, change: Callable[[Any], None]) -> str:
    """The text after somebody changed the first interaction, and an editor laid it out anew."""
    document = json.loads(text)
    change(document["interactions"][0])
    return json.dumps(document, indent=1)


def a_stream(*texts: str) -> Recording:
    body = b"".join(events(*texts))
    return recorded(ask(stream=True), body, pieces=in_events(body))


class TestLayout:
    def test_a_stream_is_one_event_to_a_line_and_its_text_in_lines(self) -> None:
        lines = written(a_stream("One\n", "two")).splitlines()
        start = next(number for number, line in enumerate(lines) if '"events"' in line)
        assert [line.strip() for line in lines[start + 1 : start + 6]] == [
            '[0.3,{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}],',
            '[0.32,{"choices":[{"index":0,"delta":{"content":"One\\n"},"finish_reason":null}]}],',
            '[0.34,{"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":null}]}],',
            '[0.36,{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}],',
            '[0.38,"data: [DONE]\\n\\n"]',
        ]
        assert lines[start - 1].strip().startswith('"each": {"id":"chatcmpl-1","object":"chat.completion.chunk"')
        at = next(number for number, line in enumerate(lines) if '"content|"' in line)
        assert [line.strip() for line in lines[at : at + 4]] == ['"content|": [', '"One",', '"two"', "]"]

    def test_a_json_answer_is_readable_whatever_its_server_thinks_of_white_space(self) -> None:
        body = b"\n  \n" + json.dumps(completion("Rhabarber & Røre"), indent=4).encode() + b"\n"
        text = written(recorded(ask(), body))
        response = json.loads(text)["interactions"][0]["response"]
        assert response["body"] == completion("Rhabarber & Røre")
        assert (response["spelling"], response["around"]) == ("indented by 4, ASCII", ["\n  \n", "\n"])
        assert read(text)[0].body == body

    def test_a_new_interaction_changes_no_line_of_the_others(self) -> None:
        some = [said(f"Question {number}", "Yes.") for number in range(4)]
        before, after = (written(*chosen).splitlines() for chosen in (some[:3], some))
        assert [line for line in after if line not in before]
        rest = iter(after)
        assert all(line in rest for line in before)

    def test_turns_of_a_conversation_follow_each_other(self) -> None:
        first: list[Json] = [{"role": "user", "content": "Name a colour."}]
        turn: list[Json] = [{"role": "assistant", "content": "Red."}, {"role": "user", "content": "Another."}]
        third: list[Json] = [{"role": "assistant", "content": "Blue."}, {"role": "user", "content": "One more."}]
        one = said("", "Red.", messages=first, at=MONDAY + 5)
        two = said("", "Blue.", messages=[*first, *turn], at=MONDAY + 3)
        three = said("", "Green.", messages=[*first, *turn, *third], at=MONDAY + 1)
        others = [said("Name a colour, please.", "Brown."), said("Aha", "Oho")]
        answers = [_text(found) for found in read(written(three, *others, two, one))]
        place = answers.index("Red.")
        assert answers[place : place + 3] == ["Red.", "Blue.", "Green."]

    def test_takes_of_one_key_keep_the_order_of_recording(self) -> None:
        """Even if they are spelled differently."""
        takes = [
            said("Hello", str(number), at=MONDAY + number, n=spelling) for number, spelling in enumerate([1, None])
        ]
        takes.append(said("Hello", "2", at=MONDAY + 2))
        assert [_text(found) for found in read(written(takes[2], takes[0], takes[1]))] == ["0", "1", "2"]

    def test_integers_keep_all_their_digits(self) -> None:
        for seed in (2**63 - 1, 2**64, 2**70 + 1, -(2**63) - 1, 1e300):
            one = said("Hello", "Hi", seed=seed)
            assert read(written(one)) == (one,)

    def test_no_header_but_those_that_may_be_stored_is_written(self) -> None:
        headers = (("content-type", "application/json"), ("set-cookie", "session=1"), ("openai-organization", "acme"))
        text = written(recorded(ask(), dumps(completion()), headers=headers))
        assert "session=1" not in text
        assert "acme" not in text
        assert read(text)[0].headers == headers[:1]

    def test_pieces_that_do_not_end_where_events_do_are_kept(self) -> None:
        body = b"".join(events("One", "two"))
        pieces = (Piece(0.25, 7), Piece(0.25, 100), Piece(0.5, len(body) - 107))
        one = recorded(ask(), body, pieces=pieces)
        assert read(written(one)) == (one,)


class TestEdits:
    def test_an_answer_nobody_touched_is_not_edited(self) -> None:
        for one in (said("Hello", "Hi"), said("Hello", "Hi", stream=True), recorded(ask(), b"<html>", status=502)):
            assert not read(edited(written(one), lambda _: None))[0].edited

    def test_the_completion_of_a_stream_is_edited_and_the_stream_says_it(self) -> None:
        def change(entry: Any) -> None:
            message = entry["response"]["completion"]["choices"][0]["message"]
            assert message.pop("content|") == ["One", "two"]
            message["content"] = "Three, since yesterday."

        (found,) = read(edited(written(a_stream("One\n", "two")), change))
        assert (found.edited, found.form) == (True, WireForm.SSE)
        assert b'"delta":{"content":"Three, since yesterday."}' in found.body
        assert _text(found) == "Three, since yesterday."
        assert sum(piece.size for piece in found.pieces) == len(found.body)
        assert found.duration == pytest.approx(0.38, abs=0.1)

    def test_events_are_edited_and_the_completion_follows(self) -> None:
        text = written(a_stream("One\n", "two"))
        (found,) = read(text.replace('"delta":{"content":"two"}', '"delta":{"content":"three"}'))
        assert found.edited
        assert b'"content":"three"' in found.body
        assert _text(found) == "One\nthree"

    def test_a_json_answer_is_edited_in_place(self) -> None:
        (found,) = read(written(said("Hello", "Hi there.")).replace('"Hi there."', '"Good day!"'))
        assert (found.edited, _text(found)) == (True, "Good day!")
        assert found.body == dumps(completion("Good day!"))
        assert found.pieces == (Piece(0.5, len(found.body)),)

    def test_what_was_edited_once_says_so_for_ever_and_is_written_the_same(self) -> None:
        text = written(said("Hello", "Hi there.")).replace('"Hi there."', '"Good day!"')
        again = written(*read(text))
        assert read(again)[0].edited
        assert written(*read(again)) == again

    def test_a_completion_alone_is_an_answer_in_the_form_that_is_asked_for(self) -> None:
        def write_by_hand(entry: Any) -> None:
            entry["response"] = {"status": 200, "form": "sse", "completion": completion("By hand.")}
            del entry["sha256"]
            del entry["key"]

        (found,) = read(edited(written(a_stream("One")), write_by_hand))
        assert (found.edited, _text(found)) == (True, "By hand.")
        assert found.body.endswith(b"data: [DONE]\n\n")

    def test_body_and_completion_that_disagree_are_refused(self) -> None:
        def change(entry: Any) -> None:
            entry["response"]["completion"]["choices"][0]["message"]["content"] = "Four"
            entry["response"]["events"][1][1]["choices"][0]["delta"]["content"] = "Five"

        with pytest.raises(CassetteError, match="both changed, and disagree"):
            read(edited(written(a_stream("One")), change))

    def test_a_stream_that_lost_its_end_is_refused_not_served(self) -> None:
        def cut(entry: Any) -> None:
            del entry["response"]["events"][-2:]

        with pytest.raises(CassetteError, match=r"cannot be served\. The stream ended without \[DONE\]"):
            read(edited(written(a_stream("One")), cut))

    def test_an_edited_request_has_another_key(self) -> None:
        text = written(said("Hello", "Hi"))
        (found,) = read(text.replace('"content": "Hello"', '"content": "Good morning"'))
        assert found.identity == said("Good morning", "Hi").identity

    def test_changed_rules_make_other_keys(self) -> None:
        keys = Keys(KeyOptions(ignore=("/seed",)))
        one = said("Hello", "Hi", seed=7)
        (found,) = read(written(one), keys)
        assert found.identity == recorded(ask("Hello", seed=8), b"{}", keys=keys).identity
        assert found.identity != one.identity


class TestSecrets:
    def test_a_secret_is_not_in_the_text_and_its_request_still_hits(self) -> None:
        one = said(f"Why does my key {SECRET} not work?", "It was revoked.")
        text = written(one)
        assert SECRET not in text
        assert "[OpenAI key removed]" in text
        (found,) = read(text)
        assert found.identity.key == one.identity.key
        assert SECRET.encode() not in found.identity.document
        assert written(found) == text

    def test_two_secrets_are_two_requests(self) -> None:
        some = [said(f"Is {SECRET[:-1]}{last} valid?", last) for last in "12"]
        found = read(written(*some))
        assert {one.identity.key: _text(one) for one in found} == {one.identity.key: _text(one) for one in some}

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("not work?", "not yet work?"),
            ('"path": "/v1/', '"path": "/v2/'),
            ('"key": "v1:', '"key": "v1:0'),
            ("https://api.example", "https://api.invalid"),
            ('"model": "gpt-4o-mini"', '"model": "gpt-4o"'),
        ],
    )
    def test_an_edit_breaks_the_seal_of_the_kept_key(self, old: str, new: str) -> None:
        """The key is made anew, of a request nobody will make: a miss, and never a hit for the old one."""
        one = said(f"Why does my key {SECRET} not work?", "It was revoked.")
        text = written(one)
        assert old in text
        (found,) = read(text.replace(old, new, 1))
        assert found.identity.key not in (one.identity.key, f"v1:0{one.identity.key[3:]}")
        assert found.identity.key == canonical.cache_key(found.identity.document)

    def test_a_kept_key_does_not_survive_a_change_of_rules(self) -> None:
        one = said(f"Why does my key {SECRET} not work?", "It was revoked.")
        (found,) = read(written(one), Keys(KeyOptions(ignore=("/seed",))))
        assert found.identity.key != one.identity.key


class TestFaults:
    def test_a_merge_conflict_is_named_with_its_line(self) -> None:
        lines = written(said("Hello", "Hi")).splitlines()
        lines[7:7] = ["<<<<<<< ours"]
        with pytest.raises(CassetteError, match="line 8: a merge conflict is not resolved"):
            read("\n".join(lines))

    def test_broken_json_is_named_with_its_line(self) -> None:
        text = written(said("Hello", "Hi")).replace('"path": ', '"path" ')
        with pytest.raises(CassetteError, match="line 9: this is not JSON"):
            read(text)

    def test_a_name_that_is_twice_in_an_object_is_refused(self) -> None:
        text = written(said("Hello", "Hi")).replace('"status": 200,', '"status": 200,\n"status": 201,')
        with pytest.raises(CassetteError, match=r"line \d\d: the name 'status' is twice"):
            read(text)

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"chatreel_cassette": 1', '"chatreel_cassette": 2', "line 1: this cassette has format 2"),
            ('"chatreel_cassette": 1', '"version": 1', "no cassette of chatreel"),
            ('"status": 200', '"status": "200"', "line 5: .* `status` has to be a number"),
            ('"path": ', '"pth": ', "line 5: .* no member 'pth'"),
            ('"form": "json"', '"from": "json"', "line 5: .* no member 'from'"),
            ('"recorded_at": "2026', '"recorded_at": "soon 2026', "line 5: .* Invalid isoformat"),
            ('"content": "Hello"', '"content|": "Hello"', r"line 5: .* has to be a list of lines"),
            ('"content": "Hello"', '"content|": ["Hello"], "content": ""', r"line 5: .* is there twice"),
            ('"temperature": 1', '"temperature": 100000000000000000000', r"line 5: .* too large for a number here"),
            ('"upstream": "https://api.example",', "", "line 5: 'upstream' is missing"),
        ],
    )
    def test_what_cannot_be_used_is_named_with_its_line(self, old: str, new: str, says: str) -> None:
        text = written(said("Hello", "Hi", temperature=1))
        assert old in text
        with pytest.raises(CassetteError, match=says):
            read(text.replace(old, new))

    def test_the_line_is_that_of_the_interaction(self) -> None:
        lines = written(said("Aha", "Oho"), said("Hello", "Hi")).splitlines()
        (second,) = [number for number, line in enumerate(lines, start=1) if line == "    {"][1:]
        lines[second + 1] = lines[second + 1].replace("recorded_at", "recorded_when")
        with pytest.raises(CassetteError, match=f"line {second}: this interaction"):
            read("\n".join(lines))

    def test_an_event_that_is_none_is_refused(self) -> None:
        text = written(a_stream("One")).replace('[0.32,{"choices"', '[{"choices"')
        with pytest.raises(CassetteError, match="an event has to be"):
            read(text)

    def test_a_request_with_events_of_its_own_is_not_taken_for_an_answer(self) -> None:
        """They stand where a stream has its events, in a text as it is written."""
        one = said("Hello", "Hi", events=[{"at": 1}, {"at": 2}])
        assert read(written(one, a_stream("One"))) == (a_stream("One"), one) or read(written(one)) == (one,)
        assert set(read(written(one, a_stream("One")))) == {one, a_stream("One")}

    def test_a_file_that_another_tool_laid_out_is_the_same_cassette(self) -> None:
        some = (a_stream("One\n", "two"), said("A\nB", "C\nD"), said("Hello", "Hi"))
        text = written(*some)
        tabs = json.dumps(json.loads(text), indent="\t")
        assert read(tabs) == read(text)
        assert read(tabs.replace('content|"', 'content\\u007c"')) == read(text)
        assert written(*read(orjson.dumps(json.loads(text)).decode())) == text


class TestMerging:
    """With the real `git merge-file`, as git runs it."""

    def test_two_branches_that_add_in_different_places_merge_without_a_conflict(self, tmp_path: Path) -> None:
        base = [said(f"{letter} is for", "a fruit") for letter in "BDFH"]
        added = {letter: said(f"{letter} is for", "an animal", stream=letter == "G") for letter in "ACEGI"}
        text = written(*base)
        for ours, theirs in [("A", "C"), ("C", "G"), ("E", "I"), ("I", "A")]:
            code, merged = merge(tmp_path, text, *(written(*base, added[letter]) for letter in (ours, theirs)))
            assert code == 0
            assert merged == written(*base, added[ours], added[theirs])

    def test_an_answer_recorded_anew_and_an_addition_merge(self, tmp_path: Path) -> None:
        base = [said(f"{letter} is for", "a fruit") for letter in "BDF"]
        anew = [base[0], replace(said("D is for", "a drum"), recorded_at=MONDAY + 9), base[2]]
        code, merged = merge(tmp_path, written(*base), written(*anew), written(*base, said("G is for", "a goat")))
        assert code == 0
        assert merged == written(*anew, said("G is for", "a goat"))

    def test_additions_at_one_place_conflict_and_what_is_left_of_that_is_never_served(self, tmp_path: Path) -> None:
        """Git takes lines that both have for common ground, so that its marks cut interactions to pieces."""
        base = [said("B is for", "a fruit")]
        sides = [written(*base, said(f"{letter} is for", "an animal")) for letter in "CD"]
        code, merged = merge(tmp_path, written(*base), *sides)
        assert code > 0
        with pytest.raises(CassetteError, match="merge conflict"):
            read(merged)
        marks = ("<<<<<<<", "=======", ">>>>>>>")
        unmarked = "".join(line for line in merged.splitlines(keepends=True) if not line.startswith(marks))
        with pytest.raises(CassetteError):
            read(unmarked)


def merge(folder: Path, base: str, ours: str, theirs: str) -> tuple[int, str]:
    """Number of conflicts, and the text that git makes of it."""
    files = [folder / name for name in ("ours.json", "base.json", "theirs.json")]
    for file, text in zip(files, (ours, base, theirs), strict=True):
        file.write_text(text, encoding="utf-8")
    ended = subprocess.run(["git", "merge-file", "--stdout", *files], capture_output=True, check=False)
    return ended.returncode, ended.stdout.decode()


def _text(one: Recording) -> str:
    content: str = orjson.loads(one.completion)["choices"][0]["message"]["content"]
    return content
