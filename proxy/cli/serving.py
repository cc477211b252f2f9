"""Commands that run a proxy: serve, run, demo."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import (
    AskUsage,
    BlockOthers,
    Budget,
    Cassette,
    InterceptHost,
    MaxBody,
    MaxSize,
    Mode,
    Pace,
    RecordErrors,
    Repeats,
    Store,
    Tag,
    Ttl,
    Unpriced,
    Upstream,
)
from chatreel.errors import ServeError
from chatreel.exit_codes import ExitCode


@app.command()
def serve(
    upstream: Upstream = None,
    mode: Mode = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None,
    proxy_port: Annotated[int | None, typer.Option(help="Also be a forward proxy, on this port.")] = None,
    intercept: Annotated[
        list[str] | None,
        typer.Option(
            "--intercept",
            "--intercept-host",
            help="Also intercept this host, besides upstreams and known providers; repeatable, * for any text.",
        ),
    ] = None,
    block_others: BlockOthers = None,
    token: Annotated[
        str | None, typer.Option(help="What clients have to show. Other users see it here: prefer CHATREEL_TOKEN.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    store: Store = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it listens: base_url and pid, as JSON.")] = None,
    max_body: MaxBody = None,
    max_bodies: Annotated[
        str | None, typer.Option(help="Of large request bodies held at a time, as in 128MB; others wait.")
    ] = None,
    max_connections: Annotated[int | None, typer.Option(help="Of clients, at a time.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that serve the port and the store together; on Linux.")
    ] = None,
    max_size: MaxSize = None,
    pace: Pace = None,
    ask_usage: AskUsage = None,
    record_errors: RecordErrors = None,
    cassette: Cassette = None,
    cassettes: Annotated[Path | None, typer.Option(help="Folder that sessions' cassettes have to be in.")] = None,
    repeats: Repeats = None,
    ttl: Ttl = None,
    tag: Tag = None,
    fast_path: Annotated[
        bool | None,
        typer.Option(
            "--fast-path/--no-fast-path", help="Answer hits, and ask upstreams, without the engine where that can be."
        ),
    ] = None,
    budget: Budget = None,
    unpriced: Unpriced = None,
    parent: Annotated[int | None, typer.Option(help="End when the process of this id has ended.")] = None,
    fallback_upstream: Annotated[
        str | None, typer.Option(help="The upstream if neither a flag nor a setting names one.")
    ] = None,
) -> None:
    """Run the proxy until it is interrupted."""
    from chatreel.cli.listening import serve_until_stopped
    from chatreel.cli.straight import Told

    serve_until_stopped(
        Told(
            {
                "upstream": tuple(upstream or ()),
                "mode": mode,
                "host": host,
                "port": port,
                "proxy_port": proxy_port,
                "intercept": tuple(intercept or ()),
                "block_others": block_others,
                "token": token,
                "token_file": token_file,
                "store": store,
                "ready_file": ready_file,
                "max_body": max_body,
                "max_bodies": max_bodies,
                "max_connections": max_connections,
                "workers": workers,
                "max_size": max_size,
                "pace": pace,
                "ask_usage": ask_usage,
                "record_errors": record_errors,
                "cassette": cassette,
                "cassettes": cassettes,
                "repeats": repeats,
                "ttl": ttl,
                "tag": tuple(tag or ()),
                "fast_path": fast_path,
                "budget": tuple(budget or ()),
                "unpriced": unpriced,
            },
            parent,
            fallback_upstream,
        )
    )


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command, after --", metavar="-- CMD [ARGS]...")],
    intercept: Annotated[
        bool, typer.Option("--intercept", help="For programs without a base URL: intercept the TLS of known providers.")
    ] = False,
    intercept_host: InterceptHost = None,
    block_others: BlockOthers = None,
    upstream: Upstream = None,
    mode: Mode = None,
    store: Store = None,
    max_body: MaxBody = None,
    pace: Pace = None,
    ask_usage: AskUsage = None,
    record_errors: RecordErrors = None,
    cassette: Cassette = None,
    repeats: Repeats = None,
    ttl: Ttl = None,
    tag: Tag = None,
    budget: Budget = None,
    unpriced: Unpriced = None,
) -> None:
    """Run a command with the proxy around it; print a verdict, return the command's exit code."""
    from chatreel.config import load_settings
    from chatreel.run import for_one_command, run_command

    settings = load_settings(
        upstream=tuple(upstream or ()),
        mode=mode,
        port=0,
        workers=1,
        intercept=tuple(intercept_host or ()),
        block_others=block_others,
        store=store,
        max_body=max_body,
        pace=pace,
        ask_usage=ask_usage,
        record_errors=record_errors,
        cassette=cassette,
        repeats=repeats,
        ttl=ttl,
        tag=tuple(tag or ()),
        budget=tuple(budget or ()),
        unpriced=unpriced,
    )
    talk.start_logging(quiet=True, redactor=settings.redactor)
    settings = for_one_command(settings, intercept=intercept or bool(intercept_host))
    raise typer.Exit(asyncio.run(run_command(command, settings)))


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
