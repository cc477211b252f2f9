"""The first page that a visitor sees: its figures at once, and its charts when those are on the screen.

React shows what it loads together: figures that come with charts are seen only when all that draws charts is loaded and
has drawn them, which takes twice as long.
"""

from typing import Final

import streamlit as st

_HERE: Final = "figures_shown"
"""In the state of a visitor."""
_SOON: Final = 0.4
"""Seconds by the browser's clock, which stands still while it draws; React holds back what was loaded for up to 0.3."""
_ROOM: Final = 340
"""Pixels that are kept free for a row of charts."""


def figures_first() -> bool:
    """Whether to draw no more than figures for now. Then the browser asks for the whole page by itself, soon."""
    if _HERE in st.session_state:
        return False

    @st.fragment(run_every=_SOON)
    def rest() -> None:
        if _HERE in st.session_state:
            st.rerun(scope="app")
        st.session_state[_HERE] = True
        st.skeleton(_ROOM)

    rest()
    return True
