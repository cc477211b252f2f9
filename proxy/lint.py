"""What is wrong with cassettes, or soon will be: secrets, answers that are no answers, age, and what nobody uses.

Pure: told what is in the files, what time it is, and what a run of the tests used. Each finding has a kind; whoever
reports them decides which kinds fail a build.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from chatreel import secret_patterns
from chatreel.errors import CassetteError
from chatreel.findings import Finding, Kind
from chatreel.formats import cassette
from chatreel.formats.strict import Places
from chatreel.model import Recording
from chatreel.request import Keys
from chatreel.wire.reading import Verdict, read

_DAY: Final = 86_400


def findings(
    files: Mapping[str, bytes],
    keys: Keys,
    *,
    now: float,
    max_age: float | None = None,
    live: Collection[str] | None = None,
    unused: Mapping[str, Collection[int]] | None = None,
) -> Iterator[Finding]:
    """Yield what is wrong with cassettes, file by file.

    `files`: names and contents. `now`: seconds since the epoch; `max_age`: seconds. `live`: names of the cassettes that
    tests have; `None` if that is not known. `unused`: for names of cassettes, the places (from 1, in the order of the
    file) of the recordings that answered no call of a run.
    """
    for name, content in files.items():
        yield from _of_file(name, content, keys, now, max_age, (unused or {}).get(name, ()))
        if live is not None and name not in live:
            yield Finding(name, 1, Kind.ORPHAN, "no test has this cassette")


def _of_file(
    name: str, content: bytes, keys: Keys, now: float, max_age: float | None, unused: Collection[int]
) -> Iterator[Finding]:
    places = Places(content)
    for found in secret_patterns.find(places.text, keys.redactor.shapes):
        yield Finding(name, places.line(found.start), Kind.SECRET, f"this looks like a secret: {found.name}")
    try:
        recordings = cassette.load(content, keys).recordings
    except CassetteError as error:
        yield Finding(name, max(error.line, 1), Kind.UNREADABLE, error.reason)
        return
    said = [_said(one, now, max_age) | _use(number, unused) for number, one in enumerate(recordings, start=1)]
    starts = places.items("interactions") if any(said) else []
    for number, about in enumerate(said):
        yield from (Finding(name, starts[number], kind, message) for kind, message in about.items())


def _said(one: Recording, now: float, max_age: float | None) -> dict[Kind, str]:
    about: dict[Kind, str] = {}
    if not one.completion:
        reading = read(one.body, status=one.status)
        kind = Kind.ERROR if reading.verdict is Verdict.ERROR else Kind.TRUNCATED
        about[kind] = reading.reason or "its completion is missing"
    age = now - one.recorded_at
    if max_age is not None and age > max_age:
        about[Kind.OLD] = f"recorded {age / _DAY:.0f} days ago, allowed are {max_age / _DAY:g}: record it anew"
    if one.edited:
        about[Kind.EDITED] = "the answer was changed by hand since it was recorded"
    return about


def _use(number: int, unused: Collection[int]) -> dict[Kind, str]:
    return {Kind.UNUSED: "no call of the run was answered from this recording"} if number in unused else {}
