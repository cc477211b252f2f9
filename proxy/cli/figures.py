"""Commands about what calls came to: export, reprice."""

import json
import signal
import time
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import AsJson, Store
from chatreel.errors import ConfigError, ExportError

if TYPE_CHECKING:
    from chatreel.analytics.export import Exported
    from chatreel.config import Settings


@app.command()
def export(
    store: Store = None,
    to: Annotated[Path | None, typer.Option(help="DuckDB file; beside the store if not given.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Folder for partitions by day, for other engines.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until interrupted: what is new, all the time.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="With --follow: seconds between two looks at the store.")] = 2.0,
) -> None:
    """Bring a DuckDB file, and Parquet if wanted, up to date with the log of all calls."""
    from chatreel.config import load_settings

    try:
        from chatreel.analytics.export import default_file
    except ImportError as error:
        raise ExportError(f"the export needs its extra: pip install 'chatreel[dashboard]' ({error})") from error
    settings = load_settings(store=store)
    out = (to or default_file(settings.store)).expanduser()
    if parquet and parquet.exists() and not parquet.is_dir():
        raise ConfigError(f"--parquet {parquet} is a file: give a folder")
    if follow:
        talk.start_logging()
        _follow(settings, out, parquet, every)
    else:
        _once(settings, out, parquet)


@app.command()
def reprice(
    store: Store = None,
    since: Annotated[str | None, typer.Option(help="No older calls than this: 7d, 12h, or a day, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Only older calls than this: a day, UTC, or 7d, 12h.")] = None,
    as_model: Annotated[
        str | None, typer.Option("--as", help="Only say what the calls would have cost on this model.", metavar="MODEL")
    ] = None,
    at: Annotated[str | None, typer.Option(help="With --as: origin of the API that has it, if it is another.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the prices in the log anew, from the usage that was reported, by today's list and tables."""
    from chatreel import repricing
    from chatreel.config import load_settings
    from chatreel.keeping.choosing import moment
    from chatreel.store.repricing import Period

    if at and not as_model:
        raise ConfigError("--at says where another model is to be found: give --as MODEL, too")
    settings = load_settings(store=store)
    now = time.time()
    period = Period(moment("--since", since, now), moment("--until", until, now))
    if as_model:
        found = repricing.suppose(settings, period, as_model, at)
        typer.echo(json.dumps(repricing.as_json(found)) if as_json else "\n".join(repricing.supposition(found)))
        return
    report = repricing.reprice_store(settings, period)
    typer.echo(json.dumps(asdict(report)) if as_json else "\n".join(repricing.summary(report)))


def _once(settings: "Settings", out: Path, parquet: Path | None) -> None:
    from rich.progress import Progress

    from chatreel.analytics.export import export as export_log

    console = talk.console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("exporting", total=None)
        done = export_log(
            settings.store,
            out,
            parquet=parquet,
            progress=lambda rows, of: bar.update(task, completed=rows, total=of),
        )
    _report(done, out, parquet)


def _follow(settings: "Settings", out: Path, parquet: Path | None, every: float) -> None:
    from chatreel.analytics.follow import follow

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    follow(
        settings.store,
        out,
        every=every,
        stop=stop,
        parquet=parquet,
        report=lambda done: _report(done, out, parquet),
    )


def _report(done: "Exported", out: Path, parquet: Path | None) -> None:
    typer.echo(f"{done.added:,} new calls, {done.rows:,} in {out}")
    if parquet:
        typer.echo(f"{done.files:,} files of Parquet written in {parquet}")
