"""What is installed is what is in the repository, under one name, and says nothing of where it was made."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint, distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
"""Import names and the folders that they are the names of."""
LOCK = (REPOSITORY / "requirements.lock").read_text()
SCRIPTS = list(distribution("chatreel").entry_points)


def files_of(folder: Path) -> set[str]:
    """Files below a folder, but for what Python makes there."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def files_of_the_package() -> set[str]:
    """Where the package has to have them: `chatreel/...`."""
    return {
        f"{name.replace('.', '/')}/{file}" for name, folder in FOLDERS.items() for file in files_of(REPOSITORY / folder)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for source in FOLDERS.values():
        shutil.copytree(REPOSITORY / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]):
        shutil.copy(REPOSITORY / name, folder)
    code = "from setuptools import build_meta; print('WHEEL', build_meta.build_wheel('.'))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return zipfile.ZipFile(folder / ended.stdout.split("WHEEL ")[-1].strip())


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == files_of_the_package()
    assert {"chatreel/py.typed", "chatreel/cli/app.py", "chatreel/analytics/export.py"} <= packed
    assert {"chatreel/dashboards/script.py", "chatreel/dashboards/theme.toml"} <= packed


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_installed_package_holds_every_file_of_the_folder() -> None:
    """An editable install is a tree of links, made anew when a file comes or goes."""
    spec = find_spec("chatreel")
    assert spec
    assert spec.submodule_search_locations
    (installed,) = spec.submodule_search_locations
    assert files_of_the_package() <= {f"chatreel/{name}" for name in files_of(Path(installed))}, (
        "run `make .venv/linked`"
    )


def test_every_folder_with_modules_is_a_package_of_the_project() -> None:
    names = {Path(file).parent for file in files_of_the_package() if file.endswith(".py")}
    assert {".".join(name.parts) for name in names} == set(PROJECT["tool"]["setuptools"]["packages"])


def test_only_chatreel_can_be_imported(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    assert {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" not in name} == {"chatreel"}
    assert (distribution("chatreel").read_text("top_level.txt") or "").split() == ["chatreel"]
    names = ("proxy", "analytics", "dashboards", "support", "tests")
    code = f"import chatreel\nfrom importlib.util import find_spec\nprint(*map(find_spec, {names}))"
    ended = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == {"None"}


def test_the_version_stands_in_two_places_and_is_one() -> None:
    import chatreel

    assert chatreel.__version__ == PROJECT["project"]["version"] == distribution("chatreel").version


def test_every_script_of_the_project_is_installed() -> None:
    installed = {script.name: script.value for script in SCRIPTS if script.group == "console_scripts"}
    assert installed == PROJECT["project"]["scripts"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: f"{script.group}:{script.name}")
def test_every_entry_point_resolves(script: EntryPoint) -> None:
    loaded = script.load()
    assert isinstance(loaded, ModuleType) if script.group == "pytest11" else callable(loaded)


REQUIREMENTS = re.sub(r"\\\n\s*", " ", LOCK).splitlines()


def test_the_lock_pins_every_requirement_with_hashes() -> None:
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+(?: ; [^#]+?)?(?: +--hash=sha256:[0-9a-f]{64})+", re.IGNORECASE)
    assert len(REQUIREMENTS) > 20
    assert [line for line in REQUIREMENTS if not pinned.fullmatch(line)] == []


def test_the_lock_names_no_host() -> None:
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|--trusted-host", LOCK)


def test_the_lock_holds_every_direct_requirement() -> None:
    groups = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    wanted = {_name(requirement) for group in groups for requirement in group} - {"chatreel"}
    assert wanted <= {_name(line) for line in REQUIREMENTS}


def _name(requirement: str) -> str:
    """The name of a requirement, as an index would normalise it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~!; ]", requirement)[0]).lower()


# Homes of people and of machines. `/home/me` and the like are examples that everybody knows for one.
MACHINE = re.compile(
    r"(?<![\w.~-])/(?:root|work)/[\w.]|/(?:home|Users)/(?!me\b|you\b|user\b|name\b|runner\b)\w+/|[A-Z]:\\Users\\"
)


def test_no_file_names_a_place_on_a_developers_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs the git repository, which is not here")
    names = [name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]
    assert "pyproject.toml" in names
    found = {
        name: match[0]
        for name in names
        if (match := MACHINE.search((REPOSITORY / name).read_bytes().decode(errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("text", "names_a_place"),
    [
        ("see " + "/root" + "/.cache", True),
        ("'" + "/work" + "/main'", True),
        ("/home" + "/jane/x", True),
        ("/Users" + "/jane/x", True),
        ("C:" + "\\Users\\jane", True),
        ("sqlite:////home/me/calls.db", False),
        ("https://h/v1/root/x", False),
        ("~/work/x", False),
        ("the /work of others", False),
    ],
)
def test_a_place_on_a_machine_is_recognised(text: str, names_a_place: bool) -> None:
    assert bool(MACHINE.search(text)) is names_a_place
