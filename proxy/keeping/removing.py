"""`chatreel rm` and `chatreel prune`: what goes, in batches that each leave a whole store behind."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched

from chatreel import talk
from chatreel.eviction import evicted
from chatreel.keeping import units
from chatreel.keeping.listing import Entry, entries
from chatreel.plaintext import printable
from chatreel.selection import Selection, parse_subject
from chatreel.store.archive import Archive
from chatreel.store.removing import BATCH, PAUSE, Removed
from chatreel.store.shrinking import Shrunk
from chatreel.textdiff import cut

_NEARLY = 1.1
"""Times the size that a store is to have: so far without looking again after every few."""
_TEXT = 60
"""Characters of a text by which somebody knows a recording again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a store is to be freed of."""

    chosen: Selection | None = None
    """Recordings that may go; `None`: none are to."""
    by_use: bool = False
    """Whether their age is counted from their last use."""
    max_size: int | None = None
    """Bytes: only so many go, the oldest first, that the database is no larger. `None`: all that are chosen."""
    log_before: float | None = None
    """Rows of the log go that are older, seconds since the epoch."""


@dataclass(slots=True)
class Report:
    """What has gone, or would go."""

    removed: Removed = field(default_factory=Removed)
    calls: int = 0
    orphans: int = 0
    """Payloads that belonged to nothing before."""
    before: int = 0
    """Bytes of the database."""
    after: int = 0
    shrunk: Shrunk = Shrunk.DONE
    too_large: bool = False
    """Whether it is larger than it should be, and nothing that may go is left."""


def named(archive: Archive, texts: Sequence[str]) -> list[Entry]:
    """The recordings that are named, all takes of each key. Raises `ConfigError` or `NotFound`."""
    ids = {number for text in texts for number in archive.find(parse_subject(text))}
    return archive_entries(archive, ids)


def archive_entries(archive: Archive, ids: set[int]) -> list[Entry]:
    """Entries of these recordings, in the order of their ids."""
    pages = entries(archive, Selection(ids=frozenset(ids)), None)
    return sorted((entry for page in pages for entry in page), key=lambda entry: entry.listed.id)


def line(entry: Entry) -> str:
    """What somebody reads of a recording that goes."""
    listed = entry.listed
    text = f" {cut(printable(entry.text), _TEXT)}" if entry.text else ""
    return f"{listed.id} {listed.key[:19]} {printable(listed.model)} {units.moment(listed.recorded_at)}{text}"


def remove(archive: Archive, ids: Sequence[int], *, marks_later: bool = False) -> Removed:
    """Remove recordings, in batches, with a pause between two in which others may write."""
    removed = Removed()
    with talk.progress("removing", len(ids)) as advance:
        for part in _in_turns(ids):
            removed += archive.remove(part, marks_later=marks_later)
            advance(len(part))
    return removed


def prune(archive: Archive, plan: Plan, *, dry_run: bool) -> Report:
    """Free a store of what the plan says, and of what belongs to nothing; give the space back."""
    report = Report(before=archive.size())
    if plan.log_before is not None:
        report.calls = archive.count_calls(plan.log_before) if dry_run else _prune_log(archive, plan.log_before)
    if plan.chosen is not None:
        _prune_recordings(archive, plan, report, dry_run=dry_run)
    orphans = archive.orphans()
    if dry_run:
        report.orphans = len(orphans)
        report.after = report.before
        return report
    for part in _in_turns(orphans):
        report.orphans += archive.remove_orphans(part)[0]
    archive.sweep_marks()
    _shrink(archive, report)
    report.after = archive.size()
    return report


def summary(report: Report, *, dry_run: bool) -> Iterator[str]:
    """Yield what has become of the store, in lines."""
    would = "would be " if dry_run else ""
    yield f"{would}removed: {len(report.removed.ids):,} recordings, {report.calls:,} rows of the log"
    if report.orphans:
        yield f"{would}removed: {report.orphans:,} payloads that belonged to nothing"
    if not dry_run:
        yield f"the store has {units.size(report.after)} now, it had {units.size(report.before)}"
    if report.shrunk is Shrunk.IN_USE:
        yield "the file keeps its size while somebody has it open; new recordings use the space that is free in it"
    if report.too_large:
        yield "it is larger than that still: nothing that may go is left"


def _prune_log(archive: Archive, before: float) -> int:
    done = 0
    with talk.progress("pruning the log", archive.count_calls(before)) as advance:
        while removed := archive.remove_calls(before):
            done += removed
            advance(removed)
            time.sleep(PAUSE)
    return done


def _prune_recordings(archive: Archive, plan: Plan, report: Report, *, dry_run: bool) -> None:
    chosen = plan.chosen or Selection()
    if plan.max_size is None:
        ids = archive.chosen_ids(chosen, by_use=plan.by_use)
        report.removed = Removed(tuple(ids)) if dry_run else remove(archive, ids, marks_later=True)
        return
    # Most of the way without looking for marks, which takes the longest; the rest exactly.
    if dry_run:
        candidates = archive.candidates(chosen, by_use=plan.by_use, limit=None)
        report.removed = Removed(tuple(evicted(candidates, used=archive.used(), limit=plan.max_size, room=0)))
        return
    _hold(archive, plan, report, int(plan.max_size * _NEARLY), marks_later=True)
    archive.sweep_marks()
    _hold(archive, plan, report, plan.max_size, marks_later=False)


def _hold(archive: Archive, plan: Plan, report: Report, limit: int, *, marks_later: bool) -> None:
    while (used := archive.used()) > limit:
        # Looked at again after each round: what recordings share with others is not freed with them.
        candidates = archive.candidates(plan.chosen or Selection(), by_use=plan.by_use)
        ids = evicted(candidates, used=used, limit=limit, room=0)
        if not ids:
            report.too_large = True
            return
        report.removed += remove(archive, ids, marks_later=marks_later)


def _shrink(archive: Archive, report: Report) -> None:
    with talk.progress("giving space back", None):
        report.shrunk = archive.rewrite()
        for _ in archive.shrink():
            time.sleep(PAUSE)


def _in_turns[T](items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Batches, with a pause before each but the first."""
    for number, part in enumerate(batched(items, BATCH)):
        if number:
            time.sleep(PAUSE)
        yield part
