"""What a run came to: the records of its tests, counted; the findings among them; the table and the report. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypedDict

from chatreel.money import dollars
from chatreel.testing.options import Finding

SHOWN = 10
"""Findings of a kind that the summary lists; the report has them all."""


class Bypassed(TypedDict):
    """A call around the proxy."""

    host: str
    provider: str
    blocked: bool
    caller: str


class Record(TypedDict):
    """What one test came to; travels as JSON from the process that ran it."""

    test: str
    """Node id."""
    cassette: str
    """Path as shown to people; empty if the test has no session."""
    shared: bool
    """Whether the cassette was named in the marker, so that other tests may use it as well."""
    passed: bool
    verdict: dict[str, Any]
    """As the control API gives it; empty if the test has no session."""
    bypassed: list[Bypassed]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong with a run although its tests pass."""

    kind: Finding
    where: str
    """A cassette, or the node id of a test."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.what else self.where


@dataclass(frozen=True, slots=True)
class Totals:
    """All tests of a run together."""

    tests: int
    outcomes: Counter[str]
    bypassed: int
    seconds_saved: float
    spent: float | None
    """US dollars; `None` where no price is known."""
    saved: float | None
    unpriced: int
    """Calls whose price is not known, and which are in neither figure."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to say at the end."""

    totals: Totals
    found: tuple[Found, ...] = field(default=())
    orphans_looked_for: bool = True
    """Whether the whole of a folder was collected; else nothing can be said about cassettes without a test."""

    def count(self, kind: Finding) -> int:
        return sum(found.kind is kind for found in self.found)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.totals.tests or self.found)


def summarise(records: Sequence[Record], orphans: Sequence[str] | None) -> Summary:
    """Count the records. `orphans`: cassettes without a test; `None` if nobody could look for them."""
    lost = [Found(Finding.ORPHANS, path, "") for path in orphans or ()]
    found = (*_unused(records), *lost, *_hand_made(records), *_bypassed(records))
    return Summary(_totals(records), found, orphans is not None)


def problems(verdict: dict[str, Any]) -> list[str]:
    """Why a test fails whatever its own code says: each call that was refused, explained."""
    return [_refusal(refusal) for refusal in verdict.get("refusals", ())]


def own_findings(record: Record) -> list[Found]:
    """What the test alone is to blame for: all that is found in a cassette which no other test uses."""
    return [] if record["shared"] else [*_unused([record]), *_hand_made([record])]


def _refusal(refusal: dict[str, Any]) -> str:
    model = refusal.get("model")
    return f"{model}: {refusal['reason']}" if model else str(refusal["reason"])


def _totals(records: Sequence[Record]) -> Totals:
    verdicts = [record["verdict"] for record in records if record["verdict"]]
    outcomes: Counter[str] = Counter()
    for verdict in verdicts:
        outcomes.update(verdict["outcomes"])
    return Totals(
        tests=len({record["test"] for record in records if record["verdict"]}),
        outcomes=outcomes,
        bypassed=sum(len(record["bypassed"]) for record in records),
        seconds_saved=sum(verdict["seconds_saved"] for verdict in verdicts),
        spent=_sum_known(verdict.get("spent_usd") for verdict in verdicts),
        saved=_sum_known(verdict.get("saved_usd") for verdict in verdicts),
        unpriced=sum(verdict.get("unpriced", 0) for verdict in verdicts),
    )


