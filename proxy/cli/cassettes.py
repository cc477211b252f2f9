"""Commands about cassettes: import, pack, merge, lint."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.keeping import Cassette as CassetteName
from chatreel.cli.keeping import Model, OlderThan, Origin, Since, Until
from chatreel.cli.options import AsJson, Store
from chatreel.durations import parse_duration
from chatreel.errors import ConfigError
from chatreel.exit_codes import ExitCode
from chatreel.findings import FAILING, Kind
from chatreel.formats.names import Format, Written

Paths = Annotated[list[Path], typer.Argument(help="Files, and folders to look through.", metavar="PATH...")]


@app.command(name="import")
def import_(
    paths: Paths,
    cassette: Annotated[Path | None, typer.Option(help="One cassette for all of it; else each gets its own.")] = None,
    into_store: Annotated[bool, typer.Option("--into-store", help="Into the store instead of cassettes.")] = False,
    store: Store = None,
    format_: Annotated[Format | None, typer.Option("--format", help="Of the files; else found out.")] = None,
    upstream: Annotated[str, typer.Option(help="Origin of the API that answered, in place of the recorded one.")] = "",
    allow_refused: Annotated[bool, typer.Option("--allow-refused", help="End with 0 although some were.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be imported.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import recordings of VCR.py, pytest-recording, cassetter, mitmproxy, aimock, and HAR files."""
    from chatreel import importing
    from chatreel.config import load_settings

    if cassette and (into_store or store):
        raise ConfigError("--cassette and --into-store are two places: give one of them")
    wanted = importing.Wanted(
        paths=tuple(paths),
        cassette=cassette,
        into_store=into_store or store is not None,
        format=format_,
        upstream=_origin(upstream),
        dry_run=dry_run,
    )
    reports = importing.run(load_settings(store=store), wanted)
    if as_json:
        typer.echo(json.dumps(importing.as_json(reports)))
    else:
        _print(importing.as_text(reports))
    refused = any(report.refused for report in reports)
    raise typer.Exit(ExitCode.FAILED if refused and not allow_refused else ExitCode.OK)


@app.command()
def pack(
    target: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")],
    format_: Annotated[Written, typer.Option("--format", help="What to write.")] = Written.CHATREEL,
    store: Store = None,
    source: Annotated[Path | None, typer.Option("--from", help="A cassette to take them from, not the store.")] = None,
    model: Model = None,
    upstream: Origin = None,
    cassette: CassetteName = None,
    since: Since = None,
    until: Until = None,
    older_than: OlderThan = None,
    key: Annotated[str | None, typer.Option(help="The beginning of a key, as in v1:3f9c.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write recordings of the store to a cassette, or to a file for VCR.py or of the HAR format."""
    from chatreel import packing
    from chatreel.config import load_settings
    from chatreel.keeping.choosing import Typed, selection

    settings = load_settings(store=store)
    wanted = selection(Typed(model, upstream, cassette, since, until, older_than), settings, time.time())
    chosen = packing.Chosen(wanted, key, source)
    count = packing.pack(settings, target, chosen, kind=format_, overwrite=overwrite)
    talk.say(f"{count:,} recording{'' if count == 1 else 's'} -> {target}")


@app.command()
def merge(
    base: Annotated[Path, typer.Argument(help="The cassette as both sides had it.", metavar="BASE")],
    ours: Annotated[Path, typer.Argument(help="Ours; the result is written here.", metavar="OURS")],
    theirs: Annotated[Path, typer.Argument(help="Theirs.", metavar="THEIRS")],
) -> None:
    """Merge two versions of a cassette into one, as a merge driver of git."""
    from chatreel import packing
    from chatreel.config import load_settings

    count = packing.merge(load_settings(), base, ours, theirs)
    talk.say(f"chatreel: merged, {count:,} recordings")


@app.command()
def lint(
    paths: Annotated[list[Path] | None, typer.Argument(help="Cassettes and folders; else this one.")] = None,
    max_age: Annotated[str | None, typer.Option(help="Older recordings are found, as in 90d.")] = None,
    live: Annotated[
        Path | None, typer.Option(help="File that names the cassettes tests have, one a line; or -.")
    ] = None,
    fail: Annotated[list[Kind] | None, typer.Option(help="Kind of finding that ends with 1; repeatable.")] = None,
    warn: Annotated[list[Kind] | None, typer.Option(help="Kind that is only printed; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with cassettes: secrets, broken or edited answers, age, orphans."""
    from chatreel import linting
    from chatreel.config import load_settings

    if both := set(fail or ()) & set(warn or ()):
        raise ConfigError(f"{min(both)} cannot both fail and only be printed: give it once")
    failing = (FAILING | set(fail or ())) - set(warn or ())
    found = linting.lint(
        load_settings(),
        paths or [Path()],
        max_age=_span(max_age) if max_age else None,
        live=_names(live) if live else None,
    )
    if as_json:
        typer.echo(json.dumps([asdict(one) | {"fails": one.kind in failing} for one in found]))
    else:
        _print(map(str, found))
    failed = sum(one.kind in failing for one in found)
    talk.say(f"{len(found)} found, {failed} of them fail")
    raise typer.Exit(ExitCode.FAILED if failed else ExitCode.OK)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _names(path: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return [line for line in text.splitlines() if line.strip()]


def _origin(url: str) -> str:
    """Of a URL as somebody has it at hand, with its path or without."""
    from chatreel.upstreams import parse_upstream

    return parse_upstream(url).origin if url else ""


def _span(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--max-age: {error}") from error
