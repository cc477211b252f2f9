"""The figures of every page are those of the store, counted again from its rows, and filters mean what they say."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from chatreel.dashboards import wording
from chatreel.dashboards.source import Source
from chatreel.model import Outcome
from chatreel.store.call import Charge
from support.dashboard import COUNT, END, PAGES, amounts, charts, figures, published, said, visit
from support.log import NOON, answered, logged

pytestmark = pytest.mark.long

SERVED = ("hit", "coalesced")
UPSTREAM = ("recorded", "passed")
LOOKED_UP = (*SERVED, "recorded", "refused")
FIRST_DAY = datetime(END.year, END.month, END.day, tzinfo=UTC) - timedelta(days=29)


@pytest.fixture(scope="module")
def rows(many_store: Path) -> list[dict[str, Any]]:
    """The calls of the last 30 days, as the store itself has them."""
    with closing(sqlite3.connect(many_store)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM calls WHERE started_at >= ?", [FIRST_DAY.timestamp()])
        return [dict(row) for row in found]


def usd(rows: list[dict[str, Any]], column: str) -> float:
    return float(sum(row[column] or 0 for row in rows) / 1e9)


def of(rows: list[dict[str, Any]], *outcomes: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["outcome"] in outcomes]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_draws_one_call(tmp_path: Path, page: str) -> None:
    logged(str(tmp_path / "store.db"), [answered("a")])
    found = visit(_at_noon(published(tmp_path / "store.db")), page)
    assert not found.exception
    assert not found.error


def test_the_headline_is_what_the_store_has(many: Source, rows: list[dict[str, Any]]) -> None:
    found = figures(visit(many, "overview"))
    unpriced = [row for row in rows if row["unpriced"]]
    assert unpriced, "else the figures need no sign that they are lower bounds"
    assert found["Spent"] == f"≥ {wording.usd(usd(rows, 'cost'))}"
    assert found["Saved"] == f"≥ {wording.usd(usd(of(rows, *SERVED), 'saved'))}"
    assert found["Hit rate"] == f"{len(of(rows, *SERVED)) / len(of(rows, *LOOKED_UP)):.1%}"
    assert found["Upstream, median"] == wording.ms(median(row["latency"] for row in of(rows, *UPSTREAM)) * 1000)
    assert found["Errors"] == f"{sum(1 for row in rows if row['error_type']) / len(rows):.2%}"


def test_the_sentence_says_what_it_would_have_cost_and_what_is_not_known(
    many: Source, rows: list[dict[str, Any]]
) -> None:
    [sentence] = [
        element.value for element in visit(many, "overview").markdown if "Without recordings" in element.value
    ]
    paid, spared = usd(rows, "cost"), usd(of(rows, *SERVED), "saved")
    assert wording.plain(wording.usd(paid + spared)) in sentence
    assert f"{len(rows):,} calls" in sentence
    assert f"{spared / (paid + spared):.0%} less" in sentence
    assert f"{sum(1 for row in rows if row['unpriced']):,} calls of unknown price" in sentence


def test_charts_of_the_overview_add_up_to_the_store(many: Source, rows: list[dict[str, Any]]) -> None:
    drawn = charts(visit(many, "overview"))
    sums: dict[str, float] = defaultdict(float)
    for row in drawn["USD spent and saved over time"]:
        sums[row["name"]] += row["value"]
    assert sums == {
        "Spent": pytest.approx(usd(rows, "cost")),
        "Saved": pytest.approx(usd(of(rows, *SERVED), "saved")),
    }
    counted: dict[str, int] = defaultdict(int)
    for row in drawn["Calls over time by outcome"]:
        counted[row["name"]] += row["value"]
    assert counted == {outcome.value: len(of(rows, outcome.value)) for outcome in Outcome}


def test_models_are_told_with_their_money_and_times(many: Source, rows: list[dict[str, Any]]) -> None:
    [table] = visit(many, "overview").dataframe
    for line in table.value.to_dict("records"):
        mine = [row for row in rows if row["model"] == line["model"]]
        assert line["calls"] == len(mine)
        assert line["unpriced"] == sum(1 for row in mine if row["unpriced"])
        assert line["p50"] == pytest.approx(median(row["latency"] for row in of(mine, *UPSTREAM)) * 1000)
        priced = [row for row in mine if row["price_source"]]
        assert (line["spent"] == line["spent"]) is bool(priced), "a model without prices has no amount, not 0"
        if priced:
            assert line["spent"] == pytest.approx(usd(mine, "cost"))


def test_costs_are_shared_out_as_in_the_store(many: Source, rows: list[dict[str, Any]]) -> None:
    drawn = charts(visit(many, "cost"))
    by_model: dict[str, float] = defaultdict(float)
    for row in drawn["USD spent over time by model"]:
        by_model[row["name"]] += row["value"]
    expected: dict[str, float] = defaultdict(float)
    for row in rows:
        expected[row["model"]] += (row["cost"] or 0) / 1e9
    assert by_model == {model: pytest.approx(amount) for model, amount in expected.items() if amount}


def test_an_unknown_price_is_listed_with_its_reason_and_never_drawn_as_0(
    many: Source, rows: list[dict[str, Any]]
) -> None:
    found = visit(many, "cost")
    [gaps] = [table.value for table in found.dataframe if "reason" in table.value]
    unpriced = [row for row in rows if row["unpriced"]]
    assert gaps["calls"].sum() == len(unpriced)
    assert {*gaps["reason"]} == {row["unpriced"] for row in unpriced}
    shares = charts(found)["USD spent and saved by what it was spent on"]
    assert not [row for row in shares if row["label"] == "llama-4-70b" and row["name"] == "Spent"]
    priced = sum(1 for row in rows if row["price_source"])
    assert figures(found)["Prices known"] == f"{priced / (priced + len(unpriced)):.1%}"


def test_the_dearest_calls_are_those_of_the_store(many: Source, rows: list[dict[str, Any]]) -> None:
    [table] = [table.value for table in visit(many, "cost").dataframe if "started_at" in table.value]
    costs = sorted((row["cost"] for row in rows if row["cost"]), reverse=True)
    assert [*table["spent"]] == [cost / 1e9 for cost in costs[: len(table)]]


def test_recordings_and_upstreams_are_never_in_one_percentile(many: Source, rows: list[dict[str, Any]]) -> None:
    found = figures(visit(many, "latency"))
    upstream = sorted(row["latency"] for row in of(rows, *UPSTREAM))
    assert found["Upstream, median"] == wording.ms(median(upstream) * 1000)
    assert found["First token, median"] == wording.ms(
        median(row["first_content"] for row in of(rows, *UPSTREAM) if row["first_content"]) * 1000
    )
    hits = sorted(row["latency"] for row in of(rows, "hit"))
    place = 0.99 * (len(hits) - 1)
    low = int(place)
    assert found["Recordings, p99"] == wording.ms((hits[low] + (hits[low + 1] - hits[low]) * (place - low)) * 1000)


def test_a_histogram_has_each_answered_call_once(many: Source, rows: list[dict[str, Any]]) -> None:
    bars = charts(visit(many, "latency"))["Calls by latency, recordings and upstreams apart"]
    counted: dict[str, int] = defaultdict(int)
    for bar in bars:
        counted[bar["name"]] += bar["value"]
    assert counted == {"recording": len(of(rows, "hit")), "upstream": len(of(rows, *UPSTREAM))}


def test_why_calls_missed_is_counted_whole(many: Source, rows: list[dict[str, Any]]) -> None:
    bars = charts(visit(many, "cache"))["Calls that no recording answered, by reason"]
    assert sum(bar["value"] for bar in bars) == sum(1 for row in rows if row["miss_reason"])
    assert {bar["label"] for bar in bars} <= set(wording.WHY.values())


def test_sessions_have_the_verdict_of_their_calls(many: Source, rows: list[dict[str, Any]]) -> None:
    [table] = [table.value for table in visit(many, "sessions").dataframe]
    failed = {row["session"] for row in of(rows, "refused", "failed")}
    assert len(table) == len({row["session"] for row in rows})
    assert sum(1 for verdict in table["verdict"] if [*verdict] == ["failed"]) == len(failed)
    assert table["calls"].sum() == len(rows)


def test_amounts_in_tables_have_the_words_of_those_on_cards(many: Source, rows: list[dict[str, Any]]) -> None:
    [table] = visit(many, "sessions", model="llama-4-70b").dataframe
    assert {*amounts(table, "spent")} == {wording.NOTHING}, "nobody knows its prices"
    [table] = visit(many, "sessions").dataframe
    sessions = sorted({row["session"] for row in rows}, reverse=True)
    for session, shown in zip(sessions, amounts(table, "spent"), strict=True):
        mine = [row for row in rows if row["session"] == session]
        assert shown == f"≥ {wording.usd(usd(mine, 'cost'))}"
    [table] = visit(many, "explorer", outcome="hit").dataframe
    assert {*amounts(table, "spent")} == {"$0"}
    saved = [one for one in amounts(table, "saved") if one != wording.NOTHING]
    assert saved == [wording.usd(known) for known in table.value["saved"].dropna()]


FILTERS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = {
    "a model": ({"model": ["gpt-5.2"]}, lambda row: row["model"] == "gpt-5.2"),
    "two models": (
        {"model": ["gpt-5.2", "llama-4-70b"]},
        lambda row: row["model"] in ("gpt-5.2", "llama-4-70b"),
    ),
    "an upstream": ({"upstream": ["https://openrouter.ai"]}, lambda row: row["upstream"] == "https://openrouter.ai"),
    "a tag": ({"tag": ["team: agents"]}, lambda row: '"team":"agents"' in (row["tags"] or "")),
    "an outcome": ({"outcome": ["refused"]}, lambda row: row["outcome"] == "refused"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_come_with_the_address(many: Source, rows: list[dict[str, Any]], name: str) -> None:
    address, means = FILTERS[name]
    meant = [row for row in rows if means(row)]
    found = visit(many, "explorer", **address)
    assert not found.exception
    assert f"{len(meant):,} calls" in said(found)


@pytest.mark.parametrize(("chosen", "days"), [("24h", 1), ("7d", 7), ("90d", 90), ("all", 10_000)])
def test_a_period_comes_with_the_address(many: Source, many_store: Path, chosen: str, days: int) -> None:
    end = END.replace(minute=0) if chosen == "24h" else END.replace(hour=0, minute=0)
    since = end.replace(second=0, microsecond=0) - (timedelta(hours=23) if days == 1 else timedelta(days=days - 1))
    with closing(sqlite3.connect(many_store)) as database:
        [(expected,)] = database.execute("SELECT count(*) FROM calls WHERE started_at >= ?", [since.timestamp()])
    found = visit(many, "explorer", range=chosen)
    assert f"{expected:,} calls" in said(found)
    assert (expected == COUNT) is (chosen in ("90d", "all")) or chosen == "90d"


def test_an_address_that_means_nothing_is_the_page_without_it(many: Source) -> None:
    found = visit(many, "overview", range="yesterday", model="nobody's", outcome="won", tag="'; DROP TABLE calls; --")
    assert not found.exception
    assert figures(found) == figures(visit(many, "overview"))


def test_a_filter_that_leaves_nothing_says_so_and_shows_a_way_out(tmp_path: Path) -> None:
    logged(str(tmp_path / "store.db"), [answered("a")])
    source = Source(
        published(tmp_path / "store.db"), clock=lambda: datetime.fromtimestamp(NOON, UTC) + timedelta(days=400)
    )
    for page in PAGES:
        assert not visit(source, page).exception
    found = visit(source, "overview")
    assert "No call in the last 30 days is like that" in said(found)
    assert "21 September 2026" in said(found)
    [button] = [button for button in found.button if button.label == "Show all calls"]
    button.click().run()
    assert figures(found)["Spent"] == "$0.0000030"


def test_what_nobody_knows_is_unknown_and_not_0(tmp_path: Path) -> None:
    unknown = Charge(unpriced="nobody knows")
    calls = [answered("a", charge=unknown), answered("b", Outcome.HIT, charge=unknown)]
    logged(str(tmp_path / "store.db"), calls)
    source = _at_noon(published(tmp_path / "store.db"))
    found = visit(source, "overview")
    assert (figures(found)["Spent"], figures(found)["Saved"]) == ("unknown", "unknown")
    assert "What **2 calls** cost is not known" in said(found)
    assert "No call of this period has a known price above 0." in said(found)
    assert figures(visit(source, "cost"))["Without recordings"] == "unknown"


def test_names_of_strangers_are_shown_as_they_are(tmp_path: Path) -> None:
    """Markdown would load the picture."""
    evil = "![x](https://h/p.png) :material/home: $x$ <b>"
    logged(str(tmp_path / "store.db"), [answered("a", model=evil, session="s", session_name=evil)])
    source = _at_noon(published(tmp_path / "store.db"))
    for page in PAGES:
        found = visit(source, page, range="all", call="a", session="s")
        assert not found.exception
        marked = [element.value for kind in (found.markdown, found.caption, found.subheader) for element in kind]
        assert not [text for text in marked if "![x](" in text or "<b>" in text.replace("\\<", "")], page


def test_an_answer_is_remembered_until_the_file_is_replaced(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    logged(str(store), [answered("a")])
    source = _at_noon(published(store))
    asked: list[object] = []

    def count(log: Any) -> int:
        asked.append(log)
        return int(log.rows("SELECT count(*) FROM calls")[0][0])

    assert [source.snapshot().ask(count) for _ in range(2)] == [1, 1]
    old = source.snapshot()
    logged(str(store), [answered("b")])
    published(store)
    assert source.snapshot().ask(count) == 2
    assert (old.ask(count), len(asked)) == (1, 2)


def _at_noon(file: Path) -> Source:
    return Source(file, clock=lambda: datetime.fromtimestamp(NOON + 60, UTC))
