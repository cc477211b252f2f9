"""Budgets: how far they are spent, when they will be, and the most that they let a month cost."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import streamlit as st

from chatreel.analytics.queries import budgets
from chatreel.analytics.queries.budgets import Outlook
from chatreel.budget import Budget, Period, Unknown
from chatreel.dashboards import wording
from chatreel.dashboards.forecast import Limit
from chatreel.dashboards.page import Page


def look_ahead(page: Page) -> list[Outlook]:
    """Where the budgets stand that a log knows of, in their order."""
    now = page.source.now().replace(second=0, microsecond=0)  # the same for a minute: answers are remembered
    found = (page.snapshot.ask(budgets.outlook, budget, now) for budget in page.source.budgets)
    return [one for one in found if one]


def limits(page: Page, days: Sequence[datetime]) -> list[Limit]:
    """What budgets for the calls that are looked at let these days cost in all."""
    looked_at = replace(page.about, since=None, until=None)
    found = []
    for budget in page.source.budgets:
        allowed = budgets.allowed_by(budget, days) if budgets.covered(budget) == looked_at else None
        if allowed:
            found.append(Limit(f"Budget, {budget}", list(zip(days, map(float, allowed), strict=True))))
    return found


def draw(page: Page) -> None:
    """A sentence for each budget."""
    for one in look_ahead(page):
        if one.is_spent:
            st.warning(sentence(one, page.source.now()), icon=":material/block:")
        else:
            st.markdown(sentence(one, page.source.now()))
    if any(budget.period is Period.RUN for budget in page.source.budgets):
        st.caption("A budget of a run is counted by each proxy for itself, from its start on.")


def warn(page: Page) -> None:
    """Those that are spent."""
    for one in look_ahead(page):
        if one.is_spent:
            st.warning(sentence(one, page.source.now()), icon=":material/block:")


def sentence(one: Outlook, now: datetime) -> str:
    """How far it is spent, and when it will be. `now`: UTC, without a zone."""
    budget = one.budget
    part = f" ({one.spent / budget.amount:.0%})" if budget.amount else ""
    said = f"Budget of **{wording.plain(str(budget))}**: {_usd(one)} spent{part}. {_ahead(one, now)}"
    if one.unpriced and budget.unpriced is not Unknown.REFUSE:
        said += f" {wording.unpriced(one.unpriced)}: {wording.plain(_counts_as(budget))}."
    return said


def _ahead(one: Outlook, now: datetime) -> str:
    anew = f"{one.ends:%-d %B}"
    if one.is_spent:
        return f"Calls that no recording answers are refused until it starts anew on {anew}, 00:00 UTC."
    if not one.foreseen:
        return "There are not two weeks of calls yet to say when it will be reached."
    if one.reached is None:
        return f"As things go, it will not be reached before it starts anew on {anew}."
    day = "today" if one.reached == now.date() else f"on {one.reached:%-d %B}"
    return f"As things go, **it will be reached {day}**."


def _usd(one: Outlook) -> str:
    return wording.plain(wording.usd(float(one.spent)))


def _counts_as(budget: Budget) -> str:
    if isinstance(budget.unpriced, Unknown):
        return "each counts as nothing"
    return f"each counts as {wording.usd(float(budget.unpriced))}"
