"""Single calls, found and opened."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from chatreel.config import load_settings
from chatreel.dashboards.source import Source
from chatreel.model import Outcome, Piece
from support.dashboard import figures, published, said, visit
from support.log import NOON, answered, logged
from support.stores import add, genuine

pytestmark = pytest.mark.long

IDS = [str(UUID(int=number)) for number in range(6)]
STREAM = b"".join(
    b"data: " + json.dumps({"id": "1", "choices": [{"index": 0, "delta": {"content": word}}]}).encode() + b"\n\n"
    for word in ("The fjord", " is", " deep")
)
END = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A stream that was recorded, a hit on it, a call refused for one word, one in a session, one that failed."""
    store = tmp_path_factory.mktemp("explored") / "store.db"
    settings = load_settings(store=str(store))
    body = STREAM + END
    pieces = (Piece(0.5, 40), Piece(1.0, len(STREAM) - 40), Piece(1.5, len(END)))
    [recording] = add(
        settings.store, genuine("How deep is the fjord?", answer=body, pieces=pieces, recorded_at=NOON - 9)
    )
    key = recording.identity.key
    request = recording.request.replace(b"fjord", b"<b>lake</b>")
    logged(
        settings.store,
        [
            answered(IDS[0], started_at=NOON - 10, key=key, recording_id=recording.id, stream=True, latency=1.5),
            answered(IDS[1], Outcome.HIT, started_at=NOON - 5, key=key, recording_id=recording.id, stream=True),
            answered(
                IDS[2],
                Outcome.REFUSED,
                started_at=NOON - 4,
                key="v1:2",
                recording_id=None,
                request=request,
                reason="No recording.",
                status=404,
            ),
            answered(
                IDS[3],
                started_at=NOON - 3,
                key="v1:3",
                recording_id=None,
                session="s1",
                session_name="test_rivers",
                latency=9.0,
            ),
            answered(
                IDS[4],
                Outcome.FAILED,
                started_at=NOON - 2,
                key="v1:4",
                recording_id=None,
                reason="It broke off.",
                status=None,
            ),
        ],
    )
    return Source(published(store), settings, clock=lambda: datetime.fromtimestamp(NOON, UTC))


def listed(source: Source, **address: str) -> list[str]:
    """Outcomes of the calls that are listed."""
    found = visit(source, "explorer", **address)
    assert not found.exception
    tables = [table.value for table in found.dataframe if "started_at" in table.value]
    return [outcome for table in tables for [outcome] in table["outcome"]]


def test_the_newest_call_comes_first_or_the_one_that_is_asked_for(source: Source) -> None:
    assert listed(source) == ["failed", "recorded", "refused", "hit", "recorded"]
    assert listed(source, order="slowest")[0] == "recorded"


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("fjord", ["hit", "recorded"]),
        ("FJORD is", ["hit", "recorded"]),
        ("rivers", ["recorded"]),
        ("v1:2", ["refused"]),
        (IDS[4], ["failed"]),
        ("' OR 1=1 --", []),
        ("nobody said this", []),
    ],
)
def test_calls_are_found_by_what_was_said_by_id_by_key_and_by_session(
    source: Source, text: str, outcomes: list[str]
) -> None:
    assert listed(source, q=text) == outcomes


def test_a_search_says_how_far_it_went(source: Source) -> None:
    assert "Searched what was said in 1 recording" in said(visit(source, "explorer", q="fjord"))
    without = Source(source.file, clock=lambda: datetime.fromtimestamp(NOON, UTC))
    assert "Prompts are not searched" in said(visit(without, "explorer", q="fjord"))


def test_calls_of_a_session_come_with_its_name_and_a_way_back(source: Source) -> None:
    found = visit(source, "explorer", session="s1")
    assert r"test\_rivers" in said(found)
    [back] = [button for button in found.button if button.label == "All sessions"]
    back.click().run()
    assert "5 calls" in said(found)


def test_an_opened_call_is_told_as_a_conversation(source: Source) -> None:
    found = visit(source, "explorer", call=IDS[1])
    assert not found.exception
    assert [text.value for text in found.text] == ["How deep is the fjord?", "The fjord is deep"]
    assert [message.name for message in found.chat_message] == ["user", "assistant"]


def test_an_opened_stream_is_played_back_as_it_came(source: Source) -> None:
    found = visit(source, "explorer", call=IDS[0], tab="Timing")
    assert found.slider[0].max == 1.0, "when the last word had come"
    found.slider[0].set_value(0.4).run()
    assert "(nothing yet)" in said(found)


def test_a_refused_call_says_what_differs_from_the_nearest_recording(source: Source) -> None:
    found = visit(source, "explorer", call=IDS[2], tab="Why no hit")
    assert not found.exception
    assert "never asked before" in said(found)
    [diff] = [page.value for page in found.html]
    assert re.findall(r"<(del|ins)[^>]*>([^<]*)<", diff) == [
        ("del", "-How deep is the fjord?"),
        ("ins", "+How deep is the &lt;b&gt;lake&lt;/b&gt;?"),
    ]


@pytest.mark.parametrize("tab", ["Conversation", "Timing", "Why no hit", "Request", "Raw"])
@pytest.mark.parametrize("call_id", IDS)
def test_every_tab_of_every_call_opens(source: Source, call_id: str, tab: str) -> None:
    found = visit(source, "explorer", call=call_id, tab=tab)
    assert not found.exception
    assert ("There is no call" in said(found)) is (call_id == IDS[5])


def test_a_store_that_is_gone_is_a_message_where_its_texts_would_be(source: Source, tmp_path: Path) -> None:
    gone = Source(
        source.file, load_settings(store=str(tmp_path / "gone.db")), clock=lambda: datetime.fromtimestamp(NOON, UTC)
    )
    found = visit(gone, "explorer", call=IDS[0])
    assert not found.exception
    assert "there is no store at" in said(found).replace("\\", "")
    assert len(found.dataframe) >= 1


def test_misses_that_only_a_date_has_caused_are_found_with_the_rule_against_them(tmp_path: Path) -> None:
    settings = load_settings(store=str(tmp_path / "store.db"))
    texts = [f"Today is 2026-09-1{day}. What is new?" for day in range(5)]
    made = add(settings.store, *(genuine(text, recorded_at=NOON + at) for at, text in enumerate(texts)))
    calls = [
        answered(IDS[at], started_at=NOON + at - 0.5, key=one.identity.key, recording_id=one.id, path=one.path)
        for at, one in enumerate(made)
    ]
    logged(settings.store, calls)
    source = Source(published(tmp_path / "store.db"), settings, clock=lambda: datetime.fromtimestamp(NOON + 60, UTC))
    found = visit(source, "cache")
    [button] = [button for button in found.button if button.label == "Look through the newest misses"]
    button.click().run()
    assert not found.exception
    assert "4 of 5 misses** would have been hits" in said(found)
    assert [code.value for code in found.code if "[[normalize]]" in code.value]


def test_the_store_is_told_by_what_it_has_grown_to(source: Source) -> None:
    found = visit(source, "cache")
    assert figures(found)["Recordings"] == "1"
    assert figures(found)["On disk"].endswith("kB")
