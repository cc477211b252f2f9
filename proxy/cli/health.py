"""Commands about the set-up itself: doctor."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from chatreel.cli.app import app
from chatreel.cli.options import AsJson, Mode, Store, Upstream
from chatreel.exit_codes import ExitCode


@app.command()
def doctor(
    upstream: Upstream = None,
    mode: Mode = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    proxy_port: Annotated[int | None, typer.Option(help="Port of the forward proxy.")] = None,
    store: Store = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with this set-up and how to mend it; change nothing."""
    from chatreel.doctor import Level, examine

    findings = examine(
        upstream=tuple(upstream or ()),
        mode=mode,
        host=host,
        port=port,
        proxy_port=proxy_port,
        store=store,
        token_file=token_file,
    )
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            mend = f". Mend: {finding.mend}" if finding.mend else ""
            typer.echo(f"{finding.level:<8}{finding.check:<13}{finding.message}{mend}")
    raise typer.Exit(ExitCode.FAILED if any(finding.level is Level.WRONG for finding in findings) else ExitCode.OK)
