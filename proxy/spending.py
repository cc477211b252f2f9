"""What the log knows of budgets: what was spent before this start, and what others on the store spend meanwhile."""

from decimal import Decimal
from typing import Final

import orjson

from chatreel.budget import Allowance, Period
from chatreel.store import Store

_SETTLED: Final = 2_000
"""Rows, the newest, that are summed anew each time: a server's writers may commit one after rows with greater ids."""


class Spending:
    """Tells allowances what stands in the log. One look at a time."""

    def __init__(self, store: Store, allowances: tuple[Allowance, ...]) -> None:
        self._store = store
        periods = {allowance.budget.period for allowance in allowances} - {Period.RUN}
        self._logs = {period: _PeriodLog(store, period) for period in periods}
        self._allowances = [allowance for allowance in allowances if allowance.budget.period in periods]

    async def look(self, now: float) -> None:
        """Take in what is new; seconds since the epoch. Raises `StoreError`."""
        if not self._logs:
            return
        read = {period: await log.read(now) for period, log in self._logs.items()}
        await self._store.calls.once_settled(lambda: self._tell(read, now))

    def _tell(self, read: "dict[Period, _Sums]", now: float) -> None:
        """Runs where calls are counted, so that none is meanwhile."""
        for allowance in self._allowances:
            sums = read[allowance.budget.period]
            paid = [sum_ for tags, sum_ in sums.items() if allowance.budget.covers(orjson.loads(tags or "{}"))]
            known, unpriced = sum(known for known, _ in paid), sum(unpriced for _, unpriced in paid)
            allowance.learn(Decimal(known).scaleb(-9), unpriced, now)


type _Sums = dict[str | None, tuple[int, int]]
"""Of calls, by their tags as the log has them: billionths of a USD, and calls of unknown price."""


class _PeriodLog:
    """The part of the log that is of one period. Rows that no earlier one will follow are read once."""

    def __init__(self, store: Store, period: Period) -> None:
        self._store = store
        self._period = period
        self._begin = 0.0
        self._last = 0
        """Number of the last row that is in `_sums`."""
        self._sums: _Sums = {}

    async def read(self, now: float) -> _Sums:
        """What the calls came to that were over in the period of `now`."""
        if (begin := self._period.begin(now)) > self._begin:
            self._begin, self._sums = begin, {}
        last = await self._store.calls.last()
        if last - self._last > 2 * _SETTLED:
            settled = last - _SETTLED
            self._sums = await self._with_rows(self._last, settled)
            self._last = settled
        return await self._with_rows(self._last, last)

    async def _with_rows(self, after: int, upto: int) -> _Sums:
        """The sums, and what these rows add to them."""
        sums = dict(self._sums)
        for spent in await self._store.calls.spent(self._begin, after, upto):
            known, unpriced = sums.get(spent.tags, (0, 0))
            sums[spent.tags] = known + spent.known, unpriced + spent.unpriced
        return sums
