"""The command line: parse, call, report. stdout is data, stderr is talk.

Each command imports what it needs when it runs: `chatreel --help` must not wait for a proxy engine.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import chatreel
from chatreel import talk
from chatreel.errors import ChatreelError, ConfigError, ServeError, StoreError
from chatreel.exit_codes import ExitCode

if TYPE_CHECKING:
    from chatreel.config import Settings

CHAT_PATH = "/v1/chat/completions"

app = typer.Typer(
    name="chatreel",
    help="Record chat completions once, replay them for ever.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_EXIT_CODES: dict[type[ChatreelError], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    ServeError: ExitCode.CANNOT_SERVE,
    StoreError: ExitCode.STORE,
}

Upstream = Annotated[
    list[str] | None,
    typer.Option(help="The real API, as [NAME=]URL; repeatable. The first is the default, others live under /NAME/v1."),
]
Mode = Annotated[str | None, typer.Option(help="cache, replay, record, once or passthrough (or VCR's names).")]
Store = Annotated[str | None, typer.Option(help="File that holds the recordings.")]
Pace = Annotated[str | None, typer.Option(help="Of replayed streams: instant, recorded, or N times faster.")]
AskUsage = Annotated[
    bool | None,
    typer.Option("--ask-usage/--no-ask-usage", help="Ask upstreams for usage at the end of recorded streams."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RecordErrors = Annotated[
    bool | None,
    typer.Option("--record-errors/--no-record-errors", help="Store errors of the upstream, too, and replay them."),
]
MaxBody = Annotated[str | None, typer.Option(help="Largest request body, as in 64MB.")]


def main() -> None:
    """Entry point of the `chatreel` program."""
    try:
        app()
    except ChatreelError as error:
        talk.complain(str(error))
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.FAILED))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"chatreel {chatreel.__version__}")
        raise typer.Exit


@app.command()
def serve(
    upstream: Upstream = None,
    mode: Mode = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None,
    proxy_port: Annotated[int | None, typer.Option(help="Also be a forward proxy, on this port.")] = None,
    store: Store = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it listens: base_url and pid, as JSON.")] = None,
    max_body: MaxBody = None,
    pace: Pace = None,
    ask_usage: AskUsage = None,
    record_errors: RecordErrors = None,
) -> None:
    """Run the proxy until it is interrupted."""
    from chatreel.config import load_settings

    settings = load_settings(
        upstream=tuple(upstream or ()),
        mode=mode,
        host=host,
        port=port,
        proxy_port=proxy_port,
        store=store,
        ready_file=ready_file,
        max_body=max_body,
        pace=pace,
        ask_usage=ask_usage,
        record_errors=record_errors,
    )
    talk.start_logging()
    asyncio.run(_serve(settings))


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command, after --", metavar="-- CMD [ARGS]...")],
    upstream: Upstream = None,
    mode: Mode = None,
    store: Store = None,
    max_body: MaxBody = None,
    pace: Pace = None,
    ask_usage: AskUsage = None,
    record_errors: RecordErrors = None,
) -> None:
    """Run a command with the proxy around it; print a verdict, return the command's exit code."""
    from chatreel.config import load_settings
    from chatreel.run import default_upstream, run_command

    settings = load_settings(
        upstream=tuple(upstream or ()),
        mode=mode,
        port=0,
        store=store,
        max_body=max_body,
        pace=pace,
        ask_usage=ask_usage,
        record_errors=record_errors,
    )
    talk.start_logging(quiet=True)
    raise typer.Exit(asyncio.run(run_command(command, default_upstream(settings))))


@app.command()
def explain(
    subject: Annotated[
        str, typer.Argument(help="Id of a call in the log, file of a request body, or -", metavar="FILE|CALL_ID|-")
    ],
    upstream: Upstream = None,
    path: Annotated[str, typer.Option(help="Of a request body: path and query as clients ask for them.")] = CHAT_PATH,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Explain a request: its key, what counts in it, the nearest recordings and what differs."""
    from chatreel import lookup
    from chatreel.config import load_settings

    settings = load_settings(upstream=tuple(upstream or ()), store=store)
    explanation = asyncio.run(lookup.explain(settings, subject, path))
    typer.echo(json.dumps(lookup.as_json(explanation)) if as_json else "\n".join(lookup.as_text(explanation)))


@app.command()
def suggest(
    store: Store = None,
    limit: Annotated[int, typer.Option(min=1, help="Misses to look at, the newest.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """Look through the log for misses that only volatile text has caused, and propose the rules against them."""
    from chatreel import advice
    from chatreel.config import load_settings

    found = asyncio.run(advice.advise(load_settings(store=store), limit))
    talk.say(f"{found.misses:,} misses looked at, {found.helped:,} of them would have been hits")
    typer.echo(json.dumps(advice.as_json(found)) if as_json else "\n".join(advice.as_toml(found)), nl=as_json)


@app.command()
def rekey(
    store: Store = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would change.")] = False,
) -> None:
    """Make the keys of all recordings anew, after a change of the rules. Stop proxies on this store first."""
    from chatreel.config import load_settings
    from chatreel.rekey import rekey_store, summary

    report = rekey_store(load_settings(store=store), dry_run=dry_run)
    for line in summary(report, dry_run=dry_run):
        typer.echo(line)
    raise typer.Exit(ExitCode.FAILED if report.kept else ExitCode.OK)


@app.command()
def demo(
    pace: Annotated[float, typer.Option(min=0.01, help="Times faster than a real model server.")] = 1.0,
) -> None:
    """A tour without a key or a network: record a dozen calls, switch the API off, replay them all."""
    try:
        from chatreel.demo.tour import tour
    except ImportError as error:
        raise ServeError(f"the demo needs its extra: pip install 'chatreel[demo]' ({error})") from error
    talk.start_logging(quiet=True)
    raise typer.Exit(ExitCode.OK if asyncio.run(tour(pace=pace)) else ExitCode.FAILED)


async def _serve(settings: "Settings") -> None:
    from chatreel.server import running_proxy, write_ready_file

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running_proxy(settings) as proxy:
        talk.say(f"chatreel {chatreel.__version__}, mode {settings.mode.value}")
        talk.say(f"  base URL    {proxy.base_url}")
        if proxy.proxy_url:
            talk.say(f"  proxy       {proxy.proxy_url} (clients have to trust {proxy.authority})")
        talk.say(f"  upstream    {' '.join(settings.upstream)}")
        talk.say(f"  recordings  {settings.store}")
        if settings.ready_file:
            write_ready_file(settings.ready_file, proxy)
        await stopped.wait()
        talk.say("stopping")
    talk.verdict(proxy.session.tally)
