"""The engine, put together."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chatreel.control import Control
from chatreel.engine.addon import ChatreelAddon
from chatreel.engine.admission import Admission
from chatreel.engine.bodies import Bodies
from chatreel.engine.chat_stream import Rules
from chatreel.engine.destinations import Destinations
from chatreel.engine.draining import Drains
from chatreel.engine.engine_addons import Proxyserver
from chatreel.engine.fast_layer import FastLayer
from chatreel.engine.fast_path import FastPath
from chatreel.engine.firewall import Firewall
from chatreel.engine.forwarding import Forwarding
from chatreel.engine.gate import Gate
from chatreel.engine.hooks import Hooks
from chatreel.engine.interim import pass_over
from chatreel.engine.lost_upstreams import notice_lost_upstreams
from chatreel.engine.master import Listen, ProxyMaster
from chatreel.engine.messages import response_of
from chatreel.engine.passing import Means
from chatreel.engine.route import is_over, parts_of
from chatreel.engine.unchecked import trust_messages
from chatreel.recorder import Recorder
from chatreel.reply import refusal
from chatreel.sessions import Sessions
from chatreel.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much."""

    max_body: int
    """Bytes of a request."""
    max_bodies: int
    """Bytes of large ones that are held at a time."""
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
    fast_path: bool = True,
) -> ProxyMaster:
    """A proxy that does not listen yet. `fast_path`: whether hits are answered without the engine where they can be."""
    pass_over()
    trust_messages()
    notice_lost_upstreams()
    server = Proxyserver()
    hooks = Hooks()
    gate = Gate(listen.policy, upstreams)
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
        bodies=Bodies(limits.max_bodies, server.connections),
        begin=hooks.begin,
    )
    fast = FastPath(recorder, admission, gate, max_body=limits.max_body)
    addon = ChatreelAddon(recorder, admission, control, upstreams, rules)
    forwarding = Forwarding(Means(recorder, addon, firewall, rules), gate, fast)
    if fast_path:
        addon.fast_layer = partial(
            FastLayer, rules=rules, fast=fast, forwarding=forwarding, handlers=server.connections
        )
    bolts = (gate, firewall, Destinations(upstreams, server))
    return ProxyMaster(bolts, addon, server, hooks, listen, certificates, forwarding)
