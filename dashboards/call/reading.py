"""A call as the store knows it: its request and its answer, and the recording that it only just missed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatreel.cassette_file import CassetteFile
from chatreel.config import Settings
from chatreel.errors import ChatreelError, Malformed, NotFound, NotKeyable, StoreError
from chatreel.explain import CANDIDATES, Difference, differences, rank
from chatreel.keeping.showing import show
from chatreel.model import SERVED, Neighbour, Outcome, Recording
from chatreel.request import read_request
from chatreel.server import keys_for
from chatreel.store import Call
from chatreel.store.archive import Archive


@dataclass(frozen=True, slots=True)
class Nearest:
    """The recording that is most like a call that missed, of those that were there before it."""

    recording: Neighbour
    differences: tuple[Difference, ...]
    """`asked` is the call's side; empty if it is the very same request."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What there is of a call besides its row in the log."""

    recording: Recording | None = None
    """The one that it was answered by, or has made."""
    request: bytes | None = None
    missing: str = ""
    """Why there is no recording; empty if there is one."""
    nearest: Nearest | None = None


_MICROSECOND: Final = 1e-6


def open_call(settings: Settings | None, call_id: str) -> Opened:
    """Read a call from the store of `settings`, or from its cassette. Neither is changed.

    Raises nothing: what cannot be read is said in `missing`.
    """
    if settings is None:
        return Opened(missing="Requests and answers are in the store, which was not named: chatreel dashboard --store")
    try:
        with Archive(settings.store) as archive:
            call = archive.call(call_id)
            if call is None:
                return Opened(
                    missing="The store no longer has this call in its log: it was pruned, or is that of another file."
                )
            return _of_cassette(settings, call) if call.cassette else _of_store(archive, settings, call)
    except ChatreelError as error:
        return Opened(missing=str(error))


def _of_store(archive: Archive, settings: Settings, call: Call) -> Opened:
    recording, missing = _recording(archive, call)
    document = _document(settings, call, recording)
    found = archive.near(call.cassette, document, CANDIDATES) if document else []
    own = recording.id if recording else None
    return Opened(
        recording, recording.request if recording else call.request, missing, _nearest(call, document, found, own)
    )


def _recording(archive: Archive, call: Call) -> tuple[Recording | None, str]:
    if call.recording_id is None:
        return None, _nothing_recorded(call)
    try:
        return show(archive, call.call_id).recording, ""
    except (NotFound, StoreError) as error:
        return None, str(error)


def _of_cassette(settings: Settings, call: Call) -> Opened:
    """Read the file, as it is now: it may have been edited, or recorded anew."""
    try:
        file = CassetteFile(Path(call.cassette), keys_for(settings), writes=False)
        recording, missing = _of_file(file, call)
        document = _document(settings, call, recording)
        found = asyncio.run(file.near(document, CANDIDATES)) if document else []
    except ChatreelError as error:
        return Opened(request=call.request, missing=str(error))
    own = recording.id if recording else None
    return Opened(
        recording, recording.request if recording else call.request, missing, _nearest(call, document, found, own)
    )


def _of_file(file: CassetteFile, call: Call) -> tuple[Recording | None, str]:
    if not file.existed:
        return None, f"What was said is in the cassette {file.path}, which is not there any more."
    if call.key is None or call.outcome not in (*SERVED, Outcome.RECORDED):
        return None, _nothing_recorded(call)
    takes = [asyncio.run(file.load(take.id)) for take in file.takes_at_once(call.key)]
    if found := _meant(call, takes):
        return found, ""
    return None, f"The cassette {file.path} no longer has what was said: it was recorded anew, or edited, since then."


def _meant(call: Call, takes: Sequence[Recording]) -> Recording | None:
    """Of the takes of a call's key, the one that it has made or that answered it. Numbers of a file may change."""
    if call.outcome is Outcome.HIT:
        number = (call.take or 1) - 1
        return takes[number] if number < len(takes) else None
    made = [one for one in takes if one.recorded_at < call.started_at + _MICROSECOND]
    if call.outcome is Outcome.RECORDED:
        made = [one for one in made if one.recorded_at > call.started_at - _MICROSECOND]
    return made[-1] if made else None  # a coalesced call waited for one that had begun before it


def _nothing_recorded(call: Call) -> str:
    return call.reason or f"It was {call.outcome}: nothing was recorded."


def _document(settings: Settings, call: Call, recording: Recording | None) -> bytes | None:
    """What is compared with what had been recorded; `None` if a call is not to be compared, or nobody knows."""
    if call.outcome in SERVED or call.outcome is Outcome.PASSED:
        return None
    if recording:
        return recording.identity.document
    if call.request is None:  # that of a refused call was kept
        return None
    try:
        return keys_for(settings).identify(call, read_request(call.request)).document
    except (Malformed, NotKeyable, StoreError):
        return None


def _nearest(call: Call, document: bytes | None, found: Sequence[Neighbour], own: int | None) -> Nearest | None:
    """`own`: number of the recording that the call has made."""
    earlier = [one for one in found if one.recorded_at < call.started_at and one.id != own]
    ranking = rank(document, [one.document for one in earlier]) if document else []
    if not document or not ranking:
        return None
    nearest = earlier[ranking[0]]
    return Nearest(nearest, differences(document, nearest.document))
