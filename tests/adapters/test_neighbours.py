"""The recording nearest to a request is found among thousands, in few look-ups."""

import asyncio
import random
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, identify
from chatreel.explain import CANDIDATES, nearest
from chatreel.model import Identity, Neighbour, Recording
from chatreel.store import Store
from support.database import rows
from support.stores import add, take, use

RNG = random.Random(5)
WORDS = ["".join(RNG.choices("abcdefghijklmnop", k=RNG.randint(2, 8))) for _ in range(600)]
INSTRUCTIONS = [" ".join(RNG.choices(WORDS, k=150)) for _ in range(4)]
TEMPLATE = f"{' '.join(RNG.choices(WORDS, k=50))} {{}} {' '.join(RNG.choices(WORDS, k=50))}"


def identity(body: Any, *, upstream: str = "https://h", tenant: str | None = None) -> Identity:
    options = KeyOptions(scope="credential" if tenant else "shared")
    path = "/v1/chat/completions"
    return identify(upstream=upstream, path=path, query="", body=body, options=options, tenant=tenant)


def body(number: int) -> Any:
    """Requests that share their instructions, and a third of them a template around their own words."""
    rng = random.Random(number)
    own = " ".join(rng.choices(WORDS, k=rng.randint(5, 40)))
    text = TEMPLATE.format(own) if number % 3 == 0 else own
    messages = [{"role": "system", "content": INSTRUCTIONS[number % 4]}, {"role": "user", "content": text}]
    return {"model": "m", "temperature": 0.2, "messages": messages}


def recorded(number: int) -> Recording:
    return take(identity=identity(body(number))._replace(key=str(number)))


def changed(asked: Any, change: str) -> Any:
    system, user = asked["messages"]
    match change:
        case "a word":
            words = user["content"].split()
            user = user | {"content": " ".join([*words[:2], "changed", *words[3:]])}
        case "the instructions":
            system = system | {"content": f"Today is Monday. {system['content']}"}
        case "a setting":
            return asked | {"temperature": 0.7}
        case _:
            return asked | {"messages": [system, user, {"role": "user", "content": "And why?"}]}
    return asked | {"messages": [system, user]}


async def near(store: Store, asked: Identity, cassette: str = "", limit: int = CANDIDATES) -> list[Neighbour]:
    return await store.near(cassette, asked.document, limit)


@pytest.mark.long
def test_what_was_changed_a_little_is_found_among_thousands(store: str) -> None:
    size = 500 if "://" in store else 3_000  # the search is the same, the server is slower
    changes = ("a word", "the instructions", "a setting", "a message")
    planted = [(number, changes[number % 4]) for number in range(100, size, 73)]

    async def work(opened_store: Store) -> list[tuple[int, int]]:
        await asyncio.gather(*(opened_store.add(recorded(number)) for number in range(size)))
        found = []
        for number, change in planted:
            asked = identity(changed(body(number), change))
            candidates = await near(opened_store, asked)
            assert len(candidates) <= CANDIDATES
            best = nearest(asked.document, [candidate.document for candidate in candidates])
            assert best
            found.append((int(candidates[best[0]].key), len(best[1])))
        return found

    assert use(store, work) == [(number, 1) for number, _ in planted]


def test_what_all_have_in_common_is_stored_for_few(store: str) -> None:
    """Else the index would grow with the instructions of an application, which each of its calls repeats."""
    same = take(identity=identity({"messages": [{"role": "user", "content": " ".join(WORDS[:20])}]}))
    add(store, *[same] * 100)
    assert rows(store, "SELECT DISTINCT n FROM (SELECT count(*) AS n FROM marks GROUP BY mark) counted") == [(32,)]
    assert rows(store, "SELECT max(n) FROM (SELECT count(*) AS n FROM marks GROUP BY recording_id) counted") == [(16,)]


def test_the_newest_are_compared_where_none_is_alike(store: str) -> None:
    add(store, *(recorded(number) for number in range(10)))
    asked = identity({"model": "n", "messages": []})
    found = use(store, lambda opened_store: near(opened_store, asked, limit=3))
    assert [neighbour.key for neighbour in found] == ["9", "8", "7"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        take("x", identity=identity(body(1), upstream="https://i"), upstream="https://i"),
        take("x", identity=identity(body(1), tenant="t"), tenant="t"),
        take("x", identity=identity(body(1)), cassette="c"),
    ],
    ids=["upstream", "tenant", "cassette"],
)
def test_recordings_of_others_are_never_near(store: str, elsewhere: Recording) -> None:
    add(store, elsewhere)
    for asked in (identity(body(1)), identity({"messages": []})):
        assert use(store, lambda opened_store, asked=asked: near(opened_store, asked)) == []  # type: ignore[misc]


def test_a_neighbour_says_what_it_is(store: str) -> None:
    [stored] = add(store, recorded(1))
    [found] = use(store, lambda opened_store: near(opened_store, stored.identity))
    assert found == Neighbour(stored.id, "1", "m", stored.recorded_at, stored.identity.document)
