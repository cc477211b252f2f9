"""What is wrong with cassettes although all tests pass: counted, named, and able to fail the run."""

import json
import re

import pytest

from support.project import Project, text_of
from support.upstream import Upstream

SUITE = """
import pytest
from client import ask

@pytest.mark.chatreel
def test_one():
    ask("one")
    ask("more")

@pytest.mark.chatreel
def test_two():
    ask("two")

class TestTogether:
    pytestmark = pytest.mark.chatreel(cassette="cassettes/shared.json")

    def test_a(self):
        ask("shared a")

    def test_b(self):
        ask("shared b")
"""
ONE, TWO, SHARED = "cassettes/test_a/test_one.json", "cassettes/test_a/test_two.json", "cassettes/shared.json"


@pytest.mark.long
def test_unused_orphaned_edited_and_old_recordings_are_found_and_can_fail_the_run(
    project: Project, upstream: Upstream
) -> None:
    project.write({"test_a.py": SUITE})
    project.run("--chatreel=rewrite", "--chatreel-fail-on=unused,orphans,edited,old").assert_outcomes(passed=4)
    assert project.cassettes == [SHARED, ONE, TWO]
    upstream.stop()

    project.replace("test_a.py", '    ask("more")\n', "")
    cassette = project.path / TWO
    cassette.write_text(cassette.read_text().replace("You said: two", "You never said two"))
    (project.path / "cassettes/test_a/test_gone.json").write_bytes((project.path / ONE).read_bytes())
    (project.path / "cassettes/test_a/somebody_elses.json").write_text("{}")
    found = project.run("--chatreel-max-age=1s", "--chatreel-report=out/report.json")
    found.assert_outcomes(passed=4)
    assert found.ret == 0
    found.stdout.fnmatch_lines(["tests  hits  recorded  refused  bypassed  unused  orphans  edited  too old*"])
    report = project.report("out/report.json")
    where = {kind: [one["where"] for one in ones] for kind, ones in report["findings"].items()}
    assert where == {
        "unused": [ONE],
        "orphans": ["cassettes/test_a/test_gone.json"],
        "edited": [TWO],
        "old": [ONE, TWO, SHARED, SHARED],
        "bypassed": [],
    }
    assert "more" in report["findings"]["unused"][0]["what"]
    assert report["failed_by"] == []
    assert report["totals"]["outcomes"] == {"hit": 4}

    part = project.run("test_a.py::test_two", "--chatreel-fail-on=orphans")
    assert part.ret == 0, "who runs one test has not asked for the others' cassettes"
    part.stdout.fnmatch_lines(["    1     1         0        0         0       0        -       1        0*"])

    fatal = project.run("--chatreel-fail-on", "unused,orphans")
    fatal.assert_outcomes(passed=4, errors=1)
    assert fatal.ret == pytest.ExitCode.TESTS_FAILED
    said = text_of(fatal)
    assert "Cassettes that belong to no test (this fails the run):\n  cassettes/test_a/test_gone.json" in said
    assert re.search(r"ERROR test_a.py::test_one - Failed: chatreel, mode replay, " + re.escape(ONE), said)


@pytest.mark.long
def test_ini_settings_hold_unless_marker_or_command_line_say_otherwise(project: Project, upstream: Upstream) -> None:
    suite = """
    import pytest
    from client import ask

    def test_ini(chatreel):
        assert chatreel.mode == "cache"
        ask("ini")

    @pytest.mark.chatreel(mode="passthrough", record_errors=False, repeats="strict", pace=2, on_max_age="fail")
    def test_marker(chatreel):
        assert chatreel.mode == "passthrough"
        ask("marker")

    @pytest.mark.chatreel(colour="red")
    def test_unknown_argument():
        pass

    @pytest.mark.chatreel(repeats="never")
    def test_wrong_argument():
        pass

    @pytest.mark.chatreel(cassette="a.yaml")
    def test_wrong_cassette():
        pass

    @pytest.mark.chatreel(max_age="some day")
    def test_what_only_the_proxy_knows():
        pass
    """
    settings = [
        "chatreel_mode = new_episodes",
        "chatreel_cassettes = {rootdir}/tapes",
        f"chatreel_upstream = {upstream.url}",
    ]
    project.write(
        {
            "tests/test_ini.py": suite.replace("\n    ", "\n"),
            "pytest.ini": "\n".join(["[pytest]", "pythonpath = .", *settings]),
        }
    )
    result = project.run(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    result.assert_outcomes(passed=2, errors=4)
    said = text_of(result)
    assert (
        "the marker takes no colour; it takes cassette, max_age, mode, on_max_age, pace, record_errors, repeats" in said
    )
    assert "marker argument repeats: 'never' is not one of last, strict" in said
    assert "marker argument cassette: 'a.yaml' does not end in .json" in said
    assert "max_age: 'some day' is not a duration" in said
    tapes = sorted(path.relative_to(project.path / "tapes").as_posix() for path in project.path.glob("tapes/**/*.json"))
    assert tapes == ["tests/test_ini/test_ini.json"]
    assert [json.loads(call.body)["messages"][0]["content"] for call in upstream.calls] == ["ini", "marker"]
