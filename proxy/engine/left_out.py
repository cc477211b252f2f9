"""What the engine imports for protocols and tools that have no part here, left out: a sixth of a start.

QUIC, and HTTP/3 on it, come with a TLS library of their own, and nothing here listens on UDP. Commands of a console are
taken apart by a grammar, and options can lie in a file: there is neither. Classes and functions of what is left out are
there by their names, so that the engine can be imported; whoever calls one is told so. A whole library comes when it is
first used.

Written against mitmproxy 12.2; pyproject.toml caps the version. Comes before all else of the engine.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_ABSENT = (
    "mitmproxy.proxy.layers.quic",
    "mitmproxy.proxy.layers.http._http3",
    "aioquic.h3.connection",
    "aioquic.tls",
    "mitmproxy.command_lexer",
)
_LATER = ("pyparsing", "ruamel.yaml")


class _Absent(ModuleType):
    """Has every name, of a class that nothing is of."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        found = type(name, (), {"__module__": self.__name__, "__init__": _refuse})
        setattr(self, name, found)
        return found


class _Later(ModuleType):
    """Becomes what it stands for when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def _refuse(self: object, *_args: object, **_named: object) -> None:
    """What looks as if it worked would be worse: nobody may come to believe that QUIC is spoken here."""
    kind = type(self)
    raise NotImplementedError(f"{kind.__module__}.{kind.__name__} is left out of chatreel: see {__name__}")


def _leave_out() -> None:
    """What is imported already stays."""
    for name in _ABSENT:
        if name not in sys.modules:
            sys.modules[name] = _Absent(name)
    for name in _LATER:
        if name not in sys.modules and (spec := find_spec(name)):
            module = module_from_spec(spec)
            module.__class__ = _Later
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(import_module(parent), child, module)


if find_spec("mitmproxy"):
    _leave_out()
