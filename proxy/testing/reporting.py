"""What is said: of a test that fails, and of the run when it is over."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatreel.model import Mode
from chatreel.testing.options import Finding
from chatreel.testing.verdicts import Record, Summary, as_json, details, table

if TYPE_CHECKING:
    from chatreel.testing.active import ActiveTest

TITLE = "chatreel"


def failure(active: "ActiveTest | None", problems: Sequence[str]) -> str:
    """Why a test fails, and what to do."""
    if active is None:
        return "\n\n".join(("chatreel:", *problems))
    head = f"chatreel, mode {active.handle.mode}, {active.cassette}:"
    refused = active.verdict.get("refusals") and active.handle.mode == Mode.REPLAY
    advice = f"To record what is missing: pytest --chatreel=cache {_quoted(active.test)}"
    return "\n\n".join((head, *problems, *([advice] if refused else [])))


class Report:
    """The end of a run."""

    def __init__(self, summary: Summary, records: Sequence[Record], fatal: frozenset[Finding]) -> None:
        self._summary = summary
        self._records = records
        self._fatal = fatal
        self._lost = ""
        self.failed_by = [kind for kind in Finding if kind in fatal and summary.count(kind)]
        """Kinds of findings that fail the run."""

    def write(self, path: Path) -> bool:
        """Write it as JSON; whether that worked. `show` says why if it did not."""
        document = as_json(self._summary, self._records, failed_by=self.failed_by)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            self._lost = f"the report {path} cannot be written: {error.strerror}"
        return not self._lost

    def show(self, reporter: pytest.TerminalReporter) -> None:
        """Print table and findings."""
        if self._lost:
            reporter.write_line(f"chatreel: {self._lost}", red=True)
        if self._summary.is_empty:
            return
        reporter.write_sep("=", TITLE)
        for line in table(self._summary):
            reporter.write_line(line)
        for line in details(self._summary, self._fatal):
            reporter.write_line(line)


def _quoted(node: str) -> str:
    return f'"{node}"' if set(node) & set("[]*?() '") else node
