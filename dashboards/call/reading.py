"""A call as the store knows it: its request and its answer, and the recording that it only just missed."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatreel.config import Settings
from chatreel.errors import ChatreelError, Malformed, NotFound, NotKeyable, StoreError
from chatreel.explain import CANDIDATES, Difference, differences, rank
from chatreel.keeping.showing import Shown, show
from chatreel.model import SERVED, Outcome
from chatreel.request import read_request
from chatreel.server import keys_for
from chatreel.store import Call, Neighbour
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

    shown: Shown | None = None
    """The recording that it was answered by, or has made."""
    request: bytes | None = None
    missing: str = ""
    """Why there is no recording; empty if there is one."""
    nearest: Nearest | None = None


def open_call(settings: Settings | None, call_id: str) -> Opened:
    """Read a call from the store of `settings`. Raises nothing: what cannot be read is said in `missing`."""
    if settings is None:
        return Opened(missing="Requests and answers are in the store, which was not named: chatreel dashboard --store")
    try:
        with Archive(settings.store) as archive:
            return _read(archive, settings, call_id)
    except ChatreelError as error:
        return Opened(missing=str(error))


def _read(archive: Archive, settings: Settings, call_id: str) -> Opened:
    call = archive.call(call_id)
    if call is None:
        return Opened(
            missing="The store no longer has this call in its log: it was pruned, or is that of another file."
        )
    if call.cassette:
        return Opened(
            request=call.request, missing=f"It belongs to the cassette {call.cassette}: what was said is there."
        )
    shown, missing = _shown(archive, call)
    request = shown.recording.request if shown else call.request
    return Opened(shown, request, missing, _nearest(archive, settings, call, shown))


def _shown(archive: Archive, call: Call) -> tuple[Shown | None, str]:
    if call.recording_id is None:
        return None, call.reason or f"It was {call.outcome}: nothing was recorded."
    try:
        return show(archive, call.call_id), ""
    except (NotFound, StoreError) as error:
        return None, str(error)


def _nearest(archive: Archive, settings: Settings, call: Call, shown: Shown | None) -> Nearest | None:
    if call.outcome in SERVED or call.outcome is Outcome.PASSED:
        return None
    document = shown.recording.identity.document if shown else _document(settings, call)
    if document is None:
        return None
    found = archive.near(call.cassette, document, CANDIDATES)
    earlier = [one for one in found if one.recorded_at < call.started_at and one.id != call.recording_id]
    return _first(document, earlier)


def _first(document: bytes, earlier: Sequence[Neighbour]) -> Nearest | None:
    ranking = rank(document, [one.document for one in earlier])
    if not ranking:
        return None
    nearest = earlier[ranking[0]]
    return Nearest(nearest, differences(document, nearest.document))


def _document(settings: Settings, call: Call) -> bytes | None:
    """Of a refused call: its request alone was kept."""
    if call.request is None:
        return None
    try:
        return keys_for(settings).identify(call, read_request(call.request)).document
    except (Malformed, NotKeyable, StoreError):
        return None
