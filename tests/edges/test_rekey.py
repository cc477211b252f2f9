"""After a change of the rules the store says so, and `chatreel rekey` makes its recordings be found again."""

from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from support.calls import ask, error_of, question
from support.command import chatreel
from support.database import rows
from support.program import running_chatreel
from support.upstream import Upstream

REMEDY = "`chatreel rekey` makes them be found again"
MONDAY, TUESDAY = "It is 2026-11-23.", "It is 2026-11-24."


class Set:
    """One folder with settings and a store."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.folder = folder
        self.upstream = upstream
        self.store = str(folder / "store.db")

    def rules(self, text: str) -> None:
        (self.folder / "chatreel.toml").write_text(text, encoding="utf-8")

    def ask(self, *texts: str, mode: str = "cache") -> tuple[list[int], str]:
        """Statuses of what was asked, and all that the program said."""
        arguments = ("--upstream", self.upstream.url, "--mode", mode, "--store", self.store)
        with running_chatreel(*arguments, cwd=self.folder) as proxy:
            statuses = [ask(proxy.base_url, question(text)).status_code for text in texts]
            proxy.stop()
            return statuses, proxy.log

    def rekey(self, *options: str) -> tuple[int, list[str]]:
        ended = chatreel("rekey", "--store", self.store, *options, cwd=self.folder)
        assert "Traceback" not in ended.stderr
        return ended.returncode, ended.stdout.splitlines()

    def keys(self) -> list[str]:
        return [key for (key,) in rows(self.store, "SELECT key FROM recordings ORDER BY id")]


@pytest.fixture
def place(tmp_path: Path, upstream: Upstream) -> Set:
    return Set(tmp_path, upstream)


def test_recordings_are_found_again_after_a_rekey(place: Set) -> None:
    place.ask(MONDAY, "no date")
    place.rules('normalize = ["iso-date"]')
    statuses, said = place.ask(MONDAY, mode="replay")
    assert statuses == [504]
    assert REMEDY in said
    assert place.rekey() == (0, ["2 recordings, 1 have another key", "merged: 0 keys into 0", "split: 0 keys into 0"])
    statuses, said = place.ask(MONDAY, TUESDAY, "no date", mode="replay")
    assert statuses == [200, 200, 200]
    assert REMEDY not in said


@pytest.mark.long
def test_a_store_says_that_it_was_keyed_by_other_rules_and_so_do_its_refusals(place: Set) -> None:
    arguments = ("--upstream", place.upstream.url, "--store", place.store, "--mode")
    place.ask(MONDAY)
    place.rules('ignore = ["/seed"]')
    with running_chatreel(*arguments, "replay", cwd=place.folder) as proxy:
        assert f"{place.store}: Some recordings were keyed by other rules" in proxy.log
        refused = error_of(ask(proxy.base_url, question(MONDAY)))
    assert REMEDY in refused["message"]
    assert rows(place.store, "SELECT reason FROM calls WHERE outcome = 'refused'") == [(refused["message"],)]
    place.rules("")
    with running_chatreel(*arguments, "replay", cwd=place.folder) as proxy:
        assert REMEDY not in error_of(ask(proxy.base_url, question("new")))["message"]
        assert REMEDY not in proxy.log


@pytest.mark.long
def test_a_store_that_two_sets_of_rules_have_recorded_to_says_so_under_both(place: Set) -> None:
    for rules in ("", 'ignore = ["/seed"]'):
        place.rules(rules)
        place.ask(MONDAY)
    assert all(REMEDY in place.ask()[1] for _ in range(2))
    place.rules("")
    assert REMEDY in place.ask()[1]
    place.rekey()
    assert REMEDY not in place.ask()[1]


@pytest.mark.long
def test_a_store_without_recordings_was_keyed_by_nothing(place: Set) -> None:
    place.ask()
    place.rules('sampling_defaults = "spec"')
    assert REMEDY not in place.ask()[1]


@pytest.mark.long
def test_keys_merge_and_split(place: Set) -> None:
    place.ask(MONDAY, TUESDAY, "other")
    place.rules('normalize = ["iso-date"]')
    assert place.rekey() == (0, ["3 recordings, 2 have another key", "merged: 2 keys into 1", "split: 0 keys into 0"])
    assert place.rekey() == (0, ["3 recordings, 0 have another key", "merged: 0 keys into 0", "split: 0 keys into 0"])
    place.rules("")
    assert place.rekey() == (0, ["3 recordings, 2 have another key", "merged: 0 keys into 0", "split: 1 keys into 2"])


@pytest.mark.long
def test_there_and_back_is_where_it_began(place: Set) -> None:
    """Documents that nobody has any more are gone, too."""
    place.ask(MONDAY, TUESDAY)
    everything = (
        "SELECT 'r', r.id, key, hex(digest) FROM recordings r JOIN payloads p ON p.id = r.document"
        " UNION SELECT 'p', size, codec, hex(digest) FROM payloads"
    )
    before = sorted(rows(place.store, everything))
    place.rules('normalize = ["iso-date"]')
    place.rekey()
    assert sorted(rows(place.store, everything)) != before
    place.rules("")
    place.rekey()
    assert sorted(rows(place.store, everything)) == before


@pytest.mark.long
def test_a_dry_run_reports_and_changes_nothing(place: Set) -> None:
    place.ask(MONDAY, TUESDAY)
    place.rules('normalize = ["iso-date"]')
    before = Path(place.store).read_bytes()
    code, said = place.rekey("--dry-run")
    assert (code, said[:2]) == (0, ["2 recordings, 2 would have another key", "merged: 2 keys into 1"])
    assert Path(place.store).read_bytes() == before
    assert REMEDY in place.ask()[1]


@pytest.mark.long
def test_the_query_is_part_of_a_key_and_its_credentials_are_not_stored(place: Set) -> None:
    arguments = ("--upstream", place.upstream.url, "--store", place.store, "--mode")
    with running_chatreel(*arguments, "cache", cwd=place.folder) as proxy:
        for version in (1, 2):
            target = f"{proxy.base_url}/chat/completions?api-version={version}&api-key=sk-secret"
            httpx.post(target, json=question(MONDAY), trust_env=False)
    for table in ("calls", "recordings"):
        assert rows(place.store, f"SELECT query FROM {table}") == [("api-version=1",), ("api-version=2",)]
    keys = place.keys()
    assert len(set(keys)) == 2
    place.rekey()
    assert place.keys() == keys
    assert b"sk-secret" not in Path(place.store).read_bytes()


@pytest.mark.long
def test_what_has_no_key_by_the_rules_of_today_keeps_the_one_it_had(place: Set) -> None:
    place.ask(MONDAY)
    keys = place.keys()
    unkeyable = b'{"messages":[],"seed":NaN}'
    replace_request(place.store, unkeyable)
    code, said = place.rekey()
    assert code == 1
    assert said[-2] == "without a key by today's rules, left as they were: 1"
    assert said[-1].startswith("  recording 1: The request body")
    assert place.keys() == keys


@pytest.mark.long
def test_a_rekey_that_fails_changes_nothing(place: Set) -> None:
    place.ask(MONDAY, TUESDAY)
    keys = place.keys()
    rows(place.store, "UPDATE payloads SET data = x'00' WHERE id = (SELECT request FROM recordings WHERE id = 2)")
    place.rules('normalize = ["iso-date"]')
    ended = chatreel("rekey", "--store", place.store, cwd=place.folder)
    assert ended.returncode == 4
    assert "is damaged" in ended.stderr
    assert place.keys() == keys
    assert rows(place.store, "SELECT count(*) FROM marks")[0][0] > 0


def test_there_has_to_be_a_store(place: Set) -> None:
    ended = chatreel("rekey", "--store", "nowhere.db", cwd=place.folder)
    assert ended.returncode == 4
    assert "there is no store at nowhere.db" in ended.stderr
    assert not (place.folder / "nowhere.db").exists()


def replace_request(store: str, request: bytes) -> None:
    """Put another request where that of all recordings was."""
    digest = sha256(request).digest()
    rows(
        store, "INSERT INTO payloads (digest, size, codec, data) VALUES (?, ?, 'raw', ?)", digest, len(request), request
    )
    rows(store, "UPDATE recordings SET request = (SELECT id FROM payloads WHERE digest = ?)", digest)
