"""The pytest plugin: a proxy for the run, a session for each test that wants one, a verdict at the end.

It is loaded into every test run of every environment that chatreel is installed in. So it imports next to nothing, and
starts nothing, before a test uses the marker or the fixture. What it does stands in `chatreel.testing`; here are the
hooks.
"""

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from chatreel.testing import options

if TYPE_CHECKING:
    from chatreel.testing.handle import ChatreelSession
    from chatreel.testing.run import TestRun

FIXTURE = "chatreel"


def pytest_addoption(parser: pytest.Parser) -> None:
    options.declare(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if options.early(early_config, "at_import"):
        from chatreel.testing import run

        run.begin_early(early_config)


def pytest_configure(config: pytest.Config) -> None:
    arguments = ", ".join(sorted(options.MARKED))
    config.addinivalue_line("markers", f"chatreel({arguments}): record and replay the chat completions of this test")
    config.pluginmanager.register(_Hooks(config), "chatreel-run")


@pytest.fixture
def chatreel(request: pytest.FixtureRequest) -> Iterator["ChatreelSession"]:
    """The recordings of this test: `base_url`, `env`, `calls`, `sent` and `recorded`."""
    basetemp = request.getfixturevalue("tmp_path_factory").getbasetemp
    with _run_of(request.config).session(request.node, basetemp) as session:
        yield session


def _run_of(config: pytest.Config) -> "TestRun":
    hooks = config.pluginmanager.get_plugin("chatreel-run")
    assert isinstance(hooks, _Hooks)  # noqa: S101 - for the type checker: `pytest_configure` has registered it
    return hooks.needed()


def _uses_chatreel(item: pytest.Item) -> bool:
    return FIXTURE in getattr(item, "fixturenames", ()) or item.get_closest_marker(FIXTURE) is not None


class _Hooks:
    """There is no run until something asks for one: a test, an option, or a worker that has had such a test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run: TestRun | None = None
        self._unread: list[str] = []
        """Node ids of what could not be collected."""
        if options.anything_said(config):
            self.needed()

    def needed(self) -> "TestRun":
        """The run, made if this is the first to need it."""
        if self._run is None:
            from chatreel.testing.run import TestRun

            self._run = TestRun(self._config)
        return self._run

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        everything = list(items)  # also what -k and the like will drop
        yield
        if self._run or any(_uses_chatreel(item) for item in everything):
            self.needed().cassettes.collected(everything, self._unread)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._unread.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if self._run is None:
            return (yield)
        with self._run.watched(item):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The first fixture of its scope: what others make, or change in the environment, comes after it."""
        if self._run and _uses_chatreel(item) and (names := getattr(item, "fixturenames", None)) is not None:
            item.fixturenames = [FIXTURE, *(name for name in names if name != FIXTURE)]  # type: ignore[attr-defined]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test that has swallowed a miss fails all the same, in its own call phase: one failure, no extra error."""
        try:
            result = yield
        except pytest.skip.Exception:
            self._fail_for_problems(item)
            raise
        self._fail_for_problems(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self._run:
            self._run.annotate(item, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if record := getattr(report, FIXTURE, None):
            self.needed().note(record)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Of xdist: a worker is about to start."""
        orders = self._run.orders if self._run else {}
        node.workerinput[FIXTURE] = {"leader": os.getpid(), **orders}  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Of xdist: a worker has ended, or was lost and left nothing."""
        if said := getattr(node, "workeroutput", {}).get(FIXTURE):
            self.needed().debrief(said)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._run:
            self._run.finish(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run:
            self._run.summarise(terminalreporter)

    def pytest_unconfigure(self) -> None:
        if self._run:
            self._run.stop()

    def _fail_for_problems(self, item: pytest.Item) -> None:
        if self._run:
            self._run.fail_for_problems(item)
