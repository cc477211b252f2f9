"""A project of somebody else's with a test suite, run by a pytest of its own: record, replay, change something, see."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.program import LEAKY

CLIENT = '''
import json, os, urllib.error, urllib.request

def ask(text, base_url=None, **more):
    """What the model says to `text`; raises urllib's HTTPError or URLError."""
    body = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}], **more}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    url = (base_url or os.environ["OPENAI_BASE_URL"]) + "/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return json.load(response)["choices"][0]["message"]["content"]
'''
"""A client that costs no time to import."""


class Project:
    """Files in a folder of their own. Each run is a new process, as a user would start it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, upstream: str) -> None:
        """`upstream`: the URL that clients are pointed at outside of tests."""
        for name in [name for name in os.environ if LEAKY.fullmatch(name)]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream}/v1")
        monkeypatch.setenv("COLUMNS", "160")
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        self.path = pytester.path
        self.write({"client.py": CLIENT, "pytest.ini": "[pytest]\npythonpath = .\n"})

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, those there were with these names included."""
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Change one place in a file."""
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *args: str, **env: str) -> pytest.RunResult:
        """Run pytest; warnings are errors."""
        warnings = ("-W", "error", "-W", "ignore::pytest.PytestRemovedIn10Warning")  # of anyio's plugin
        with self._monkeypatch.context() as patch:
            for name, value in ({"OPENAI_API_KEY": "sk-test"} | env).items():
                patch.setenv(name, value)
            return self._pytester.runpytest_subprocess(*warnings, "-p", "no:cacheprovider", *args)

    @property
    def cassettes(self) -> list[str]:
        """Paths of all JSON files below a folder `cassettes`, sorted."""
        found = [path.relative_to(self.path) for path in self.path.rglob("*.json")]
        return sorted(path.as_posix() for path in found if "cassettes" in path.parts)

    def report(self, name: str = "report.json") -> dict[str, Any]:
        """What `--chatreel-report` has written."""
        document: dict[str, Any] = json.loads((self.path / name).read_bytes())
        return document


def text_of(result: pytest.RunResult) -> str:
    """All that a run has printed."""
    return "\n".join([*result.outlines, *result.errlines])


def proxy_of(base: Path) -> int:
    """Process id of the proxy that a run with `--basetemp=base` has started."""
    return int(json.loads((base / "chatreel" / "ready.json").read_bytes())["pid"])
