"""A test that was not answered, or went around the proxy, fails once and says why, whatever its code makes of it."""

import pytest

from support.project import Project, text_of
from support.upstream import Upstream

SUITE = """
import asyncio, os, socket, threading, urllib.error
import pytest
from client import ask

pytestmark = pytest.mark.chatreel

def swallowed(text):
    try:
        return ask(text)
    except urllib.error.HTTPError:
        return None

def look_up(host):
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        return error

def test_swallowed():
    swallowed("swallowed")

def test_retried():
    for _ in range(2):
        swallowed("retried")

def test_skipped_for_it():
    if swallowed("skipped") is None:
        pytest.skip("the API is down")

def test_failed_for_another_reason():
    assert swallowed("other") == "an answer"

@pytest.fixture
def in_a_fixture():
    swallowed("set up")

def test_swallowed_by_a_fixture(in_a_fixture):
    pass

@pytest.fixture
def raised_by_a_fixture():
    ask("raised")

def test_not_even_run(raised_by_a_fixture):
    pass

@pytest.fixture
def at_the_end():
    yield
    swallowed("tear down")

def test_swallowed_in_teardown(at_the_end):
    pass

def test_around_by_name():
    assert isinstance(look_up("api.openai.com"), ConnectionError)

def test_around_in_a_thread():
    thread = threading.Thread(target=look_up, args=("team.openai.azure.com",))
    thread.start()
    thread.join()

def test_around_in_an_event_loop():
    async def go():
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("api.anthropic.com", 443)
    asyncio.run(go())

def test_around_to_the_upstream(pytestconfig):
    with pytest.raises(urllib.error.URLError):
        ask("around", OUTSIDE)

def test_of_a_host_of_ones_own():
    look_up("llm.corp.example")

def test_other_hosts_are_nobodys_business():
    assert not isinstance(look_up("host.invalid"), ConnectionError)

@pytest.mark.chatreel(mode="passthrough")
def test_that_does_not_replay_is_only_watched():
    assert not isinstance(look_up("team.openai.azure.com"), ConnectionError)

OUTSIDE = os.environ["OPENAI_BASE_URL"]
"""
UNMARKED = """
import socket

def test_unmarked():
    try:
        socket.getaddrinfo("team.openai.azure.com", 443)
    except ConnectionError:
        raise
    except OSError:
        pass
"""


def test_whatever_a_test_makes_of_a_miss_it_fails_once(project: Project, upstream: Upstream) -> None:
    project.write({"test_calls.py": SUITE, "test_unmarked.py": UNMARKED})
    result = project.run("--chatreel-hosts=*.corp.example", "--chatreel-report=report.json", "-rA")
    said = text_of(result)
    result.assert_outcomes(failed=10, errors=2, passed=4)
    assert upstream.connections == 0
    failed = {line.split()[1].partition("::")[2] for line in said.splitlines() if line.startswith("FAILED ")}
    assert failed == {
        "test_swallowed",
        "test_retried",
        "test_skipped_for_it",
        "test_failed_for_another_reason",
        "test_swallowed_by_a_fixture",
        "test_around_by_name",
        "test_around_in_a_thread",
        "test_around_in_an_event_loop",
        "test_around_to_the_upstream",
        "test_of_a_host_of_ones_own",
    }
    assert "ERROR test_calls.py::test_not_even_run - urllib.error.HTTPError" in said
    assert "ERROR test_calls.py::test_swallowed_in_teardown - Failed: chatreel, mode replay" in said
    for part in (
        "There is nothing in the cassette",
        "To record what is missing: pytest --chatreel=cache test_calls.py::test_swallowed",
        "assert None == 'an answer'",
        "a call to api.openai.com (OpenAI) was blocked, called from test_calls.py:",
        "a call to team.openai.azure.com (Azure OpenAI) was blocked",
        "a call to api.anthropic.com (Anthropic) was blocked",
        "a call to llm.corp.example was blocked",
        "In this test, clients have to use the base URL in OPENAI_BASE_URL",
    ):
        assert part in said
    assert said.count("a call to 127.0.0.1:") == 1

    report = project.report()
    assert report["totals"]["outcomes"] == {"refused": 8}
    bypassed = [(one["where"].partition("::")[2], one["what"]) for one in report["findings"]["bypassed"]]
    assert ("test_that_does_not_replay_is_only_watched", "team.openai.azure.com, not recorded") in bypassed
    assert len(bypassed) == 6


@pytest.mark.long
def test_the_network_can_be_blocked_for_all_tests_or_for_none(project: Project) -> None:
    """No proxy is needed for that."""
    unmarked = "import socket\n\ndef test_live():\n    socket.getaddrinfo('api.openai.com', 443)\n"
    project.write({"test_live.py": unmarked.replace("socket.getaddrinfo", "look_up").replace("import socket", LOOK_UP)})
    blocked = project.run("--chatreel-block-network")
    blocked.assert_outcomes(failed=1)
    blocked.stdout.fnmatch_lines(["*a call to api.openai.com (OpenAI) was blocked*", "*bypassed*"])
    project.run("--chatreel-allow-network").assert_outcomes(passed=1)


LOOK_UP = """
import socket

def look_up(host, port):
    try:
        socket.getaddrinfo(host, port)
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--chatreel=live", "--chatreel: 'live' is not a mode; choose one of cache, replay"),
        ("--chatreel-fail-on=dust", "--chatreel-fail-on: 'dust' is not one of unused, orphans"),
        ("--chatreel-repeats=never", "--chatreel-repeats: 'never' is not one of last, strict"),
        ("--chatreel-budget=lots", "--chatreel-budget: "),
        ("--chatreel-record-errors=maybe", "--chatreel-record-errors: 'maybe' is neither true nor false"),
    ],
)
@pytest.mark.long
def test_an_option_that_cannot_be_used_is_named_before_anything_runs(project: Project, flag: str, said: str) -> None:
    result = project.run(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in text_of(result)
