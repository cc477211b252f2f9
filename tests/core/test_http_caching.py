"""`Cache-Control` read as RFC 9111 says, `Cache-Status` written as RFC 9211 says, `Age` in whole seconds."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.api_errors import Problem
from chatreel.decide import Directives
from chatreel.http_caching import CacheStatus, age_header, asked_control, hit_status, request_directives

NAMES = st.sampled_from(["only-if-cached", "no-cache", "no-store", "max-age", "max-stale", "x"])


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        ("", Directives()),
        (" , ,,\t", Directives()),
        ("no-cache", Directives(no_cache=True)),
        ("no-store", Directives(no_store=True)),
        ("only-if-cached", Directives(only_if_cached=True)),
        ("No-CACHE, NO-store,Only-If-Cached", Directives(only_if_cached=True, no_cache=True, no_store=True)),
        ("\t no-cache \t,  max-age=5 ", Directives(no_cache=True, max_age=5)),
        ("max-age=0", Directives(max_age=0)),
        ("MAX-AGE=3600", Directives(max_age=3600)),
        ('max-age="60"', Directives(max_age=60)),
        ("max-age=00000000000000060", Directives(max_age=60)),
        ("no-cache=anything", Directives(no_cache=True)),
    ],
)
def test_the_directives_of_a_request_are_read(text: str, directives: Directives) -> None:
    assert request_directives(text) == (directives, "")


@pytest.mark.parametrize(
    "text",
    [
        "max-stale",
        "max-stale=60, min-fresh=5, no-transform",
        "stale_if_error=1",
        "x!#$%&'*+.^_`|~1",
        'private="set-cookie, no-store, max-age=0"',
        'x=""',
        "x=",
        "no-store-at-all, not-no-cache, xno-store",
    ],
)
def test_directives_nobody_knows_are_ignored_without_a_warning(text: str) -> None:
    assert request_directives(text) == (Directives(), "")


@pytest.mark.parametrize(
    "text",
    [
        "max-age",
        "max-age=",
        'max-age=""',
        "max-age=soon",
        "max-age=-1",
        "max-age=+1",
        "max-age=1.5",
        "max-age=1e3",
        "max-age=1_000",
        "max-age=６０",
        "max-age = 60",
        "no-store or so",
        "=",
        ";;",
        '"no-store"',
        "no–store",
        "max-age=60; no-store",
    ],
)
def test_a_malformed_directive_changes_nothing_and_is_named(text: str) -> None:
    assert request_directives(text) == (Directives(), text)
    assert request_directives(f"no-cache, {text}, no-store") == (Directives(no_cache=True, no_store=True), text)


def test_a_quote_that_is_never_closed_hides_no_other_directive() -> None:
    assert request_directives('max-age="60, no-store') == (Directives(no_store=True), 'max-age="60')


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("max-age=0, max-age=3600", 0), ("max-age=3600, max-age=0", 0), ("max-age=soon, max-age=7", 7)],
)
def test_of_several_ages_the_strictest_counts(text: str, seconds: int) -> None:
    assert request_directives(text)[0].max_age == seconds


@pytest.mark.parametrize("digits", [str(2**31), str(2**31 + 1), "99999999999", "9" * 10_000])
def test_an_age_too_large_to_count_is_the_largest_there_is(digits: str) -> None:
    assert request_directives(f"max-age={digits}") == (Directives(max_age=2**31), "")


@given(st.text() | st.lists(st.tuples(NAMES, st.text())).map(lambda pairs: ",".join(f"{k}={v}" for k, v in pairs)))
@example('"' * 50_000)
@example(',"' * 50_000)
@example("max-age=" + "٣" * 5_000)
def test_no_text_raises(text: str) -> None:
    directives, malformed = request_directives(text)
    assert malformed in text
    assert directives.max_age is None or 0 <= directives.max_age <= 2**31


@given(st.lists(NAMES, unique=True), st.randoms())
def test_the_order_of_directives_does_not_matter(names: list[str], random: Any) -> None:
    parts = [f"{name}=5" if name == "max-age" else name for name in names]
    shuffled = random.sample(parts, len(parts))
    assert request_directives(", ".join(parts)) == request_directives(",".join(shuffled))


# RFC 8941: one item of a list (section 3.1) that is a token, and its parameters (3.1.2).
TOKEN = r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
STRING = r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
INTEGER = r"-?[0-9]{1,15}"
BOOLEAN = r"\?[01]"
PARAMETER = rf"; *([a-z*][a-z0-9_.*-]*)(?:=({TOKEN}|{STRING}|{INTEGER}|{BOOLEAN}))?"
MEMBER = re.compile(rf"({TOKEN})((?:{PARAMETER})*)")

# RFC 9211, section 2: the type of each parameter.
TYPES = {
    "hit": BOOLEAN,
    "fwd": TOKEN,
    "fwd-status": INTEGER,
    "ttl": INTEGER,
    "stored": BOOLEAN,
    "collapsed": BOOLEAN,
    "key": STRING,
    "detail": f"{TOKEN}|{STRING}",
}
FORWARDED = {"fwd-status", "stored", "collapsed"}
"""Say something only beside `fwd`."""
REASONS = {"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}


def parsed(header: str) -> tuple[str, dict[str, str | None]]:
    """The cache's name and its parameters, by the grammar above."""
    member = MEMBER.fullmatch(header)
    assert member, header
    pairs = [(match[1], match[2]) for match in re.finditer(PARAMETER, member[2])]
    assert len(dict(pairs)) == len(pairs), "a parameter stands there twice"
    return member[1], dict(pairs)


