"""`chatreel_at_import`: clients that are made while modules are imported, as many programs make theirs."""

import pytest

from support.project import Project, text_of
from support.upstream import Upstream

APP = """
import os
from client import ask

BASE_URL, KEY = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]

def capital(country):
    return ask(f"The capital of {country}?", BASE_URL)
"""
SUITE = """
import os
import app, pytest

@pytest.mark.chatreel
@pytest.mark.parametrize("country", ["Norway", "Chad", "Peru", "Laos"])
def test_capital(country):
    assert country in app.capital(country)
    assert os.environ["OPENAI_BASE_URL"] == app.BASE_URL

def test_without_a_session():
    with pytest.raises(OSError):  # nothing is there yet, or no session is
        app.capital("Mali")
"""


@pytest.mark.long
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_they_find_each_test_in_turn_and_nothing_goes_around_it(
    project: Project, upstream: Upstream, workers: tuple[str, ...]
) -> None:
    settings = "[pytest]\npythonpath = .\nchatreel_at_import = true\n"
    project.write({"app.py": APP, "test_app.py": SUITE, "conftest.py": "import app\n", "pytest.ini": settings})
    project.run("--chatreel=once", *workers).assert_outcomes(passed=5)
    assert len(upstream.calls) == 4
    upstream.stop()
    project.run(*workers).assert_outcomes(passed=5)
    project.replace("app.py", "The capital", "The largest town")
    missed = project.run("test_app.py::test_capital[Chad]", *workers)
    missed.assert_outcomes(failed=1)
    assert "The largest town of Chad?" in text_of(missed)


@pytest.mark.long
def test_without_it_they_are_blocked_and_the_setting_is_named(project: Project) -> None:
    project.write({"app.py": APP, "test_app.py": SUITE})
    ended = project.run("-k", "Norway")
    ended.assert_outcomes(failed=1)
    assert "chatreel_at_import = true" in text_of(ended).replace("\n", " ")


def test_a_value_that_is_neither_true_nor_false_is_named(project: Project) -> None:
    project.write({"test_app.py": "def test(): pass"})
    assert "--chatreel-at-import: 'perhaps' is neither true nor false" in text_of(
        project.run("--chatreel-at-import=perhaps")
    )
