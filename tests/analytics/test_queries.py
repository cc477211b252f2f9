"""Every figure is the one that the calls themselves give, counted again in another way."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from math import floor, log10
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from chatreel.analytics.export import export
from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries import caching, latency, money, overview
from chatreel.analytics.queries import calls as single
from chatreel.facts import Facts
from chatreel.model import Mode, Outcome
from chatreel.store import Call
from chatreel.store.call import Charge
from support.log import DAY, NOON, logged
from support.stores import call

COUNT = 700
SERVED = {Outcome.HIT, Outcome.COALESCED}
UPSTREAM = {Outcome.RECORDED, Outcome.PASSED}
LOOKED_UP = SERVED | {Outcome.RECORDED, Outcome.REFUSED}
NANO = 1e9


def made_up(number: int, chance: random.Random) -> Call:
    """One of all kinds of calls; the number is part of what makes it differ."""
    outcome = chance.choice([*Outcome, Outcome.HIT, Outcome.RECORDED])
    served, answered = outcome in SERVED, outcome in SERVED | UPSTREAM
    price = chance.choice([None, 1_234, 5_000_000_001, 7])
    model = chance.choice(["a", "b", "ü"])
    streams = chance.random() < 0.5
    took = chance.uniform(0.3, 9)
    first, last = took * chance.random() * 0.5, took
    tokens = chance.randrange(1, 5_000)
    reported = chance.random() < 0.9
    facts = Facts(
        model_served=f"{model}-1",
        finish_reason="stop",
        chunks=chance.choice([1, 2, 30]) if streams else None,
        first_content=first if streams and not served else None,
        last_content=last if streams and not served else None,
        prompt_tokens=tokens if reported else None,
        completion_tokens=tokens // 3 + 1 if reported else None,
        reasoning_tokens=chance.choice([None, 1]) if reported else None,
        usage="{}",
        reported_cost=chance.choice([None, None, 2_000_000_003]),
        answered=True,
    )
    unpriced = "nobody knows" if answered and price is None else None
    charge = Charge(
        cost=0 if served or outcome is Outcome.REFUSED else price if answered else None,
        saved=price if served else 0,
        price_source="override" if answered and price is not None else None,
        unpriced=unpriced,
    )
    key = f"v1:{chance.randrange(60):064}"
    session = chance.choice(["", "s1", "s2", "s3"])
    return call(
        f"c{number}",
        started_at=NOON + number * 20 * DAY / COUNT + chance.random(),
        outcome=outcome,
        mode=chance.choice([*Mode]),
        upstream=chance.choice(["https://one", "https://two"]),
        model=model,
        stream=streams,
        status=200 if answered else 404,
        key=key,
        latency=chance.uniform(0.001, 0.01) if served else took + 0.002,
        upstream_time=took if outcome in UPSTREAM else None,
        spared=chance.choice([0.0001, took]) if served else None,
        recording_id=chance.randrange(20),
        session=session,
        session_name=f"test_{session}" if session else None,
        tags=chance.choice([None, '{"team":"x"}', '{"env":"ci","team":"y"}', '{"env":"ci"}']),
        miss_reason=None if served else chance.choice(["new", "stale"]),
        prompt=f"{int(key[3:]) // 2:016x}",
        facts=facts if answered else Facts(error_type="broken"),
        charge=charge,
    )


CALLS = [made_up(number, random.Random(number)) for number in range(COUNT)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogFile]:
    folder = tmp_path_factory.mktemp("log")
    logged(str(folder / "store.db"), CALLS)
    export(str(folder / "store.db"), folder / "calls.duckdb")
    with LogFile(folder / "calls.duckdb") as opened:
        yield opened


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def has(one: Call, name: str, *values: str) -> bool:
    return any(f'"{name}":"{value}"' in (one.tags or "") for value in values)


SINCE, UNTIL = moment(NOON + 5 * DAY), moment(NOON + 12 * DAY)

FILTERS: dict[str, tuple[Filter, Callable[[Call], bool]]] = {
    "everything": (Filter(), lambda _one: True),
    "a week": (Filter(SINCE, UNTIL), lambda one: SINCE <= moment(one.started_at) < UNTIL),
    "models": (Filter(models=("a", "ü")), lambda one: one.model in ("a", "ü")),
    "an upstream": (Filter(upstreams=("https://two",)), lambda one: one.upstream == "https://two"),
    "outcomes": (Filter(outcomes=("hit", "recorded")), lambda one: one.outcome in ("hit", "recorded")),
    "either value": (Filter(tags=(("team", "x"), ("team", "y"))), lambda one: has(one, "team", "x", "y")),
    "both tags": (
        Filter(tags=(("team", "y"), ("env", "ci"))),
        lambda one: has(one, "team", "y") and has(one, "env", "ci"),
    ),
    "all at once": (
        Filter(SINCE, None, ("a",), ("https://one",), ("hit",), (("env", "ci"),)),
        lambda one: (
            (one.model, one.upstream, one.outcome) == ("a", "https://one", "hit")
            and has(one, "env", "ci")
            and moment(one.started_at) >= SINCE
        ),
    ),
    "sessions": (Filter(sessions=("s1", "s3")), lambda one: one.session in ("s1", "s3")),
    "a name": (Filter(text="T_S2"), lambda one: one.session == "s2"),
    "an id": (Filter(text="c12"), lambda one: one.call_id.startswith("c12")),
    "a key": (Filter(text=f"v1:{7:064}"), lambda one: one.key == f"v1:{7:064}"),
    "a text, or recordings": (
        Filter(text="t_s2", recordings=(3, 4)),
        lambda one: one.session == "s2" or one.recording_id in (3, 4),
    ),
    "a text in a week": (
        Filter(SINCE, UNTIL, text="t_s2", recordings=(3, 4)),
        lambda one: (one.session == "s2" or one.recording_id in (3, 4)) and SINCE <= moment(one.started_at) < UNTIL,
    ),
    "none": (Filter(models=("'; DROP TABLE calls; --",)), lambda _one: False),
}


@pytest.fixture(params=FILTERS)
def asked(request: pytest.FixtureRequest) -> tuple[Filter, list[Call]]:
    """A filter, and the calls that it means."""
    about, means = FILTERS[request.param]
    return about, [one for one in CALLS if means(one)]


def spent(calls: list[Call]) -> money.Money:
    return _money([one.charge.cost for one in calls if one.outcome not in SERVED], _unpriced(calls, served=False))


def saved(calls: list[Call]) -> money.Money:
    return _money([one.charge.saved for one in calls if one.outcome in SERVED], _unpriced(calls, served=True))


def _unpriced(calls: list[Call], *, served: bool) -> int:
    return sum(1 for one in calls if one.charge.unpriced and (one.outcome in SERVED) is served)


def _money(amounts: list[int | None], unpriced: int) -> money.Money:
    known = [amount for amount in amounts if amount is not None]
    return money.Money(sum(known) / NANO if known or not unpriced else None, unpriced)


def rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def totals(calls: list[Call]) -> Any:
    """As `overview` tells them, with some tolerance where floats were added in another order."""
    outcomes = Counter(one.outcome for one in calls)
    hits = [one.latency * 1000 for one in calls if one.outcome is Outcome.HIT]
    others = [one.latency * 1000 for one in calls if one.outcome in UPSTREAM]
    gains = [max((one.spared or 0) - one.latency, 0) for one in calls if one.outcome is Outcome.HIT]
    expected: list[Any] = [
        len(calls),
        money.Spending(spent(calls), saved(calls)),
        rate(sum(outcomes[outcome] for outcome in SERVED), sum(outcomes[outcome] for outcome in LOOKED_UP)),
        pytest.approx(median(hits)) if hits else None,
        pytest.approx(median(others)) if others else None,
        sum(1 for one in calls if one.facts.error_type),
        pytest.approx(sum(gains)),
    ]
    return overview.Totals(*expected)


type Asked = tuple[Filter, list[Call]]


def test_the_headline_is_what_the_calls_come_to(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    assert overview.overview(log, about).now == totals(calls)


def test_a_period_is_compared_with_the_one_before_it_of_the_same_length(log: LogFile) -> None:
    found = overview.overview(log, Filter(SINCE, UNTIL))
    start = SINCE - (UNTIL - SINCE)
    assert found.before == totals([one for one in CALLS if start <= moment(one.started_at) < SINCE])
    assert found.now == totals([one for one in CALLS if SINCE <= moment(one.started_at) < UNTIL])


def test_a_period_without_calls_is_no_error(log: LogFile) -> None:
    found = overview.overview(log, Filter(moment(0), moment(DAY)))
    assert found == overview.Overview(totals([]), totals([]))
    assert found.now.error_rate is None


def test_a_course_has_a_point_for_each_day_with_calls(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    days: defaultdict[date, list[Call]] = defaultdict(list)
    for one in calls:
        days[moment(one.started_at).date()].append(one)
    found = overview.trend(log, about, timedelta(days=1))
    assert {point.at.date(): point.totals for point in found} == {day: totals(some) for day, some in days.items()}
    assert [point.at for point in found] == sorted(point.at for point in found)


LABELS: dict[money.By, Callable[[Call], str | None]] = {
    money.By.DAY: lambda one: str(moment(one.started_at).date()),
    money.By.MODEL: lambda one: one.model,
    money.By.UPSTREAM: lambda one: one.upstream,
    money.By.SESSION: lambda one: one.session_name,
}


def shares(calls: list[Call], label: Callable[[Call], str | None]) -> dict[str | None, money.Share]:
    groups: defaultdict[str | None, list[Call]] = defaultdict(list)
    for one in calls:
        groups[label(one)].append(one)
    return {
        name: money.Share(name, len(some), money.Spending(spent(some), saved(some))) for name, some in groups.items()
    }


@pytest.mark.parametrize("by", money.By)
def test_money_is_shared_out_without_loss(log: LogFile, asked: Asked, by: money.By) -> None:
    about, calls = asked
    found = money.cost_by(log, about, by)
    assert {share.label: share for share in found} == shares(calls, LABELS[by])
    costs = [share.spending.spent.usd or 0 for share in found]
    assert by is money.By.DAY or costs == sorted(costs, reverse=True)


def test_money_is_shared_out_by_the_values_of_a_tag_and_calls_without_it_are_a_share(
    log: LogFile, asked: Asked
) -> None:
    def team(one: Call) -> str | None:
        return "x" if has(one, "team", "x") else "y" if has(one, "team", "y") else None

    about, calls = asked
    found = money.cost_by_tag(log, about, "team")
    assert {share.label: share for share in found} == shares(calls, team)


def test_spending_over_time_is_that_of_each_model(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected: defaultdict[tuple[date, str], int] = defaultdict(int)
    for one in calls:
        expected[moment(one.started_at).date(), one.model] += one.charge.cost or 0
    found = money.cost_by_model_over_time(log, about, timedelta(days=1))
    assert {(at.date(), model): usd for at, model, usd in found} == {
        place: pytest.approx(nano / NANO) for place, nano in expected.items() if nano
    }


def test_tokens_over_time_are_those_that_upstreams_counted_each_once(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for one in calls:
        facts = one.facts
        if one.outcome in UPSTREAM and facts.prompt_tokens is not None and facts.completion_tokens is not None:
            thought = facts.reasoning_tokens or 0
            expected[moment(one.started_at).date()].update(
                prompt=facts.prompt_tokens, completion=facts.completion_tokens - thought, reasoning=thought
            )
    found = money.tokens_over_time(log, about, timedelta(days=1))
    assert {at.date(): tokens for at, tokens in found} == {
        day: money.Tokens(some["prompt"], 0, some["completion"], some["reasoning"]) for day, some in expected.items()
    }


def test_outcomes_over_time_count_every_call_once(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected = Counter((moment(one.started_at).date(), one.outcome.value) for one in calls)
    found = overview.outcomes(log, about, timedelta(days=1))
    assert {(at.date(), outcome): number for at, outcome, number in found} == expected


def test_models_are_told_with_what_their_calls_came_to(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    found = overview.by_model(log, about)
    assert dict(found) == {name: totals([one for one in calls if one.model == name]) for name, _ in found}
    assert sum(one.calls for _, one in found) == len(calls)
    assert [one.calls for _, one in found] == sorted((one.calls for _, one in found), reverse=True)


def test_what_has_no_price_is_counted_with_the_reason(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected = Counter((one.model, one.upstream) for one in calls if one.charge.unpriced)
    found = money.gaps(log, about)
    assert {(gap.model, gap.upstream): gap.calls for gap in found} == expected
    assert {gap.reason for gap in found} <= {"nobody knows"}
    priced = sum(1 for one in calls if one.charge.price_source)
    assert money.coverage(log, about) == rate(priced, priced + expected.total())


def test_what_servers_say_of_their_prices_stands_beside_ours(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    told = [one for one in calls if one.outcome in UPSTREAM and one.facts.reported_cost is not None]
    found = money.reported(log, about)
    assert found.calls == len(told)
    assert found.usd == pytest.approx(2.000000003 * len(told))
    assert found.ours.unpriced == sum(1 for one in told if one.charge.unpriced)
    ours = [one.charge.cost for one in told if one.charge.cost is not None]
    assert found.ours.usd == (pytest.approx(sum(ours) / NANO) if ours or not told else None)


def test_the_dearest_calls_come_first(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    found = single.lines(log, about, order=single.Order.DEAREST, limit=20)
    costs = sorted((one.charge.cost for one in calls if one.charge.cost is not None), reverse=True)[:20]
    assert [line.cost_usd for line in found][: len(costs)] == [cost / NANO for cost in costs]


MEASURES: dict[latency.Measure, Callable[[Call], float | None]] = {
    latency.Measure.HITS: lambda one: one.latency if one.outcome is Outcome.HIT else None,
    latency.Measure.UPSTREAM: lambda one: one.latency if one.outcome in UPSTREAM else None,
    latency.Measure.OVERHEAD: lambda one: (
        max(one.latency - one.upstream_time, 0) if one.outcome in UPSTREAM and one.upstream_time else None
    ),
    latency.Measure.TTFT: lambda one: one.facts.first_content if one.outcome in UPSTREAM else None,
}


def percentiles(values: list[float]) -> latency.Percentiles | None:
    """By linear interpolation, as the standard library does it, too."""
    if not values:
        return None
    ordered = sorted(values)

    def at(part: float) -> float:
        place = part * (len(ordered) - 1)
        low = floor(place)
        high = min(low + 1, len(ordered) - 1)
        return float(pytest.approx((ordered[low] + (ordered[high] - ordered[low]) * (place - low)) * 1000).expected)

    return latency.Percentiles(len(ordered), at(0.5), at(0.9), at(0.95), at(0.99))


def same(found: latency.Percentiles | None, expected: latency.Percentiles | None) -> bool:
    if found is None or expected is None:
        return found is expected
    names = ("calls", "p50", "p90", "p95", "p99")
    return all(getattr(found, name) == pytest.approx(getattr(expected, name)) for name in names)


@pytest.mark.parametrize("measure", latency.Measure)
def test_percentiles_are_those_of_hits_or_of_other_calls_and_never_of_both(
    log: LogFile, asked: Asked, measure: latency.Measure
) -> None:
    about, calls = asked
    measured = [(one, value) for one in calls if (value := MEASURES[measure](one)) is not None]
    assert same(latency.percentiles(log, about, measure), percentiles([value for _, value in measured]))
    by_model = dict(latency.percentiles_by_model(log, about, measure))
    assert by_model.keys() == {one.model for one, _ in measured}
    for model, found in by_model.items():
        assert same(found, percentiles([value for one, value in measured if one.model == model]))
    over_time = dict(latency.percentiles_over_time(log, about, measure, timedelta(days=1)))
    for at, found in over_time.items():
        assert same(found, percentiles([v for one, v in measured if moment(one.started_at).date() == at.date()]))
    assert sum(found.calls for found in over_time.values()) == len(measured)


def test_a_histogram_has_every_call_in_one_bin(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected = Counter(
        (one.outcome.value, floor(log10(one.latency * 1000) * 8))
        for one in calls
        if one.outcome is Outcome.HIT or one.outcome in UPSTREAM
    )
    found = latency.histogram(log, about)
    assert {(bin_.outcome, round(log10(bin_.low) * 8)): bin_.calls for bin_ in found} == expected


def test_speed_is_that_of_streams_with_at_least_two_chunks(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    expected: defaultdict[str, list[float]] = defaultdict(list)
    for one in calls:
        facts = one.facts
        if one.outcome in UPSTREAM and (facts.chunks or 0) >= 2 and facts.completion_tokens is not None:
            assert facts.first_content is not None
            assert facts.last_content is not None
            assert facts.chunks
            said = facts.completion_tokens - (facts.reasoning_tokens or 0)
            seconds = facts.last_content - facts.first_content
            expected[one.model].append(said * (facts.chunks - 1) / facts.chunks / seconds)
    found = latency.speeds(log, about)
    assert {speed.model: speed.calls for speed in found} == {model: len(some) for model, some in expected.items()}
    for speed in found:
        assert speed.p50 == pytest.approx(median(expected[speed.model or ""]))


def test_a_hit_rate_is_over_calls_that_could_have_been_hits(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    looked_up = [one for one in calls if one.outcome in LOOKED_UP]

    def tokens(some: list[Call]) -> int:
        return sum((one.facts.prompt_tokens or 0) + (one.facts.completion_tokens or 0) for one in some)

    served = [one for one in looked_up if one.outcome in SERVED]
    found = caching.hit_rate(log, about)
    assert (found.looked_up, found.calls) == (len(looked_up), rate(len(served), len(looked_up)))
    assert found.tokens == (rate(tokens(served), tokens(looked_up)) if served else None)
    by_day = caching.hit_rate_over_time(log, about, timedelta(days=1))
    assert sum(day.looked_up for _, day in by_day) == len(looked_up)


def test_a_new_request_whose_messages_were_asked_before_differs_in_its_parameters(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    first: dict[str | None, Call] = {}
    for one in CALLS:
        if one.outcome is not Outcome.FAILED:
            first.setdefault(one.prompt, one)
    order = {one.call_id: number for number, one in enumerate(CALLS)}
    expected: Counter[str] = Counter()
    for one in calls:
        if one.miss_reason:
            before = first[one.prompt]
            differs = before.key != one.key and order[before.call_id] < order[one.call_id]
            expected["differs" if one.miss_reason == "new" and differs else one.miss_reason] += 1
    found = caching.miss_reasons(log, about)
    assert {reason.reason: reason.calls for reason in found} == expected
    assert about.outcomes or about.models or expected["differs"] > 0


def test_what_is_asked_most_often_comes_first_and_what_was_paid_again_is_shown(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    groups: defaultdict[str, list[Call]] = defaultdict(list)
    for one in calls:
        groups[one.key or ""].append(one)
    found = caching.most_repeated(log, about, limit=10)
    sizes = sorted((len(some) for some in groups.values() if len(some) > 1), reverse=True)
    assert [repeated.calls for repeated in found] == sizes[:10]
    for repeated in found:
        some = groups[repeated.cache_key]
        costs = [one.charge.cost for one in some if one.charge.cost is not None]
        paid = [cost for cost in costs if cost]
        assert repeated.served == sum(1 for one in some if one.outcome in SERVED)
        assert repeated.spending == money.Spending(spent(some), saved(some))
        assert repeated.paid_again_usd == (pytest.approx(sum(paid[1:]) / NANO) if costs else None)
        assert repeated.last_call == some[-1].call_id


def test_a_list_of_calls_has_pages(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    newest = [one.call_id for one in reversed(calls)]
    assert single.count(log, about) == len(calls)
    assert [line.call_id for line in single.lines(log, about, limit=7)] == newest[:7]
    assert [line.call_id for line in single.lines(log, about, limit=7, offset=7)] == newest[7:14]


def test_a_call_is_found_by_its_id_with_all_that_is_known(log: LogFile) -> None:
    found = single.one(log, "c5")
    assert found
    assert (found["call_id"], found["model"], found["cache_key"]) == ("c5", CALLS[5].model, CALLS[5].key)
    assert single.one(log, "nobody") is None


def test_sessions_are_told_with_what_became_of_their_calls(log: LogFile, asked: Asked) -> None:
    about, calls = asked
    runs = single.runs(log, about)
    assert {run.session for run in runs} == {one.session for one in calls} - {""}
    for run in runs:
        some = [one for one in calls if one.session == run.session]
        outcomes = Counter(one.outcome for one in some)
        assert (run.calls, run.name) == (len(some), f"test_{run.session}")
        assert (run.recorded, run.refused, run.failed) == tuple(
            outcomes[outcome] for outcome in (Outcome.RECORDED, Outcome.REFUSED, Outcome.FAILED)
        )
        assert run.spending == money.Spending(spent(some), saved(some))
        assert run.passed is not bool(outcomes[Outcome.REFUSED] or outcomes[Outcome.FAILED])


def test_there_is_to_choose_from_what_there_is(log: LogFile) -> None:
    found = single.choices(log)
    assert found.models == ("a", "b", "ü")
    assert found.upstreams == ("https://one", "https://two")
    assert found.tags == (("env", "ci"), ("team", "x"), ("team", "y"))
    assert found.first == moment(round(CALLS[0].started_at, 6))


def test_a_month_is_forecast_from_the_month_whatever_dates_are_looked_at(log: LogFile) -> None:
    today = moment(NOON + 18 * DAY).date()
    whole = money.forecast_month(log, Filter(), today)
    assert whole == money.forecast_month(log, Filter(SINCE, UNTIL), today)
    this_month = [
        one.charge.cost or 0
        for one in CALLS
        if (day := moment(one.started_at).date()).month == today.month and day <= today
    ]
    assert whole.spent == pytest.approx(sum(this_month) / NANO)
    assert whole.expected is not None
    assert whole.low is not None
    assert whole.high is not None
    assert whole.spent <= whole.low <= whole.expected <= whole.high


def test_a_log_without_calls_answers_every_question(tmp_path: Path) -> None:
    logged(str(tmp_path / "store.db"), [])
    export(str(tmp_path / "store.db"), tmp_path / "calls.duckdb")
    with LogFile(tmp_path / "calls.duckdb") as empty:
        assert overview.overview(empty, Filter()).now == totals([])
        assert overview.trend(empty, Filter(), timedelta(days=1)) == []
        assert all(money.cost_by(empty, Filter(), by) == [] for by in money.By)
        assert money.coverage(empty, Filter()) is None
        assert money.reported(empty, Filter()) == money.Reported(0, 0.0, money.Money(0.0, 0))
        assert money.forecast_month(empty, Filter(), date(2026, 1, 1)).expected is None
        assert latency.percentiles(empty, Filter(), latency.Measure.HITS) is None
        assert latency.histogram(empty, Filter()) == []
        assert money.cost_by_model_over_time(empty, Filter(), timedelta(days=1)) == []
        assert money.tokens_over_time(empty, Filter(), timedelta(days=1)) == []
        assert overview.outcomes(empty, Filter(), timedelta(days=1)) == []
        assert overview.by_model(empty, Filter()) == []
        assert caching.hit_rate(empty, Filter()) == caching.HitRate(0, None, None)
        assert caching.miss_reasons(empty, Filter()) == []
        assert caching.paid_again(empty, Filter()) == (0, 0.0)
        assert single.lines(empty, Filter()) == []
        assert single.choices(empty) == single.Choices(None, None, (), (), ())
