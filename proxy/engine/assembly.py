"""The engine, put together."""

from dataclasses import dataclass
from pathlib import Path

from chatreel.control import Control
from chatreel.engine.addon import ChatreelAddon
from chatreel.engine.admission import Admission
from chatreel.engine.chat_stream import Rules
from chatreel.engine.draining import Drains
from chatreel.engine.firewall import Firewall
from chatreel.engine.master import Listen, ProxyMaster
from chatreel.engine.messages import response_of
from chatreel.engine.route import is_over, parts_of
from chatreel.recorder import Recorder
from chatreel.reply import refusal
from chatreel.sessions import Sessions
from chatreel.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much."""

    max_body: int
    """Bytes of a request."""
    drain: float
    """Seconds that an answer goes on without its client; 0: it ends with it."""


def assemble(
    sessions: Sessions,
    recorder: Recorder,
    control: Control,
    upstreams: Upstreams,
    *,
    limits: Limits,
    listen: Listen,
    certificates: Path,
) -> ProxyMaster:
    """A proxy that does not listen yet."""
    firewall = Firewall(sessions, upstreams)
    admission = Admission(sessions, upstreams, control, recorder, max_body=limits.max_body)
    rules = Rules(
        max_body=limits.max_body,
        turn_away=admission.turn_away,
        refuse=lambda error: response_of(refusal(error)),
        parts=parts_of,
        is_over=is_over,
        admits=firewall.admits,
        opening=firewall.opening,
        drains=Drains(limits.drain),
    )
    addon = ChatreelAddon(recorder, admission, control, upstreams, rules)
    return ProxyMaster(addon, firewall, upstreams, listen, certificates)
