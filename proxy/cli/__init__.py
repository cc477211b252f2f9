"""The command line: parse, call, report. stdout is data, stderr is talk.

Each command imports what it needs when it runs: `chatreel --help` must not wait for a proxy engine, nor
`chatreel serve` for what reads options.

    program    all commands
    app        what they have in common
    options    what several of them take
    serving    serve, run, demo
    straight   the command line of serve, where it is plain; listening: what serve does
    identity   explain, suggest, rekey
    keeping    ls, show, diff, rm, prune, verify, stats
    cassettes  import, pack, merge, lint
    figures    export, reprice
    dashboard  dashboard
    money      price
    health     doctor
"""

import sys

from chatreel.cli.straight import read
from chatreel.errors import CassetteError, ChatreelError, ConfigError, NotFound, ServeError, StoreError
from chatreel.exit_codes import ExitCode

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
        _run(*sys.argv[1:])
    except ChatreelError as error:
        from chatreel import talk

        talk.complain(str(error))
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.FAILED))


def _run(command: str = "", *arguments: str) -> None:
    told = read(arguments) if command == "serve" else None
    if told is None:
        from chatreel.cli.program import app

        app()
    else:
        import gc

        gc.disable()  # until it listens: what is imported stays, and to look for garbage in it takes its time
        from chatreel.cli.listening import serve_until_stopped

        serve_until_stopped(told)
