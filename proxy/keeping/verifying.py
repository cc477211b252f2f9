"""`chatreel verify`: everything that a store says, derived anew from its bytes. Changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chatreel import talk
from chatreel.checking import check
from chatreel.errors import StoreError
from chatreel.keeping import units
from chatreel.model import Recording
from chatreel.request import Keys
from chatreel.selection import Selection
from chatreel.store.archive import Archive

_RECOVER = "bring back a copy of the file, or save what can be read: sqlite3 STORE .recover"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be, and what to do about it."""

    text: str
    remedy: str
    recording: int | None = None
    call: str | None = None

    @property
    def subject(self) -> str:
        """What it is about."""
        if self.recording is not None:
            return f"recording {self.recording}"
        return f"call {self.call}" if self.call is not None else "the database"


@dataclass(slots=True)
class Verified:
    """What became of the check."""

    recordings: int = 0
    faults: list[Fault] = field(default_factory=list)
    keyed_otherwise: int = 0
    """Recordings that today's rules do not find: `chatreel rekey`."""
    orphans: int = 0
    """Payloads that belong to nothing: waste, but nothing wrong."""


def verify(archive: Archive, keys: Keys) -> Verified:
    """Check a store whole. Never raises `StoreError`: a database that cannot be read is a fault, too."""
    report = Verified()
    try:
        _check_recordings(archive, keys, report)
        for call, reason in archive.damaged_requests():
            report.faults.append(Fault(f"its request: {reason}", "chatreel prune --log --older-than 0s", call=call))
        report.orphans = len(archive.orphans())
        _check_database(archive, report)
    except StoreError as error:
        report.faults.append(Fault(str(error), _RECOVER))
    return report


def _check_recordings(archive: Archive, keys: Keys, report: Verified) -> None:
    with talk.progress("verifying", archive.count(Selection())) as advance:
        for batch in archive.recordings():
            for recording_id, found in batch:
                report.recordings += 1
                for text in _faults(found, keys, report):
                    report.faults.append(Fault(text, f"chatreel rm {recording_id}", recording=recording_id))
            advance(len(batch))


def _faults(found: Recording | str, keys: Keys, report: Verified) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    checked = check(found, keys)
    report.keyed_otherwise += checked.keyed_otherwise
    return checked.faults


def _check_database(archive: Archive, report: Verified) -> None:
    with talk.progress("checking the database", None):
        report.faults += [Fault(line, _RECOVER) for line in archive.integrity()]


def as_text(report: Verified, used: int) -> Iterator[str]:
    """Yield the lines that a person reads."""
    for fault in report.faults:
        yield f"{fault.subject}: {fault.text}"
        yield f"  {fault.remedy}"
    if report.keyed_otherwise:
        yield f"{report.keyed_otherwise:,} recordings have keys of other rules than today's: `chatreel rekey`"
    if report.orphans:
        yield f"{report.orphans:,} payloads belong to nothing: `chatreel prune` removes them"
    found = len(report.faults)
    faults = "no faults" if not found else "1 fault" if found == 1 else f"{found:,} faults"
    yield f"{report.recordings:,} recordings, {units.size(used)}: {faults}"


def as_json(report: Verified) -> dict[str, Any]:
    """The same for programs."""
    return {
        "recordings": report.recordings,
        "faults": [
            {"recording": fault.recording, "call": fault.call, "fault": fault.text, "remedy": fault.remedy}
            for fault in report.faults
        ],
        "keyed_otherwise": report.keyed_otherwise,
        "orphans": report.orphans,
    }
