"""Modules of the store that need SQLAlchemy, for those that a start needs: each is imported when it is first asked.

That is in a thread of the store, once the proxy listens. SQLAlchemy, and our statements with it, take a fourth of a
start, and to answer from a store takes neither.
"""

import sys
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatreel.store import (
        adding as adding,
    )
    from chatreel.store import (
        bulk as bulk,
    )
    from chatreel.store import (
        counting as counting,
    )
    from chatreel.store import (
        database as database,
    )
    from chatreel.store import (
        leases as leases,
    )
    from chatreel.store import (
        log as log,
    )
    from chatreel.store import (
        neighbours as neighbours,
    )
    from chatreel.store import (
        payloads as payloads,
    )
    from chatreel.store import (
        recordings as recordings,
    )
    from chatreel.store import (
        recovering as recovering,
    )
    from chatreel.store import (
        removing as removing,
    )
    from chatreel.store import (
        shrinking as shrinking,
    )

_NAMES = (
    "adding",
    "bulk",
    "counting",
    "database",
    "leases",
    "log",
    "neighbours",
    "payloads",
    "recordings",
    "recovering",
    "removing",
    "shrinking",
)
_POLITE = 0.0005
"""Seconds after which a thread that imports lets the event loop go on if that has something to do; usually it is 5 ms,
and an answer takes several turns."""

_ONE_AT_A_TIME = RLock()
"""Of two that change the interval, the second would take what the first has set for the usual one."""


class _Later:
    """Has what a module has."""

    def __init__(self, name: str) -> None:
        self._name = f"{__package__}.{name}"
        self._module: ModuleType | None = None
        """Once it is imported: to look for it takes longer than what is asked of it."""

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            if self._name not in sys.modules:
                import_all()
            self._module = import_module(self._name)
        return getattr(self._module, name)


def __getattr__(name: str) -> Any:
    """Whoever imports one of the modules from here has it so."""
    if name not in _NAMES:
        raise AttributeError(name)
    return _Later(name)


def import_all() -> None:
    """What is imported when it is needed would be waited for then. Holds up other threads as little as can be."""
    with _ONE_AT_A_TIME:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_POLITE)
        try:
            for name in _NAMES:
                import_module(f"{__package__}.{name}")
        finally:
            sys.setswitchinterval(usual)