KEY = "v1:" + "0123456789abcdef" * 4
STATUSES = [
    CacheStatus(),
    CacheStatus(hit=True, key=KEY),
    CacheStatus(hit=True, key=KEY, detail="converted"),
    *(CacheStatus(fwd=fwd, key=KEY, detail="recording") for fwd in ("miss", "stale", "request")),
    CacheStatus(fwd="miss", stored=True, key=KEY),
    CacheStatus(fwd="miss", collapsed=True, key=KEY),
    CacheStatus(fwd="miss", stored=True, collapsed=False, key=KEY),
    CacheStatus(fwd="bypass", fwd_status=200, key=KEY, detail="chatreel_not_stored"),
    *(CacheStatus(hit=True, ttl=ttl, key=KEY) for ttl in (3600, 0, -5)),
    CacheStatus(fwd="bypass", detail="unkeyable"),
    CacheStatus(fwd="bypass", detail="passthrough"),
    CacheStatus(fwd="miss", key=KEY, detail="not-stored-truncated"),
    *(CacheStatus(detail=problem.value.code) for problem in Problem),
]


@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_cache_status_is_what_rfc_9211_says_it_is(status: CacheStatus) -> None:
    name, parameters = parsed(str(status))
    assert name == "chatreel"
    assert set(parameters) <= set(TYPES)
    for parameter, value in parameters.items():
        pattern = TYPES[parameter]
        assert re.fullmatch(pattern, "?1" if value is None else value), "a parameter without a value is true"
    assert parameters.get("fwd", "miss") in REASONS
    assert not {"hit", "fwd"} <= set(parameters)
    assert "fwd" in parameters or not FORWARDED & set(parameters)


def test_cache_status_says_everything_it_was_told() -> None:
    said = parsed(str(CacheStatus(fwd="miss", stored=True, key=KEY, detail="d")))[1]
    assert said == {"fwd": "miss", "stored": None, "key": f'"{KEY}"', "detail": "d"}
    assert parsed(str(CacheStatus(hit=True)))[1] == {"hit": None}
    waited = parsed(str(CacheStatus(fwd="stale", fwd_status=200, collapsed=False)))[1]
    assert waited == {"fwd": "stale", "fwd-status": "200", "collapsed": "?0"}
    assert parsed(str(CacheStatus(hit=True, ttl=-5)))[1]["ttl"] == "-5"


@pytest.mark.parametrize(
    ("cache_control", "pragma", "counts"),
    [
        (None, "", ""),
        (None, "no-cache", "no-cache"),
        (None, "x, No-Cache", "no-cache"),
        (None, "no-cached", ""),
        ("", "no-cache", ""),
        ("max-age=5", "no-cache", "max-age=5"),
    ],
)
def test_pragma_counts_only_where_there_is_no_cache_control(
    cache_control: str | None, pragma: str, counts: str
) -> None:
    assert asked_control(cache_control, pragma) == counts


@pytest.mark.parametrize(
    ("recorded_at", "now", "age"),
    [(100.0, 100.0, "0"), (100.0, 100.999, "0"), (100.0, 101.0, "1"), (100.0, 99.0, "0"), (0.0, 1.8e9, "1800000000")],
)
def test_age_counts_whole_seconds_and_never_below_zero(recorded_at: float, now: float, age: str) -> None:
    assert age_header(recorded_at, now) == age


@pytest.mark.parametrize("detail", ["", "redacted", "edited", "converted"])
def test_what_is_said_of_a_fresh_hit_is_its_cache_status(detail: str) -> None:
    assert hit_status(KEY, detail) == str(CacheStatus(hit=True, key=KEY, detail=detail))
