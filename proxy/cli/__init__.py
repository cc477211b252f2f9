"""The command line: parse, call, report. stdout is data, stderr is talk.

Each command imports what it needs when it runs: `chatreel --help` must not wait for a proxy engine.

    app        the program itself
    options    what several commands take
    serving    serve, run, demo
    identity   explain, suggest, rekey
    keeping    ls, show, diff, rm, prune, verify, stats
    cassettes  import, pack, merge, lint
    figures    export, reprice
    dashboard  dashboard
    money      price
    health     doctor
"""

import sys

from chatreel import talk
from chatreel.cli import cassettes, dashboard, figures, health, identity, keeping, money, serving
from chatreel.cli.app import app
from chatreel.errors import CassetteError, ChatreelError, ConfigError, NotFound, ServeError, StoreError
from chatreel.exit_codes import ExitCode

__all__ = ["app", "cassettes", "dashboard", "figures", "health", "identity", "keeping", "main", "money", "serving"]

_EXIT_CODES: dict[type[ChatreelError], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    NotFound: ExitCode.USAGE,
    ServeError: ExitCode.CANNOT_SERVE,
    StoreError: ExitCode.STORE,
    CassetteError: ExitCode.STORE,
}


def main() -> None:
    """Entry point of the `chatreel` program."""
    try:
        app()
    except ChatreelError as error:
        talk.complain(str(error))
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.FAILED))
