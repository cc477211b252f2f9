"""Rules for volatile text that come with chatreel, to be picked by name.

They apply to the texts of messages, tool results among them, and nowhere else: a schema or the name of a model is never
volatile. Each pattern matches as little as identifies the thing, and nothing inside of a longer number or word, because
what a rule takes out can no longer tell two requests apart.
"""

from chatreel.canonical.rules import Rule
from chatreel.errors import ConfigError

TEXTS = ("/messages/*/content", "/messages/*/content/*/text")
"""Where a canonical body has the text of a message: plain, and in parts."""

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"

_TMP = r"(?:/private)?(?:/var)?/tmp"
_MAC_TMP = r"(?:/private)?/var/folders/[^/\s]+/[^/\s]+/T"
_WINDOWS_TMP = r"[A-Za-z]:\\{1,2}Users\\{1,2}[^\\\s]+\\{1,2}AppData\\{1,2}Local\\{1,2}Temp"
_MADE_UP = "|".join(
    (
        r"pytest-of-[^/\s]+/pytest-[0-9]+",
        r"tmp[a-z0-9_]{8}(?![a-z0-9_])",  # Python's tempfile
        r"tmp\.[A-Za-z0-9]{6,}",  # mktemp
        r"[\w.-]*?-(?=[a-z]{0,5}[0-9A-Z])[A-Za-z0-9]{6}(?![A-Za-z0-9])",  # Node's mkdtemp, known by a digit or capital
    )
)

SHIPPED: dict[str, str] = {
    # A day, unless a time of day follows: then it is the next one's.
    "iso-date": rf"(?<![0-9]){_DATE}(?![0-9]|[T ]{_TIME})",
    "iso-datetime": rf"(?<![0-9]){_DATE}[T ]{_TIME}(?::[0-5][0-9](?:[.,][0-9]+)?)?{_ZONE}?(?![0-9])",
    "uuid": r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])",
    # Seconds since 1970, from 2017 to 2033; also with a fraction, or in milli-, micro- or nanoseconds.
    "epoch": r"(?<![0-9.])1[5-9][0-9]{8}(?:\.[0-9]{1,9}|[0-9]{3}|[0-9]{6}|[0-9]{9})?(?![0-9])",
    # The folder of a user or a run, not the name of the file in it.
    "tmp-path": rf"(?<![\w/.]){_TMP}/(?:{_MADE_UP})|{_MAC_TMP}(?:/(?:{_MADE_UP}))?|{_WINDOWS_TMP}",
    # Hashes, commits, trace ids: 16 digits or more, letters and decimal digits among them, so that it is no number.
    "hex-id": r"(?<![0-9A-Za-z])(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{16,64}(?![0-9A-Za-z])",
}
"""Pattern by name."""


def shipped_rules(name: str) -> tuple[Rule, ...]:
    """Return the rules of that name, one for each place of text. Raises `ConfigError` listing the names there are."""
    if name not in SHIPPED:
        raise ConfigError(
            f"there is no shipped rule {name!r}: choose one of {', '.join(SHIPPED)}, or give name, pointer and pattern"
        )
    return tuple(Rule(name, pointer, SHIPPED[name]) for pointer in TEXTS)
