"""What a page is given to draw itself from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Concatenate

import streamlit as st

from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries import calls
from chatreel.dashboards import controls
from chatreel.dashboards.controls import Chosen
from chatreel.dashboards.periods import spans, step
from chatreel.dashboards.source import Snapshot, Source


@dataclass(frozen=True)
class Page:
    """One page for one visitor, once."""

    source: Source
    snapshot: Snapshot
    choices: calls.Choices
    chosen: Chosen
    pages: Mapping[str, Any]
    """Pages of Streamlit by their path, to link to."""
    figures_only: bool = False
    """Whether to draw no more than figures for now: the rest comes soon."""

    @property
    def about(self) -> Filter:
        return self.chosen.about

    def ask[**P, T](
        self, question: Callable[Concatenate[LogFile, Filter, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """The answer to a question about the calls that are looked at."""
        return self.snapshot.ask(question, self.about, *args, **named)

    @cached_property
    def bounds(self) -> tuple[datetime, datetime]:
        """From when to when charts go: the period, or from the oldest call to now."""
        now = self.source.now()
        until = min(self.about.until or now, max(now, self.choices.last or now))
        return self.about.since or self.choices.first or now, until

    @cached_property
    def span(self) -> timedelta:
        """Length of the spans of time in charts."""
        return step(*self.bounds)

    @cached_property
    def moments(self) -> list[datetime]:
        """Beginnings of these spans."""
        return list(spans(*self.bounds, self.span))

    def along[T](self, known: Mapping[datetime, T]) -> list[T | None]:
        """What is known of each of these spans."""
        return [known.get(at) for at in self.moments]

    def has_calls(self) -> bool:
        """Whether there is anything to show; if not, that is said, with a way out."""
        if self.snapshot.ask(calls.count, self.about):
            return True
        newest = f"{self.choices.last:%-d %B %Y}" if self.choices.last else ""
        st.info(
            f"**No call in {self.chosen.period.name} is like that.** The newest call of all is of {newest}.",
            icon=":material/filter_alt_off:",
        )
        st.button("Show all calls", on_click=controls.clear, icon=":material/filter_alt_off:")
        return False
