"""Commands about which requests are the same call: explain, suggest, rekey."""

import asyncio
import json
from typing import Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import AsJson, Store, Upstream
from chatreel.exit_codes import ExitCode
from chatreel.plaintext import printable_lines

CHAT_PATH = "/v1/chat/completions"


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
    lines = printable_lines("\n".join(lookup.as_text(explanation)))
    typer.echo(json.dumps(lookup.as_json(explanation)) if as_json else "\n".join(lines))


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
