"""The cassette of a test: a file name that a person recognises, and that no other test of the module has.

Two tests never share a file, on file systems that ignore case included. Most names are files already
(`test_rain.json`, `TestOslo.test_rain.json`, `test_rain[gpt-4o-True].json`). Where something had to be replaced or cut,
`~` and a digest of the whole name follow. Pure.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

SUFFIX = ".json"
LONGEST = 120
"""Characters of a name without its suffix: well below the 255 bytes of a file system, and of the paths around it."""

_ODD = re.compile(r"[^A-Za-z0-9_.\-\[\]]+")
_PYTHONS_WORDS = re.compile(r"(?<![A-Za-z0-9])(?:true|false|none)(?![A-Za-z0-9])")
"""What `True`, `False` and `None` are called among parameters: the ones in capitals keep their plain name."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
"""Names of devices on Windows, whatever follows a dot."""
_DIGITS = 10


def cassette_name(owners: Sequence[str], test: str, *, ambiguous: bool = False) -> str:
    """The file of `test`, which is defined in the classes `owners` (outermost first, empty for a function).

    `test` may have parameters: `test_rain[gpt-4o]`. `ambiguous`: another class or function beside one of these is
    spelled alike but for case.
    """
    function, bracket, parameters = test.partition("[")
    whole = ".".join((*owners, test))
    kept = _ODD.sub("_", whole)
    plain = (
        kept == whole
        and not ambiguous
        and all(name.isidentifier() for name in (*owners, function))
        and parameters == _as_python_writes(parameters.lower())
        and len(whole) <= LONGEST
        and not _RESERVED.match(whole)
    )
    if plain:
        return whole + SUFFIX
    digest = sha256("\0".join((*owners, function, bracket + parameters)).encode(errors="surrogatepass")).hexdigest()
    return f"{kept[: LONGEST - _DIGITS - 1]}~{digest[:_DIGITS]}{SUFFIX}"


def _as_python_writes(text: str) -> str:
    return _PYTHONS_WORDS.sub(lambda match: match[0].capitalize(), text)
