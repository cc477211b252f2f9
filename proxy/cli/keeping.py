"""Commands that look after a store: ls, show, diff, rm, prune, verify, stats."""

import gc
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import AsJson, Store
from chatreel.errors import ConfigError
from chatreel.exit_codes import ExitCode

if TYPE_CHECKING:
    from chatreel.config import Settings
    from chatreel.store.archive import Archive

Model = Annotated[str | None, typer.Option(help="The model asked for; a * at its end stands for any ending.")]
Origin = Annotated[str | None, typer.Option("--upstream", help="The API that answered: a name, a host or a URL.")]
Cassette = Annotated[str | None, typer.Option(help="Recordings of this cassette; '' for those of none.")]
Since = Annotated[str | None, typer.Option(help="No older than this: 30s, 12h, 7d, or a date.")]
Until = Annotated[str | None, typer.Option(help="Older than this: a date, or 30s, 12h, 7d.")]
OlderThan = Annotated[str | None, typer.Option(help="Older than this: 30s, 12h, 7d, or a date.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]
Named = Annotated[str, typer.Argument(help="A recording's id, the start of its key, or the id of a call.")]

_PAGE = 160
"""Cells of a line, where there is no screen to ask."""
_SCREEN = 24
"""Lines, where there is no screen to ask."""


@app.command(name="ls")
def ls(
    model: Model = None,
    upstream: Origin = None,
    cassette: Cassette = None,
    since: Since = None,
    until: Until = None,
    older_than: OlderThan = None,
    search: Annotated[str | None, typer.Option(help="Text in the request or the answer; reads all of them.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Recordings to list; else as many as fit the screen.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="List all of them.")] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """List recordings, the newest first."""
    from chatreel.keeping import listing, units
    from chatreel.keeping.choosing import Typed, selection
    from chatreel.selection import Selection

    now = time.time()
    settings = _settings(store)
    chosen = selection(Typed(model, upstream, cassette, since, until, older_than), settings, now)
    columns, lines = shutil.get_terminal_size((0, _SCREEN))
    most = None if all_ else limit or max(lines - 2, 1)
    cost = listing.Searched()
    with _archive(settings) as archive:
        if search is not None:
            pages = listing.search(archive, chosen, search, most, cost)
        else:
            pages = listing.entries(archive, chosen, most)
        printed = 0
        for text in listing.as_json(pages) if as_json else listing.as_text(pages, now, columns or None):
            typer.echo(text)
            printed += 1
        if not printed:
            talk.say("no recording is like that" if archive.count(Selection()) else "the store has no recordings")
    if search is not None:
        talk.say(f"searched {cost.recordings:,} recordings, {units.size(cost.bytes)}, in {time.time() - now:.1f} s")


@app.command()
def show(
    recording: Named,
    raw: Annotated[bool, typer.Option("--raw", help="Print the response, byte for byte.")] = False,
    request: Annotated[bool, typer.Option("--request", help="Print the request, byte for byte.")] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show a recording: what was asked, what was answered, and how it arrived."""
    from chatreel.keeping import showing

    if raw + request + as_json > 1:
        raise ConfigError("--raw, --request and --json exclude each other")
    with _archive(_settings(store)) as archive:
        shown = showing.show(archive, recording)
    if raw or request:
        _write(shown.recording.body if raw else shown.recording.request)
    else:
        typer.echo(json.dumps(showing.as_json(shown)) if as_json else "\n".join(showing.as_text(shown)))


@app.command()
def diff(first: Named, second: Named, store: Store = None, as_json: AsJson = False) -> None:
    """Show what differs between two recordings; exit code 1 if request or answer do."""
    from chatreel.keeping import comparing, showing

    with _archive(_settings(store)) as archive:
        sides = showing.show(archive, first), showing.show(archive, second)
    found = comparing.comparison(*sides)
    typer.echo(json.dumps(comparing.as_json(*sides, found)) if as_json else "\n".join(comparing.as_text(*sides, found)))
    raise typer.Exit(ExitCode.OK if found.equal else ExitCode.FAILED)


@app.command()
def rm(
    recording: Annotated[list[str], typer.Argument(help="Ids of recordings or calls, or starts of keys.")],
    store: Store = None,
    dry_run: DryRun = False,
) -> None:
    """Remove recordings; of a key all of its takes."""
    from chatreel.keeping import removing, units

    with _archive(_settings(store)) as archive:
        doomed = removing.named(archive, recording)
        removed = None if dry_run else removing.remove(archive, [entry.listed.id for entry in doomed])
    for entry in doomed:
        if removed is None or entry.listed.id in removed.ids:
            typer.echo(removing.line(entry))
    count = len(doomed if removed is None else removed.ids)
    said = "recording" if count == 1 else "recordings"
    talk.say(
        f"{count} {said} would be removed" if removed is None else f"{count} {said} removed, {units.size(removed.size)}"
    )


@app.command()
def prune(
    older_than: OlderThan = None,
    max_size: Annotated[
        str | None, typer.Option(help="Only as many, the oldest first, that the store has 2GB.")
    ] = None,
    least_recently_used: Annotated[
        bool, typer.Option("--least-recently-used", help="Count the age from the last use, not from the recording.")
    ] = False,
    model: Model = None,
    upstream: Origin = None,
    cassette: Cassette = None,
    log: Annotated[bool, typer.Option("--log", help="Prune the log of calls instead, by --older-than.")] = False,
    store: Store = None,
    dry_run: DryRun = False,
) -> None:
    """Remove recordings, or rows of the log, and give their space back; also while a proxy is running."""
    from chatreel.keeping import choosing, removing

    settings = _settings(store)
    now = time.time()
    typed = choosing.Typed(model=model, upstream=upstream, cassette=cassette, older_than=older_than)
    size = choosing.byte_size("--max-size", max_size)
    chosen = choosing.selection(typed, settings, now)
    if log:
        if (
            chosen.until is None
            or typed != choosing.Typed(older_than=older_than)
            or size is not None
            or least_recently_used
        ):
            raise ConfigError("--log takes --older-than, and nothing else: chatreel prune --log --older-than 30d")
        plan = removing.Plan(log_before=chosen.until)
    elif typed.any or size is not None:
        plan = removing.Plan(chosen, by_use=least_recently_used, max_size=size)
    elif least_recently_used:
        raise ConfigError("--least-recently-used needs --older-than or --max-size, which say how many go")
    else:
        plan = removing.Plan()
    with _archive(settings) as archive:
        report = removing.prune(archive, plan, dry_run=dry_run)
    for line in removing.summary(report, dry_run=dry_run):
        typer.echo(line)


@app.command()
def verify(store: Store = None, as_json: AsJson = False) -> None:
    """Derive every key, completion and digest anew; exit code 1 if something is wrong. Changes nothing."""
    from chatreel.keeping import verifying
    from chatreel.server import keys_for

    settings = _settings(store)
    with _archive(settings) as archive:
        report = verifying.verify(archive, keys_for(settings))
        text = (
            json.dumps(verifying.as_json(report)) if as_json else "\n".join(verifying.as_text(report, archive.size()))
        )
    typer.echo(text)
    raise typer.Exit(ExitCode.FAILED if report.faults else ExitCode.OK)


@app.command()
def stats(since: Since = None, store: Store = None, as_json: AsJson = False) -> None:
    """Print what the calls came to: hits, time saved, latencies; and what the store has grown to."""
    gc.disable()  # what is imported and counted stays: to look for garbage in it takes a twentieth of the time
    from chatreel.keeping import choosing, counting

    begin = choosing.moment("--since", since, time.time())
    with _archive(_settings(store)) as archive:
        found = counting.stats(archive, begin if begin is not None else 0.0)
    if as_json:
        typer.echo(json.dumps(counting.as_json(found)))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PAGE
    for number, table in enumerate(counting.as_tables(found, console.width)):
        if number:
            console.print()
        console.print(table)


def _settings(store: str | None) -> "Settings":
    from chatreel.config import load_settings

    return load_settings(store=store)


def _archive(settings: "Settings") -> "Archive":
    from chatreel.store.archive import Archive
    from chatreel.store.leavings import left_behind

    archive = Archive(settings.store)
    if left_behind(settings.store):  # else nothing has to be loaded for it
        from chatreel.recovery import recover

        recover(settings.store)
    return archive


def _write(content: bytes) -> None:
    """Bytes as they are; on a terminal, where they could do anything, only what can be printed."""
    if sys.stdout.isatty():
        from chatreel.plaintext import printable_lines

        typer.echo("\n".join(printable_lines(content.decode(errors="replace"))))
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
