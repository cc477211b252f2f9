"""Each thing that a recording says of itself is derived anew, by the rules that it was keyed with."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, Rule, identify, shipped_rules
from chatreel.checking import Checked, check
from chatreel.model import Identity, Piece, Recording, WireForm
from chatreel.request import DEFAULT_KEYS, Keys
from support.stores import DOCUMENT, genuine
from support.streams import answer, sse

TICKET = Rule("ticket", "/messages/*/content", "T-[0-9]+")
STREAM = answer({"role": "assistant", "content": "Hi"})
SOUND = [
    genuine(),
    genuine(answer=STREAM),
    genuine(answer=b'{"error":{"message":"slow down"}}', status=429),
    genuine("day 2026-01-31", answer=STREAM),
]


@pytest.mark.parametrize("recording", SOUND)
def test_a_sound_recording_has_no_faults(recording: Recording) -> None:
    assert check(recording, DEFAULT_KEYS) == Checked()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"completion": b'{"choices":[]}'}, "its completion is not what its response amounts to"),
        ({"completion": b""}, "its completion is not what its response amounts to"),
        ({"form": WireForm.SSE}, "its response is json, not sse"),
        ({"request": b'{"model":"m","messages":[]}'}, "its key and document are not those of its request"),
        ({"upstream": "https://other"}, "its key and document are not those of its request"),
        ({"request": b"nonsense"}, "its request has no key: "),
        ({"identity": Identity(genuine().identity.key, DOCUMENT)}, "its key is not that of its document"),
        ({"identity": Identity("v1:" + "0" * 64, genuine().identity.document)}, "its key is not that of its document"),
        ({"pieces": (Piece(0.5, 1),)}, "the pieces it arrived in are not its response"),
        ({"pieces": (Piece(0.5, 0), Piece(0.25, len(genuine().body)))}, "the pieces it arrived in are out of order"),
    ],
)
def test_each_fault_is_found(changes: dict[str, Any], fault: str) -> None:
    [found] = check(replace(genuine(), **changes), DEFAULT_KEYS).faults
    assert found.startswith(fault)


@pytest.mark.parametrize("body", [sse(b"data: {\n\n"), STREAM.removesuffix(b"data: [DONE]\n\n")[:-80], b"nonsense"])
def test_a_response_that_is_no_answer_is_a_fault(body: bytes) -> None:
    broken = replace(genuine(answer=STREAM), body=body, pieces=(Piece(0.5, len(body)),))
    assert any(fault.startswith("its response is neither") for fault in check(broken, DEFAULT_KEYS).faults)


@pytest.mark.parametrize(
    "options",
    [
        KeyOptions(ignore=("/seed",)),
        KeyOptions(sampling_defaults="spec"),
        KeyOptions(scope="credential"),
        KeyOptions(normalize=shipped_rules("iso-date")),
        KeyOptions(normalize=(TICKET,)),
    ],
)
def test_what_was_keyed_by_other_rules_is_no_fault(options: KeyOptions) -> None:
    recording = genuine("T-1 of 2026-01-31", options=options)
    assert check(recording, DEFAULT_KEYS) == Checked(keyed_otherwise=True)
    assert check(recording, Keys(options)) == Checked()


def test_another_request_under_other_rules_is_a_fault_all_the_same() -> None:
    options = KeyOptions(ignore=("/seed",))
    recording = replace(genuine(options=options), request=genuine("Something else").request)
    assert check(recording, DEFAULT_KEYS) == Checked(("its key and document are not those of its request",))


def test_a_key_of_another_scheme_is_no_fault() -> None:
    identity = genuine().identity
    document = identity.document.replace(b'"v":"v1"', b'"v":"v0"')
    key = identify(upstream="https://h", path="", query="", body={"messages": []}).key
    older = Identity(key, document)
    assert check(replace(genuine(), identity=older), DEFAULT_KEYS).faults == ("its key is not that of its document",)
    older = Identity(f"v0:{sha256(document).hexdigest()}", document)
    assert check(replace(genuine(), identity=older), DEFAULT_KEYS) == Checked(keyed_otherwise=True)


@pytest.mark.parametrize("document", [b"[]", b"nonsense", b'{"v":"v1","normalized":1}', b'{"v":"v1","ignore":[1]}'])
def test_a_document_that_is_none_is_a_fault(document: bytes) -> None:
    recording = replace(genuine(), identity=Identity(f"v1:{sha256(document).hexdigest()}", document))
    assert check(recording, DEFAULT_KEYS) == Checked(("its document is none",))
