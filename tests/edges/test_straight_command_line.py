"""A plain command line of `serve` is read without typer, as typer reads it."""

from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from chatreel.cli import listening
from chatreel.cli.program import app
from chatreel.cli.straight import SEVERAL, SWITCHES, VALUES, Told, read
from chatreel.config import load_settings


@pytest.fixture
def by_typer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What typer makes of arguments of `serve`; `None` if it refuses them."""

    def reading(*arguments: str) -> Told | None:
        told: list[Told] = []
        monkeypatch.setattr(listening, "serve_until_stopped", told.append)
        CliRunner().invoke(app, ["serve", *arguments])
        return told[0] if told else None

    return reading


def settings_of(told: Told | None) -> tuple[Any, ...]:
    assert told is not None
    return load_settings(**told.flags), told.parent, told.fallback_upstream


PLAIN = [
    (),
    ("--port", "0", "--store", "calls.db", "--mode", "replay"),
    ("--port=0", "--store=a=b.db"),
    ("--upstream", "https://h", "--upstream", "b=http://i:1/v1"),
    ("--intercept", "a.example", "--intercept-host", "b.example", "--proxy-port", "0"),
    ("--no-ask-usage", "--fast-path", "--record-errors", "--block-others"),
    ("--ask-usage", "--no-fast-path", "--no-record-errors", "--tunnel-others"),
    ("--fast-path", "--no-fast-path"),
    ("--port", "1", "--port", "2"),
    ("--token", "a-token-of-one-s-own", "--host", "0.0.0.0"),
    ("--ttl", "7d", "--tag", "a=b", "--tag", "c=d", "--budget", "5/day", "--unpriced", "0.01"),
    ("--cassette", "c.json", "--cassettes", ".", "--repeats", "strict", "--pace", "4"),
    ("--max-body", "1MB", "--max-bodies", "2MB", "--max-connections", "7", "--max-size", "1GiB", "--workers", "2"),
    ("--parent", "123", "--fallback-upstream", "http://h", "--ready-file", "r.json"),
]


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_a_plain_command_line_says_what_typer_reads_in_it(by_typer: Any, arguments: tuple[str, ...]) -> None:
    assert settings_of(read(arguments)) == settings_of(by_typer(*arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("-p", "1"),
        ("serve",),
        ("--",),
        ("--port",),
        ("--port", "--mode", "cache"),
        ("--port", "-1"),
        ("--por", "1"),
        ("--max_body", "1MB"),
        ("--colour", "red"),
        ("--fast-path=yes",),
        ("--memory", "1MB"),
        ("--parent", "me"),
        ("---port", "1"),
        ("",),
        ("--=1",),
    ],
    ids=" ".join,
)
def test_what_is_not_plain_is_left_to_typer(arguments: tuple[str, ...]) -> None:
    assert read(arguments) is None


def test_every_option_of_serve_is_read_so_and_no_other() -> None:
    command = get_command(app).commands["serve"]  # type: ignore[attr-defined]  # a group, as it has commands
    options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} - {"--help"}
    known = {*VALUES, *SEVERAL, *SWITCHES}
    assert {f"--{name.replace('_', '-')}" for name in known} == options
