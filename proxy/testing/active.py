"""A test that has a session: what there is to say about it while it runs and when it is over."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatreel.testing.control import Control
from chatreel.testing.handle import ChatreelSession
from chatreel.testing.options import Finding
from chatreel.testing.verdicts import Bypassed, Record, own_findings, problems


@dataclass(slots=True)
class ActiveTest:
    """One session, from before the first fixture of a test to after the last."""

    handle: ChatreelSession
    test: str
    """Node id."""
    cassette: str
    """As shown to people."""
    shared: bool
    """Whether other tests may use the cassette as well."""
    control: Control
    verdict: dict[str, Any] = field(default_factory=dict)
    """The newest one there is."""
    said: int = 0
    """How many of its problems have been reported."""

    @classmethod
    def open(
        cls,
        control: Control,
        test: str,
        cassette: Path,
        shown: str,
        wishes: dict[str, object],
        *,
        alias: str,
        shared: bool,
    ) -> "ActiveTest":
        """Open a session. Raises `ControlError` if it cannot be had.

        `alias`: all tests of a process are reached by one name, so that a client which a fixture of wider scope made in
        an earlier test still works.
        """
        opened = control.open_session({"name": test, "cassette": str(cassette), "alias": alias, **wishes})
        return cls(ChatreelSession(control, opened, cassette), test, shown, shared, control)

    def new_problems(self) -> list[str]:
        """Refused calls that have not been reported yet. Raises `ControlError`."""
        self.verdict = self.control.verdict(self.handle.id)
        return self._unsaid()

    def close(self, *, passed: bool, fatal: frozenset[Finding]) -> list[str]:
        """Close the session: what is wrong and not reported yet; if the test passed, `fatal` findings, too."""
        self.verdict = self.control.close_session(self.handle.id)
        found = own_findings(self.record(passed=passed, bypassed=[])) if passed else []
        return [*self._unsaid(), *(f"{one.kind}: {one.what}" for one in found if one.kind in fatal)]

    def record(self, *, passed: bool, bypassed: list[Bypassed]) -> Record:
        """All there is to know about it, as it travels."""
        return Record(
            test=self.test,
            cassette=self.cassette,
            shared=self.shared,
            passed=passed,
            verdict=self.verdict,
            bypassed=bypassed,
        )

    def _unsaid(self) -> list[str]:
        found = problems(self.verdict)
        new, self.said = found[self.said :], len(found)
        return new
