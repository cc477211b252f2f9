"""No key, no network: the answers come from the cassettes beside this file."""

import pytest
from atlas import describe, longest_river

from chatreel.testing import ChatreelSession

pytestmark = pytest.mark.chatreel


@pytest.mark.parametrize(("country", "river"), [("norway", "glomma"), ("france", "loire")])
def test_the_longest_river_of_a_country(country: str, river: str) -> None:
    name, length = longest_river(country.title())
    assert name.lower() == river
    assert length > 500


def test_a_description_arrives_in_pieces() -> None:
    pieces = list(describe("Oslo"))
    assert len(pieces) > 3
    assert "fjord" in "".join(pieces)


def test_the_model_is_asked_for_json(chatreel: ChatreelSession) -> None:
    longest_river("Norway")
    [sent] = chatreel.sent
    assert sent["response_format"] == {"type": "json_object"}
    assert sent == chatreel.recorded[0]
