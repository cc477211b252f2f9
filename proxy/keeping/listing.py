"""`chatreel ls`: recordings, the newest first, one line each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from rich.cells import cell_len, set_cell_size

from chatreel import talk
from chatreel.keeping import units
from chatreel.plaintext import printable
from chatreel.portrait import last_user_text
from chatreel.selection import Selection
from chatreel.spans import utc
from chatreel.store.archive import Archive
from chatreel.store.listing import Listed, Use
from chatreel.wire.codec import loads

_LONGEST = 24
"""Characters of a name in the list."""
_RIGHT = frozenset({"ID", "TAKES", "SIZE", "HITS", "USED"})
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording of the list."""

    listed: Listed
    use: Use
    text: str
    """What the user said last, on one line."""


@dataclass(slots=True)
class Searched:
    """What a search has cost so far."""

    recordings: int = 0
    bytes: int = 0


def entries(archive: Archive, chosen: Selection, limit: int | None) -> Iterator[list[Entry]]:
    """Yield the chosen recordings in pages; `limit` of them at most."""
    left = limit
    for page in archive.pages(chosen):
        shown = page if left is None else page[:left]
        contents = archive.contents({listed.request for listed, _ in shown})
        yield [Entry(listed, use, _text(contents.get(listed.request, b""))) for listed, use in shown]
        left = left - len(shown) if left is not None else None
        if left == 0:
            return


def search(archive: Archive, chosen: Selection, text: str, limit: int | None, cost: Searched) -> Iterator[list[Entry]]:
    """Yield the chosen recordings that have the text in their request or their answer, one by one, case set aside.

    Everything that is chosen is read and decompressed until enough is found; `cost` counts it.
    """
    return ([entry] for entry in islice(_found(archive, chosen, text, cost), limit))


def matches(archive: Archive, chosen: Selection, text: str, cost: Searched) -> Iterator[list[Entry]]:
    """Yield the same in pages, also those without a match, so that whoever has waited long enough can stop."""
    needle = _needle(text)
    for page in archive.pages(chosen):
        contents = archive.contents({side for listed, _ in page for side in (listed.request, listed.answer)})
        found = []
        for listed, use in page:
            sides = [contents.get(side, b"") for side in (listed.request, listed.answer)]
            cost.recordings += 1
            cost.bytes += sum(map(len, sides))
            if any(needle in _searchable(side) for side in sides):
                found.append(Entry(listed, use, _text(sides[0])))
        yield found


def _found(archive: Archive, chosen: Selection, text: str, cost: Searched) -> Iterator[Entry]:
    with talk.progress("searching", archive.count(chosen)) as advance:
        before = 0
        for page in matches(archive, chosen, text, cost):
            yield from page
            advance(cost.recordings - before)
            before = cost.recordings


def as_text(pages: Iterable[list[Entry]], now: float, width: int | None) -> Iterator[str]:
    """Yield a line for each recording under a header. `width`: cells of a line, `None` for as long as it takes.

    The first page decides how wide the columns are, so that a list of any length needs no memory.
    """
    widths: dict[str, int] = {}
    for page in pages:
        rows = [_row(entry, now) for entry in page]
        if not widths and rows:
            with_cassette = any(entry.listed.cassette for entry in page)
            titles = [title for title in rows[0] if title != "CASSETTE" or with_cassette]
            widths = {title: max(cell_len(text) for text in (title, *(row[title] for row in rows))) for title in titles}
            yield _line({title: title for title in widths}, widths, width)
        for row in rows:
            yield _line(row, widths, width)


def as_json(pages: Iterable[list[Entry]]) -> Iterator[str]:
    """Yield an object for each recording."""
    for page in pages:
        for entry in page:
            yield json.dumps(_members(entry))


def _row(entry: Entry, now: float) -> dict[str, str]:
    listed, use = entry.listed, entry.use
    return {
        "ID": str(listed.id),
        "WHEN": utc(listed.recorded_at)[:16],
        "MODEL": _name(listed.model),
        "UPSTREAM": _name(listed.upstream.partition("://")[2]),
        "CASSETTE": _name(listed.cassette),
        "FORM": listed.form,
        "STATUS": str(listed.status),
        "TAKES": str(use.takes),
        "SIZE": units.size(use.size),
        "HITS": f"{use.hits:,}",
        "USED": units.age(now - use.last_used),
        "TEXT": printable(entry.text),
    }


def _line(row: dict[str, str], widths: dict[str, int], width: int | None) -> str:
    cells = [
        _fit(row[title], room, right=title in _RIGHT) if title != "TEXT" else row[title]
        for title, room in widths.items()
    ]
    line = _GAP.join(cells).rstrip()
    if width is None or cell_len(line) <= width:
        return line
    return f"{set_cell_size(line, width - 1).rstrip()}…"


def _fit(text: str, room: int, *, right: bool) -> str:
    if cell_len(text) > room:
        return f"{set_cell_size(text, room - 1)}…"
    padding = " " * (room - cell_len(text))
    return padding + text if right else text + padding


def _name(text: str) -> str:
    name = printable(text)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _members(entry: Entry) -> dict[str, Any]:
    listed, use = entry.listed, entry.use
    return {
        "id": listed.id,
        "cassette": listed.cassette,
        "key": listed.key,
        "recorded_at": listed.recorded_at,
        "model": listed.model,
        "upstream": listed.upstream,
        "path": listed.path,
        "form": listed.form,
        "status": listed.status,
        "takes": use.takes,
        "size": use.size,
        "hits": use.hits,
        "last_used": use.last_used,
        "text": entry.text,
    }


def _text(request: bytes) -> str:
    try:
        body = loads(request)
    except ValueError:
        return ""
    return last_user_text(body) if isinstance(body, dict) else ""


def _needle(text: str) -> str:
    """As JSON spells it, so that a text with quotes or line ends is found."""
    return json.dumps(text, ensure_ascii=False)[1:-1].casefold()


def _searchable(content: bytes) -> str:
    """JSON in one spelling: whoever wrote it may have escaped what needs no escape."""
    try:
        return orjson.dumps(orjson.loads(content)).decode().casefold()
    except (ValueError, TypeError):
        return content.decode(errors="replace").casefold()
