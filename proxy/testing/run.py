"""A test run as the plugin sees it: in the process that leads it, and in each that runs tests of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chatreel import clients
from chatreel.errors import ChatreelError
from chatreel.model import Mode
from chatreel.testing import reporting, verdicts
from chatreel.testing.cassettes import Cassettes
from chatreel.testing.options import REWRITE, RunOptions, early, marker_arguments
from chatreel.testing.verdicts import Record
from chatreel.testing.watching import Watching

if TYPE_CHECKING:
    from chatreel.testing.active import ActiveTest
    from chatreel.testing.control import Control
    from chatreel.testing.early import EarlyAddress
    from chatreel.testing.handle import ChatreelSession
    from chatreel.testing.shared import Address

EARLY = pytest.StashKey["EarlyAddress"]()
ACTIVE = pytest.StashKey["ActiveTest"]()
PASSED = pytest.StashKey[bool]()
NAME = "chatreel"
"""Of what the processes of a run tell each other."""


class TestRun:
    """Nothing is started, and nothing but the standard library imported, before a test needs its session."""

    __test__ = False  # whatever pytest thinks of the name

    def __init__(self, config: pytest.Config) -> None:
        """Raises `pytest.UsageError` for an option that cannot be used."""
        self.options = RunOptions(config)
        self.cassettes = Cassettes(self.options)
        self._config = config
        self._orders: dict[str, Any] = getattr(config, "workerinput", {}).get(NAME, {})
        """What the leader has told this worker; empty in the leader."""
        self._early: EarlyAddress | None = config.stash.get(EARLY, None)
        inherited = self._early.upstream if self._early else clients.configured_upstream(os.environ)
        self._fallback = str(self._orders.get("fallback", inherited))
        self._watching = Watching(self.options, self._fallback)
        self._proxy: tuple[Address, Control] | None = None
        self._elsewhere: Address | None = None
        """The proxy that a worker has reported."""
        self._records: list[Record] = []
        self._orphans: list[str] | None = None
        self._report: reporting.Report | None = None

    @property
    def orders(self) -> dict[str, str]:
        """What the workers of xdist have to know of the run."""
        return {"fallback": self._fallback} if self._early else {}

    # One test

    @contextmanager
    def watched(self, item: pytest.Item) -> Iterator[None]:
        """From the set-up of a test to the end of its teardown."""
        with self._watching.of(item):
            yield

    @contextmanager
    def session(self, item: pytest.Item, basetemp: Callable[[], Path]) -> Iterator["ChatreelSession"]:
        """A session of its own for a test, and an environment in which clients find it. Fails the test without one."""
        try:
            active = self._open(item, basetemp)
        except (ChatreelError, pytest.UsageError) as error:
            pytest.fail(f"chatreel: {str(error).removeprefix('chatreel: ')}", pytrace=False)
        item.stash[ACTIVE] = active
        handle = active.handle
        mode = Mode.REPLAY if handle.mode == Mode.REPLAY else Mode.RECORD
        with changed_environment(clients.client_variables(handle.base_url, mode, os.environ)) as handle.env:
            self._watching.start(item, replays=mode is Mode.REPLAY)
            yield handle
        try:
            late = active.close(passed=item.stash.get(PASSED, False), fatal=self.options.value("fail_on"))
        except ChatreelError as error:
            late = [str(error)]
        if late:
            pytest.fail(reporting.failure(active, late), pytrace=False)

    def fail_for_problems(self, item: pytest.Item) -> None:
        """Fail a test for what its code has not let it fail for."""
        if problems := self._problems(item):
            active = item.stash.get(ACTIVE, None)
            pytest.fail(reporting.failure(active, problems), pytrace=False)

    def annotate(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add to the report of a phase what chatreel has to say about it."""
        if report.when == "call":
            item.stash[PASSED] = report.passed
        if report.failed and report.when != "teardown" and (problems := self._problems(item)):
            report.sections.append((NAME, reporting.failure(item.stash.get(ACTIVE, None), problems)))
        if report.when == "teardown" and (record := self._record(item)):
            setattr(report, NAME, record)  # travels with the report, from a worker as well

    def _open(self, item: pytest.Item, basetemp: Callable[[], Path]) -> "ActiveTest":
        from chatreel.testing.active import ActiveTest
        from chatreel.testing.early import ALONE
        from chatreel.testing.shared import claim

        marker = marker_arguments(item)
        cassette = self.cassettes.of(item, marker)
        wishes = self.options.wishes(marker)
        control = self._control(basetemp)
        if wishes["mode"] == REWRITE and "cassette" in marker and not claim(self._folder(basetemp), cassette):
            wishes["mode"] = Mode.RECORD.value
        return ActiveTest.open(
            control,
            item.nodeid,
            cassette,
            self.cassettes.shown(cassette),
            wishes,
            alias=getattr(self._config, "workerinput", {}).get("workerid", ALONE),
            shared="cassette" in marker,
        )

    def _control(self, basetemp: Callable[[], Path]) -> "Control":
        """The connection to the run's proxy, which is started if this is the first test that needs it."""
        if self._proxy is None:
            from chatreel.testing.control import Control
            from chatreel.testing.shared import Run, join

            folder = self._folder(basetemp)
            leader = int(self._orders.get("leader", os.getpid()))
            run = Run(
                folder,
                leader,
                self._config.rootpath,
                self.options.value("upstream"),
                self._fallback,
                port=self._early.port if self._early else 0,
                budget=self.options.value("budget"),
            )
            address = join(run)
            self._proxy = address, Control(address.origin)
        return self._proxy[1]

    def _folder(self, basetemp: Callable[[], Path]) -> Path:
        """Of the run, for all of its processes; pytest removes it when it has become old."""
        folder = (basetemp().parent if self._orders else basetemp()) / NAME  # a worker's own is inside the run's
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _problems(self, item: pytest.Item) -> list[str]:
        """What is wrong so far and has not been said yet."""
        active = item.stash.get(ACTIVE, None)
        try:
            session = active.new_problems() if active else []
        except ChatreelError as error:
            session = [str(error)]
        return [*session, *self._watching.new_problems()]

    def _record(self, item: pytest.Item) -> Record | None:
        active = item.stash.get(ACTIVE, None)
        bypassed = self._watching.bypassed()
        if active is None and not bypassed:
            return None
        passed = item.stash.get(PASSED, False)
        if active is None:
            return Record(test=item.nodeid, cassette="", shared=False, passed=passed, verdict={}, bypassed=bypassed)
        return active.record(passed=passed, bypassed=bypassed)

    # The run

    def note(self, record: Record) -> None:
        """A test is over, here or in a worker."""
        self._records.append(record)

    def debrief(self, said: dict[str, Any]) -> None:
        """Hear what only a worker knows: see `finish`."""
        if said.get("proxy"):
            from chatreel.testing.shared import Address

            self._elsewhere = Address(*said["proxy"])
        if said.get("orphans") is not None:
            self._orphans = said["orphans"]

    def finish(self, session: pytest.Session) -> None:
        """All tests have ended. The run fails for findings that are to fail it."""
        if self._orders:
            proxy = [self._proxy[0].origin, self._proxy[0].pid] if self._proxy else None
            self._config.workeroutput[NAME] = {"proxy": proxy, "orphans": self.cassettes.orphans}  # type: ignore[attr-defined]  # xdist's
            return
        orphans = self.cassettes.orphans if self._orphans is None else self._orphans
        summary = verdicts.summarise(self._records, orphans)
        self._report = reporting.Report(summary, self._records, self.options.value("fail_on"))
        wanted = self.options.value("report")
        written = self._report.write(self._config.invocation_params.dir / wanted) if wanted else True
        if session.exitstatus == pytest.ExitCode.OK and (self._report.failed_by or not written):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def summarise(self, reporter: pytest.TerminalReporter) -> None:
        """Print the verdict, if there is one."""
        if self._report:
            self._report.show(reporter)

    def stop(self) -> None:
        """This process has nothing more to do with the proxy; the leader ends it."""
        if self._proxy:
            self._proxy[1].close()
        address = self._proxy[0] if self._proxy else self._elsewhere
        if address is None:
            return
        from chatreel.testing.shared import forget_children, stop

        if self._orders:
            forget_children()
        else:
            stop(address)


def begin_early(config: pytest.Config) -> None:
    """Clients find the run's proxy from now on, though it is not there yet."""
    from chatreel.testing.early import EarlyAddress

    address = config.stash[EARLY] = EarlyAddress(os.environ, replays=early(config, "mode") == Mode.REPLAY)
    until_the_end = ExitStack()
    until_the_end.enter_context(address)
    until_the_end.enter_context(changed_environment(address.variables))
    config.add_cleanup(until_the_end.close)


@contextmanager
def changed_environment(changes: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of this process with other values, and as it was afterwards, whatever was done meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield changes
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
