"""Rows of the log that a killed proxy had not written yet are written by whoever comes next, as it would have done."""

import json
from pathlib import Path
from typing import Any

from chatreel.analytics.export import export
from support.calls import ask, question
from support.command import chatreel
from support.database import locked, rows
from support.log import ask as asked
from support.program import Program, running_chatreel
from support.replies import USAGE
from support.sessions import Sessions
from support.upstream import Upstream
from support.waiting import eventually

PRICES = {
    "CHATREEL_PRICE": json.dumps([{"model": "gpt*", "input": 3, "output": "15.5", "upstream": "http://127.0.0.1:*"}])
}

PRICE = USAGE["prompt_tokens"] * 3_000 + USAGE["completion_tokens"] * 15_500
"""Of each answer that reports its usage, in billionths of a USD."""

OWN = (
    "id",
    "call_id",
    "started_at",
    "latency",
    "first_piece",
    "upstream_time",
    "first_content",
    "last_content",
    "tags",
)
"""Columns that differ from call to call, however alike calls are: compared by whether there is anything."""


def calls_of_every_kind(proxy: Program, cassette: Path, case: str) -> list[int]:
    """Hits, refusals, calls that pass and calls into a cassette, each in both wire forms where that makes sense."""
    found = []
    sessions = Sessions.of(proxy)

    def made(base_url: str, text: str, directive: str = "", **more: Any) -> None:
        answer = ask(base_url, question(text, **more), x_chatreel_tag=f"case={case}", cache_control=directive)
        found.append(answer.status_code)

    for stream in (False, True):
        made(proxy.base_url, "known", stream=stream)
        made(proxy.base_url, "passed", "no-store", stream=stream)
        made(proxy.base_url, "refused", "only-if-cached", stream=stream)
        with sessions.opened(cassette=str(cassette / f"{case}{stream}.json"), mode="cache", name="a test") as session:
            for _ in range(2):
                made(session["base_url"], "in a cassette", stream=stream)
    return found


STATUSES = [200, 200, 504, 200, 200] * 2


def described(store: str, case: str) -> list[dict[str, Any]]:
    """The rows of a case in the order of their calls, without what is every call's own."""
    names = [name for _, name, *_ in rows(store, "PRAGMA table_info(calls)")]
    found = []
    for row in rows(store, "SELECT * FROM calls WHERE tags LIKE ? ORDER BY started_at", f"%{case}%"):
        told = dict(zip(names, row, strict=True))
        same = {name: value for name, value in told.items() if name not in (*OWN, "session", "cassette", "spared")}
        found.append(same | {f"{name} is there": told[name] is not None for name in OWN})
    return found


def test_a_kill_takes_no_row_and_nothing_of_any(upstream: Upstream, store: str, tmp_path: Path) -> None:
    """While the store is locked no row gets into it; they are compared with those of the same calls before."""
    with running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache", env=PRICES) as proxy:
        for stream in (False, True):
            assert ask(proxy.base_url, question("known", stream=stream)).status_code == 200
        assert calls_of_every_kind(proxy, tmp_path, "before") == STATUSES
        assert eventually(lambda: len(described(store, "before")) == len(STATUSES))
        with locked(store):
            assert calls_of_every_kind(proxy, tmp_path, "killed") == STATUSES
            assert rows(store, "SELECT count(*) FROM calls WHERE tags LIKE '%killed%'") == [(0,)]
            proxy.kill()
    spools = [*tmp_path.glob("store.db.spool-*")]
    assert [path.stat().st_mode & 0o777 for path in spools] == [0o600]
    torn = spools[0].read_bytes().splitlines(keepends=True)[-1][:-20]
    with spools[0].open("ab") as file:
        file.write(torn)  # as if it had been killed in the middle of one more
    ended = chatreel("stats", "--json", "--store", store, cwd=tmp_path)
    assert "10 rows of the log are in the store now that a killed proxy had left behind" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert json.loads(ended.stdout)["by_tag"]["case=killed"]["calls"] == 10
    assert not [*tmp_path.glob("store.db.spool-*")]
    before, killed = described(store, "before"), described(store, "killed")
    assert killed == before
    assert [(one["outcome"], one["cost"], one["saved"]) for one in killed] == [
        *(("hit", 0, PRICE), ("passed", PRICE, 0), ("refused", 0, 0), ("recorded", PRICE, 0), ("hit", 0, PRICE)),
        # Nobody asks for the usage of a stream that is only passed on.
        *(("hit", 0, PRICE), ("passed", None, 0), ("refused", 0, 0), ("recorded", PRICE, 0), ("hit", 0, PRICE)),
    ]
    assert chatreel("verify", "--store", store, cwd=tmp_path).returncode == 0


def test_an_export_has_the_rows_of_a_killed_proxy(upstream: Upstream, store: str, tmp_path: Path) -> None:
    with running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache", env=PRICES) as proxy:
        ask(proxy.base_url, question("once"))
        export(store, tmp_path / "calls.duckdb")
        with locked(store):
            for _ in range(3):
                ask(proxy.base_url, question("once"))
            proxy.kill()
    export(store, tmp_path / "calls.duckdb")
    [(calls, hits, unpriced)] = asked(
        tmp_path / "calls.duckdb", "SELECT count(*), count(*) FILTER (outcome = 'hit'), count(unpriced) FROM calls"
    )
    assert (calls, hits, unpriced) == (4, 3, 0)


def test_what_a_killed_proxy_had_spent_is_spent(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--budget", "0.0001/day")
    with running_chatreel(*flags, env=PRICES) as proxy, locked(store):
        assert ask(proxy.base_url, question("spent"), cache_control="no-store").status_code == 200
        proxy.kill()
    with running_chatreel(*flags, env=PRICES) as proxy:
        assert ask(proxy.base_url, question("more")).status_code == 429


def test_rows_that_were_removed_from_the_store_do_not_come_back(upstream: Upstream, store: str, tmp_path: Path) -> None:
    """A second after they are in the store, nothing else has them."""
    with running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache") as proxy:
        ask(proxy.base_url, question("once"))
        [spool] = tmp_path.glob("store.db.spool-*")
        assert eventually(lambda: spool.read_bytes().count(b"\n") == 1)
        proxy.kill()
    rows(store, "DELETE FROM calls")
    chatreel("ls", "--store", store, cwd=tmp_path)
    assert rows(store, "SELECT count(*) FROM calls") == [(0,)]
