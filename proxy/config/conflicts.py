"""Settings that are right one by one, and not together."""

import sys
from collections.abc import Iterator
from ipaddress import ip_address

from chatreel.budget import Period
from chatreel.config.settings import Settings
from chatreel.model import Mode
from chatreel.repeats import AtEnd


def conflicts(settings: Settings) -> Iterator[str]:
    """What is wrong, and what to do."""
    if settings.port and settings.port == settings.proxy_port:
        yield f"port and proxy_port are both {settings.port}; the two proxies need a port each"
    try:
        yield from _open_to_others(settings)
    except ValueError as error:  # a file of the token that cannot be used
        yield str(error)
    yield from _several_workers(settings)


def _open_to_others(settings: Settings) -> Iterator[str]:
    """Whoever reaches the proxy reads every prompt in it and spends with the keys that pass through it."""
    if settings.token and settings.token_file:
        yield "token and token_file are both given; one is enough"
    elif not settings.secret_token and not _is_loopback(settings.host):
        yield (
            f"host {settings.host} can be reached by others, so it needs a token that clients have to show: --token, "
            "--token-file or CHATREEL_TOKEN. Without one only loopback addresses are served (127.0.0.1, ::1, localhost)"
        )


def _several_workers(settings: Settings) -> Iterator[str]:
    """What lies in one process cannot be had from several: rather refused than half of it."""
    reasons = {
        "give a store: a cassette is written by one process": settings.cassette is not None,
        "give repeats = last: nobody counts the turns of all of them": settings.repeats is AtEnd.STRICT,
        "give cache or replay: the store is not the same when each of them starts": settings.mode is Mode.ONCE,
        "give a budget per day, week or month: a run is that of one process": any(
            budget.period is Period.RUN for budget in settings.budgets
        ),
        "connections are spread over processes on Linux alone": sys.platform != "linux",
    }
    why = [reason for reason, applies in reasons.items() if applies]
    if settings.workers > 1 and why:
        yield f"with {settings.workers} workers this is not possible; {'; '.join(why)}; or leave out --workers"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
