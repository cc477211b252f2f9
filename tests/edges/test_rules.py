"""The user's own rules over HTTP: they reach the key, and a changed set never turns a recording into a wrong hit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, error_of, question
from support.program import Program, running_chatreel
from support.upstream import Upstream

MONDAY, TUESDAY = "It is 2026-11-23. Plan my day.", "It is 2026-11-24. Plan my day."
DATES = 'normalize = ["iso-date"]'
DATES_AS_TABLES = '[[normalize]]\nname = "iso-date"'
NUMBERS = '[[normalize]]\nname = "iso-date"\npointer = "/messages/*/content"\npattern = "[0-9]+"'
ANYTHING = '[[normalize]]\nname = "iso-date"\npointer = "/messages/*/content"\npattern = ".+"'
ELSEWHERE = '[[normalize]]\nname = "iso-date"\npointer = "/messages/*/name"\npattern = ".+"'
IGNORED = 'ignore = ["/messages/*/content"]'
SEEDS = 'ignore = ["/seed"]'
SPEC = 'sampling_defaults = "spec"'
NONE = ""


@contextmanager
def proxy_with(rules: str, folder: Path, upstream: Upstream, mode: str = "cache") -> Iterator[Program]:
    (folder / "chatreel.toml").write_text(rules, encoding="utf-8")
    store = str(folder / "store.db")
    with running_chatreel("--upstream", upstream.url, "--mode", mode, "--store", store, cwd=folder) as proxy:
        yield proxy


def hits(proxy: Program, body: Any) -> bool:
    """Whether a recording answers; the upstream is not asked."""
    response = ask(proxy.base_url, body, cache_control="only-if-cached")
    if response.status_code == 200:
        assert response.headers["cache-status"].startswith("chatreel; hit")
        return True
    assert error_of(response)["code"] == "chatreel_no_recording"
    return False


CALLS: dict[str, list[tuple[Any, Any, bool]]] = {
    NONE: [
        (question(MONDAY), question(TUESDAY), False),
        (question("a", temperature=1), question("a"), False),
    ],
    DATES: [
        (question(MONDAY), question(TUESDAY), True),
        (question(MONDAY), question(TUESDAY.replace("my", "your")), False),
        (question("a", stop=["2026-11-23"]), question("a", stop=["2026-11-24"]), False),
    ],
    DATES_AS_TABLES: [(question(MONDAY), question(TUESDAY), True)],
    NUMBERS: [(question("run 1"), question("run 22"), True)],
    SEEDS: [
        (question("a", seed=1), question("a", seed=2), True),
        (question("a", seed=1), question("b", seed=1), False),
    ],
    SPEC: [(question("a", temperature=1), question("a"), True)],
}
"""By rules: what is recorded, what is asked for, and whether that is the same call."""


@pytest.mark.parametrize("rules", CALLS, ids=lambda rules: rules or "none")
def test_a_rule_changes_what_is_the_same_call(upstream: Upstream, tmp_path: Path, rules: str) -> None:
    with proxy_with(rules, tmp_path, upstream) as proxy:
        for recorded, asked, hit in CALLS[rules]:
            ask(proxy.base_url, recorded)
            assert hits(proxy, recorded)
            assert hits(proxy, asked) is hit


@pytest.mark.long
def test_a_changed_set_of_rules_never_turns_a_recording_into_a_wrong_hit(upstream: Upstream, tmp_path: Path) -> None:
    """What was recorded where a rule had taken something out answers nobody who has another rule, or none.

    Where the old rule had found nothing, the recording still answers the very same request, and nothing else.
    """
    sets = (NONE, DATES, NUMBERS, ANYTHING, ELSEWHERE, IGNORED, SEEDS, SPEC)
    with proxy_with(ANYTHING, tmp_path, upstream) as proxy:
        ask(proxy.base_url, question(MONDAY))
    for rules in sets:
        with proxy_with(rules, tmp_path, upstream) as proxy:
            assert hits(proxy, question(TUESDAY)) is (rules == ANYTHING), rules
            assert hits(proxy, question("Delete everything.")) is (rules == ANYTHING), rules
            assert not hits(proxy, question("It is ‹iso-date›. Plan my day.")) or rules == ANYTHING, rules
    assert len(upstream.calls) == 1


@pytest.mark.long
def test_recordings_made_under_any_rules_do_not_answer_another_question_under_rules_that_see_it(
    upstream: Upstream, tmp_path: Path
) -> None:
    for recorded_under in (DATES, NUMBERS, IGNORED, NONE):
        with proxy_with(recorded_under, tmp_path, upstream, mode="record") as proxy:
            ask(proxy.base_url, question(MONDAY, seed=1, temperature=1))
    for rules in (NONE, ELSEWHERE, SEEDS, SPEC):
        with proxy_with(rules, tmp_path, upstream, mode="replay") as proxy:
            assert not hits(proxy, question(TUESDAY, seed=1, temperature=1)), rules
            assert not hits(proxy, question(MONDAY, seed=2, temperature=1)), rules
            assert not hits(proxy, question(MONDAY, seed=1)), rules
    assert len(upstream.calls) == 4
