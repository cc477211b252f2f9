"""Colours. Told apart by people who do not tell red from green (Okabe and Ito), and on white as on black."""

from typing import Final

from chatreel.model import Outcome

BLUE: Final = "#3f6ad8"
GREEN: Final = "#12a07a"
SKY: Final = "#56b4e9"
ORANGE: Final = "#e69f00"
VERMILION: Final = "#d55e00"
PURPLE: Final = "#b65fa0"
GREY: Final = "#8a94a6"

OUTCOMES: Final = {
    Outcome.HIT: GREEN,
    Outcome.COALESCED: SKY,
    Outcome.RECORDED: BLUE,
    Outcome.PASSED: ORANGE,
    Outcome.REFUSED: PURPLE,
    Outcome.FAILED: VERMILION,
}
"""In the order in which they are stacked."""

SPENT: Final = BLUE
SAVED: Final = GREEN
LIMIT: Final = VERMILION

SERIES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, "#8c6d31", GREY)
"""For what has no colour of its own, in this order; the last is for all others."""
