"""The example project: it replays as a newcomer finds it, and its page says what it prints."""

import re
import shutil
from pathlib import Path

import pytest

from support.project import Project, text_of
from support.resources import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "pytest-openai"


@pytest.fixture
def example(project: Project) -> Path:
    """A copy of the example."""
    shutil.copytree(EXAMPLE, project.path, dirs_exist_ok=True)
    for name in ("client.py", "pytest.ini"):  # of other projects
        (project.path / name).unlink()
    return project.path


@pytest.mark.long
@pytest.mark.usefixtures("example")
def test_it_replays_offline_and_notices_a_changed_prompt(project: Project) -> None:
    replayed = project.run()
    replayed.assert_outcomes(passed=4)
    shown = re.search(r"```text\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    assert shown
    table = [line.split() for line in shown[1].splitlines()[1:3]]
    assert all(line in [printed.split() for printed in replayed.outlines] for line in table)

    project.replace("atlas.py", "in one sentence", "in two sentences")
    changed = project.run("tests/test_atlas.py")
    changed.assert_outcomes(passed=3, failed=1)
    assert 'asked "Describe Oslo in two sentences.", recorded "Describe Oslo in one sentence."' in text_of(changed)
