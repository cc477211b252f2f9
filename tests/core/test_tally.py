"""What calls came to, in numbers."""

from chatreel.model import Outcome
from chatreel.tally import Tally


def test_a_tally_counts_outcomes_and_adds_up_the_seconds_saved() -> None:
    tally = Tally()
    tally.count(Outcome.HIT, seconds_saved=1.5)
    tally.count(Outcome.HIT, seconds_saved=2.0)
    tally.count(Outcome.REFUSED)
    assert tally.calls == 3
    assert tally.outcomes == {Outcome.HIT: 2, Outcome.REFUSED: 1}
    assert tally.outcomes[Outcome.FAILED] == 0
    assert tally.seconds_saved == 3.5


def test_a_replay_slower_than_its_recording_costs_nothing() -> None:
    tally = Tally()
    tally.count(Outcome.HIT, seconds_saved=-9.0)
    assert (tally.calls, tally.seconds_saved) == (1, 0.0)


def test_tallies_add_up() -> None:
    one, other = Tally(), Tally()
    one.count(Outcome.HIT, seconds_saved=1.0)
    other.count(Outcome.HIT, seconds_saved=2.0)
    other.count(Outcome.FAILED)
    one.add(other)
    assert (one.outcomes, one.seconds_saved) == ({Outcome.HIT: 2, Outcome.FAILED: 1}, 3.0)
