"""Everything chatreel says to a person; nothing else writes to stderr."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from chatreel.model import Outcome
from chatreel.money import Account, dollars
from chatreel.redact import DEFAULT_REDACTOR, Redactor
from chatreel.tally import Tally

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> "Console":
    """For whatever is more than a line. It takes a tenth of a start to import, and a proxy needs none of it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    if console.cache_info().currsize:  # there may be a bar in the way
        console().print(text, markup=False)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def complain(text: str) -> None:
    console().print(f"chatreel: {text}", markup=False, style="red")


def verdict(tally: Tally) -> None:
    """What a run came to, in one line: all that happened, and the outcomes that always matter even if they are 0."""
    always = (Outcome.HIT, Outcome.RECORDED, Outcome.REFUSED)
    shown = [outcome for outcome in Outcome if outcome in always or tally.outcomes[outcome]]
    counts = ", ".join(_counted(tally.outcomes[outcome], outcome) for outcome in shown)
    calls = "1 call" if tally.calls == 1 else f"{tally.calls} calls"
    say(f"chatreel: {calls}: {counts}; {tally.seconds_saved:.1f} seconds saved{_money(tally.account)}")


def _money(account: Account) -> str:
    """Nothing, where no call has a price that is known."""
    if not (account.spent.priced or account.saved.priced):
        return ""
    unknown = f", {account.unpriced} of unknown price" if account.unpriced else ""
    return f", {dollars(account.saved.known)} saved, {dollars(account.spent.known)} spent{unknown}"


def _counted(number: int, outcome: Outcome) -> str:
    plural = "s" if outcome is Outcome.HIT and number != 1 else ""  # the others are participles
    return f"{number} {outcome}{plural}"


class _WithoutSecrets(logging.Formatter):
    """Whatever is logged, by whomever, tracebacks included."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.text(super().format(record))


def start_logging(*, quiet: bool = False, redactor: Redactor = DEFAULT_REDACTOR) -> None:
    """Ours and the engine's, to stderr. `quiet`: only what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(_WithoutSecrets(redactor))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("chatreel").setLevel(logging.WARNING if quiet else logging.INFO)
    # The engine reports a taken port by logging it and going on; chatreel says it once, and ends.
    logging.getLogger("mitmproxy.addons.proxyserver").setLevel(logging.CRITICAL)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, gone when the work is done, nothing elsewhere. Yields what is told how much was done."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.progress import Progress  # takes its time to import

    with Progress(console=console(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
