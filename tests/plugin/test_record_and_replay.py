"""Record, replay without a network, change the code under test, see the miss."""

import pytest

from support.project import Project, text_of
from support.upstream import Upstream

SUITE = '''
import os, threading
import pytest
from client import ask

@pytest.fixture(scope="session")
def long_lived():
    """A client that outlives the test it was made in."""
    base_url = os.environ["OPENAI_BASE_URL"]
    return lambda text: ask(text, base_url)

@pytest.mark.chatreel
def test_marked(long_lived):
    assert "Name a river." in long_lived("Name a river.")

def test_by_fixture(monkeypatch, chatreel):
    monkeypatch.setenv("OPENAI_BASE_URL", os.environ["OPENAI_BASE_URL"])
    assert "Name a lake." in ask("Name a lake.")
    assert "Name a lake." in ask("Name a lake.", temperature=0)
    assert [call.model for call in chatreel.calls] == ["m-1", "m-1"]
    assert [sent.get("temperature") for sent in chatreel.sent] == [None, 0]
    assert chatreel.recorded == chatreel.sent
    assert "Name a lake." in chatreel.calls[0].completion["choices"][0]["message"]["content"]
    assert os.environ["OPENAI_BASE_URL"] == chatreel.base_url == chatreel.env["CHATREEL_BASE_URL"]

class TestOthers:
    pytestmark = pytest.mark.chatreel

    @pytest.mark.parametrize("place", ["fjord", "a/b"])
    def test_with_parameters(self, place, long_lived):
        assert place in long_lived(place)

    def test_in_threads(self):
        threads = [threading.Thread(target=ask, args=(f"thread {k}",)) for k in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

@pytest.mark.chatreel
@pytest.mark.anyio
async def test_async():
    import anyio.to_thread
    assert "async" in await anyio.to_thread.run_sync(ask, "async")

def test_without():
    assert "/_chatreel/" not in os.environ["OPENAI_BASE_URL"]
    assert "CHATREEL_BASE_URL" not in os.environ
'''
CONFTEST = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def test_a_suite_is_recorded_and_replayed_and_a_change_is_a_miss(project: Project, upstream: Upstream) -> None:
    project.write({"tests/test_places.py": SUITE, "tests/conftest.py": CONFTEST})
    recorded = project.run("--chatreel=cache")
    recorded.assert_outcomes(passed=7)
    assert [name.partition("~")[0] for name in project.cassettes] == [
        "tests/cassettes/test_places/TestOthers.test_in_threads.json",
        "tests/cassettes/test_places/TestOthers.test_with_parameters[a_b]",
        "tests/cassettes/test_places/TestOthers.test_with_parameters[fjord].json",
        "tests/cassettes/test_places/test_async.json",
        "tests/cassettes/test_places/test_by_fixture.json",
        "tests/cassettes/test_places/test_marked.json",
    ]
    recorded.stdout.fnmatch_lines(
        ["* chatreel *", "tests  hits  recorded  refused *", "    6     0         9        0 *"]
    )
    assert len(upstream.calls) == 9
    upstream.stop()

    replayed = project.run(OPENAI_API_KEY="")  # a key that is there, and wrong, is the client's business
    replayed.assert_outcomes(passed=7)
    replayed.stdout.fnmatch_lines(["    6     9         0        0 *"])

    project.replace("tests/test_places.py", 'long_lived("Name a river.")', 'long_lived("Name a big river.")')
    changed = project.run("tests/test_places.py::test_marked")
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(
        [
            "*HTTP Error 504*",
            "*- chatreel -*",
            "chatreel, mode replay, tests/cassettes/test_places/test_marked.json:",
            '  /messages/0/content: asked "Name a big river.", recorded "Name a river."',
            "To record what is missing: pytest --chatreel=cache tests/test_places.py::test_marked",
        ]
    )
    assert "Recordings that no test asked for" not in text_of(changed), "it failed: nobody knows what it asks for"
    assert len(upstream.calls) == 9


@pytest.mark.long
def test_the_official_client_needs_nothing_but_the_marker(project: Project, upstream: Upstream) -> None:
    suite = """
    import pytest
    from openai import AsyncOpenAI, OpenAI

    QUESTION = [{"role": "user", "content": "Name a river."}]
    pytestmark = pytest.mark.chatreel

    def test_sync():
        with OpenAI() as client:
            chunks = client.chat.completions.create(model="m-1", messages=QUESTION, stream=True)
            assert "river" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    @pytest.mark.anyio
    async def test_async():
        async with AsyncOpenAI() as client:
            answer = await client.chat.completions.create(model="m-1", messages=QUESTION)
        assert "river" in answer.choices[0].message.content
    """
    project.write({"test_openai.py": suite.replace("\n    ", "\n"), "conftest.py": CONFTEST})
    project.run("--chatreel=once").assert_outcomes(passed=2)
    upstream.stop()
    project.run("--chatreel=none").assert_outcomes(passed=2)