def _sum_known(amounts: Iterable[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _unused(records: Sequence[Record]) -> list[Found]:
    """Recordings that no test of their cassette asked for, unless one did not come to its end and might have."""
    by_cassette: dict[str, list[Record]] = {}
    for record in records:
        if record["verdict"]:
            by_cassette.setdefault(record["cassette"], []).append(record)
    found: list[Found] = []
    for cassette, users in by_cassette.items():
        if not all(user["passed"] for user in users):
            continue
        left = [{entry["recording"]: entry for entry in user["verdict"].get("unused", ())} for user in users]
        by_none = [entry for recording, entry in left[0].items() if all(recording in others for others in left)]
        found += [Found(Finding.UNUSED, cassette, _described(entry)) for entry in by_none]
    return found


def _described(entry: dict[str, Any]) -> str:
    text = entry.get("text")
    return f"{entry.get('model')}, {text}" if text else str(entry.get("model"))


def _hand_made(records: Sequence[Record]) -> list[Found]:
    """What the proxy itself found in the cassettes: each once, however many tests have met it."""
    found = dict.fromkeys(
        Found(kind, record["cassette"], f"recording {what}")
        for record in records
        for kind, name in ((Finding.EDITED, "edited"), (Finding.OLD, "old"))
        for what in record["verdict"].get(name, ())
    )
    return list(found)


def _bypassed(records: Sequence[Record]) -> list[Found]:
    return [Found(Finding.BYPASSED, record["test"], _went(one)) for record in records for one in record["bypassed"]]


def _went(bypassed: Bypassed) -> str:
    return f"{bypassed['host']}, {'blocked' if bypassed['blocked'] else 'not recorded'}"


def table(summary: Summary) -> list[str]:
    """The one table: a line of names, a line of figures."""
    totals, outcomes = summary.totals, summary.totals.outcomes
    orphans = str(summary.count(Finding.ORPHANS)) if summary.orphans_looked_for else "-"
    cells = {
        "tests": str(totals.tests),
        "hits": str(outcomes["hit"]),
        "recorded": str(outcomes["recorded"]),
        **{name: str(outcomes[name]) for name in ("coalesced", "passed", "failed") if outcomes[name]},
        "refused": str(outcomes["refused"]),
        "bypassed": str(totals.bypassed),
        "unused": str(summary.count(Finding.UNUSED)),
        "orphans": orphans,
        "edited": str(summary.count(Finding.EDITED)),
        "too old": str(summary.count(Finding.OLD)),
    }
    if totals.spent is not None:
        cells["spent"] = dollars(Decimal(str(totals.spent)))
    if totals.saved is not None:
        cells["avoided"] = dollars(Decimal(str(totals.saved)))
    widths = {name: max(len(name), len(figure)) for name, figure in cells.items()}
    rows = [list(cells), list(cells.values())]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths.values(), strict=True)) for row in rows]


TITLES = {
    Finding.UNUSED: "Recordings that no test asked for",
    Finding.ORPHANS: "Cassettes that belong to no test",
    Finding.EDITED: "Recordings changed by hand",
    Finding.OLD: "Recordings older than they may be",
    Finding.BYPASSED: "Calls around the proxy",
}


def details(summary: Summary, fatal: frozenset[Finding]) -> list[str]:
    """What was found, kind by kind; `fatal` kinds say that they fail the run."""
    lines = []
    for kind, title in TITLES.items():
        found = [str(one) for one in summary.found if one.kind is kind]
        if found:
            lines += [f"{title}{' (this fails the run)' if kind in fatal else ''}:"]
            lines += [f"  {text}" for text in found[:SHOWN]]
            lines += [f"  and {len(found) - SHOWN} more: see --chatreel-report"] if len(found) > SHOWN else []
    return lines


def as_json(summary: Summary, records: Sequence[Record], *, failed_by: Sequence[Finding]) -> dict[str, Any]:
    """Everything, for programs."""
    totals = summary.totals
    found = {kind.value: [_found_json(one) for one in summary.found if one.kind is kind] for kind in Finding}
    return {
        "version": 1,
        "totals": {
            "tests": totals.tests,
            "calls": totals.outcomes.total(),
            "outcomes": dict(totals.outcomes),
            "bypassed": totals.bypassed,
            "seconds_saved": round(totals.seconds_saved, 3),
            "spent_usd": totals.spent,
            "saved_usd": totals.saved,
            "unpriced": totals.unpriced,
        },
        "findings": found if summary.orphans_looked_for else {**found, Finding.ORPHANS.value: None},
        "failed_by": list(failed_by),
        "tests": list(records),
    }


def _found_json(found: Found) -> dict[str, str]:
    return {"where": found.where, "what": found.what}
