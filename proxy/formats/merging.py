"""Two versions of a cassette to one, as git asks for it: both sides' additions, nobody's removals come back."""

from collections.abc import Iterable

from chatreel.model import Recording


def merged(base: Iterable[Recording], ours: Iterable[Recording], theirs: Iterable[Recording]) -> list[Recording]:
    """What both sides have, what either has added, and nothing that either has removed. Equal ones are one.

    Where both have recorded one request anew, both answers stay, as takes in the order of their recording.
    """
    ancestors, left, right = dict.fromkeys(base), dict.fromkeys(ours), dict.fromkeys(theirs)
    kept = [one for one in left if one in right or one not in ancestors]
    return kept + [one for one in right if one not in left and one not in ancestors]
