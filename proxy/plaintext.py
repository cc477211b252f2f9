"""Text of strangers on a terminal: what a model wrote must not be able to move the cursor, recolour or rename a window.

Control characters (ECMA-48, C0 and C1), and the marks that turn the direction of writing, become visible escapes. So do
halves of characters, which no terminal takes.
"""

import re

_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_TAB = 4


def printable(text: str) -> str:
    """Return `text` on one line, with an escape for each character that is no printable one: `\\x1b`, `\\n`."""
    return _UNPRINTABLE.sub(_escape, text.expandtabs(_TAB) if "\t" in text else text)


def printable_lines(text: str) -> list[str]:
    """Return the lines of `text`, each printable; none if there is no text."""
    return [printable(line) for line in text.replace("\r\n", "\n").split("\n")] if text else []


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
