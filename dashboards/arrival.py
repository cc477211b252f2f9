"""The first page that a visitor sees: its figures at once, all else when those are on the screen.

React shows what it loads together: figures that come with charts are seen only when all that draws charts is loaded and
has drawn them, which takes twice as long. Filters that nobody has set are waited for just as well.
"""

from typing import Final

import streamlit as st

_HERE: Final = "figures_shown"
"""In the state of a visitor."""
_SOON: Final = 0.4
"""Seconds by the browser's clock, which stands still while it draws; React holds back what was loaded for up to 0.3."""
_ROOM: Final = 340
"""Pixels that are kept free for a row of charts."""


def is_first() -> bool:
    """Whether a visitor has seen nothing yet."""
    return _HERE not in st.session_state


def is_over() -> None:
    """A page was drawn to its end."""
    st.session_state[_HERE] = True


def ask_for_the_rest() -> None:
    """Keep room for it. The browser asks for the whole page by itself, soon."""

    @st.fragment(run_every=_SOON)
    def rest() -> None:
        if not is_first():
            st.rerun(scope="app")
        is_over()
        st.skeleton(_ROOM)

    rest()
