"""`chatreel rekey`: every key of a store, made anew by today's rules."""

from rich.progress import Progress

from chatreel import talk
from chatreel.canonical import keyed_by
from chatreel.config import Settings
from chatreel.recovery import require_recovered
from chatreel.request import read_request
from chatreel.server import keys_for
from chatreel.store.rekeying import Rekeyed, rekey

MOST_NAMED = 20
"""Recordings that are named one by one."""


def rekey_store(settings: Settings, *, dry_run: bool) -> Rekeyed:
    """Rekey the store of `settings`, or only find out what that would change. Raises `StoreError`."""
    require_recovered(settings.store)
    keys = keys_for(settings)
    with Progress(console=talk.console(), transient=True) as bar:
        task = bar.add_task("rekeying", total=None)
        return rekey(
            settings.store,
            lambda keyed: keys.identify(keyed, read_request(keyed.request)),
            keyed_by(keys.options),
            dry_run=dry_run,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def summary(report: Rekeyed, *, dry_run: bool) -> list[str]:
    """What became of the keys, in lines."""
    (merged, merged_into), (split, split_into) = report.merged, report.split
    did = "would have" if dry_run else "have"
    lines = [
        f"{report.recordings:,} recordings, {report.changed:,} {did} another key",
        f"merged: {merged:,} keys into {merged_into:,}",
        f"split: {split:,} keys into {split_into:,}",
    ]
    if report.kept:
        lines.append(f"without a key by today's rules, left as they were: {len(report.kept):,}")
        lines += [f"  recording {number}: {reason}" for number, reason in report.kept[:MOST_NAMED]]
    return lines
