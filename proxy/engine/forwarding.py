"""Calls of the reverse proxy that go upstream without the engine: a third of what forwarding costs with it.

The fast path has read a request and has no answer for it. Here the request is decided on and sent, on a connection that
belongs to its client's. Who may come in and where a request goes was decided by the same code as for the engine, and
the same firewall is asked before there is a connection. `replay` is left to the engine, and so is whatever may go out
part by part, or comes from a client in a tunnel.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakSet

from mitmproxy.net.http import http1
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server import TimeoutWatchdog

from chatreel.decide import mode_for
from chatreel.engine.addon import prepare_head
from chatreel.engine.admission import point_at
from chatreel.engine.fast_path import FastPath, Opened
from chatreel.engine.forwarded_call import ForwardedCall
from chatreel.engine.gate import Gate
from chatreel.engine.heads import MAX_AHEAD, MAX_HEAD
from chatreel.engine.known_heads import KnownHeads
from chatreel.engine.passing import Means
from chatreel.engine.request_head import END
from chatreel.engine.route import Route
from chatreel.engine.upstream_line import UpstreamLine, open_line
from chatreel.exchange import Asked
from chatreel.http_caching import request_directives
from chatreel.model import Mode
from chatreel.pace import INSTANT
from chatreel.session import Session
from chatreel.upstreams import Target, Upstream

_PATIENCE = 2.0
"""Seconds for what is being stored when the proxy stops."""

logger = logging.getLogger(__name__)


class Forwarding:
    """What all connections share."""

    def __init__(self, means: Means, gate: Gate, fast: FastPath) -> None:
        self._means = means
        self._gate = gate
        self._fast = fast
        self._heads = KnownHeads(self._head_of)
        self.clients: WeakSet[ForwardingClient] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, client: "ForwardingClient", data: bytes, context: Context) -> tuple[int, ForwardedCall | None]:
        """Send on the request that begins here: how many bytes it has. 0 if the engine shall have it."""
        try:
            return self._begin(client, data, context)
        except Exception:
            logger.exception("a request was left to the engine")
            return 0, None

    def _begin(self, client: "ForwardingClient", data: bytes, context: Context) -> tuple[int, ForwardedCall | None]:
        end = data.find(END) + len(END)
        if not isinstance(context.client.proxy_mode, ReverseMode) or not len(END) <= end <= MAX_HEAD:
            return 0, None
        head = data[:end]
        opened = self._fast.open(head)
        place = self._fast.place(opened, context) if opened else None
        if opened is None or place is None or len(data) < end + opened.head.length or not _is_for_us(opened, *place):
            return 0, None
        session, target = place
        body = data[end : end + opened.head.length]
        before, after = self._heads.get(head)
        asked = Asked(target, body, opened.cache_control, opened.credentials, opened.tags)
        call = ForwardedCall(self._means, client, asked, Route(session, target, is_chat=True))
        self.keep(call.run(lambda length: b"%b%d%b" % (before, length, after)))
        return end + len(body), call

    def _head_of(self, head: bytes) -> tuple[bytes, bytes]:
        """What the upstream gets before and after the length of the body: what the engine makes of the head."""
        request = http1.read_request_head(head.removesuffix(END).split(b"\r\n"))
        opened = self._fast.open(head)
        if opened is None or opened.target is None:
            raise ValueError("a head that leads nowhere")
        self._gate.admit_head(request.headers)
        point_at(request, opened.target)
        prepare_head(request)
        request.headers["content-length"] = "\0"
        before, _, after = bytes(http1.assemble_request_head(request)).partition(b"\0")
        return before, after

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.create_task(work)
        if not task.done():
            self._tasks.add(task)
        task.add_done_callback(self._reported)

    def _reported(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a call that was forwarded has failed", exc_info=error)

    async def stop(self) -> None:
        """Give up what is under way. What has its answer is stored."""
        for client in [*self.clients]:
            client.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()


class ForwardingClient:
    """One connection of a client: one call at a time, and what comes meanwhile is held back."""

    def __init__(
        self,
        forwarding: Forwarding,
        context: Context,
        transport: asyncio.WriteTransport,
        watchdog: TimeoutWatchdog,
        go_on: Callable[[bytes], None],
    ) -> None:
        """`go_on`: takes what was held back."""
        self._forwarding = forwarding
        self._context = context
        self._transport = transport
        self._watchdog = watchdog
        self._go_on = go_on
        self._lines: dict[Upstream, UpstreamLine] = {}
        self._held = bytearray()
        self._call: ForwardedCall | None = None
        self.busy = False
        """Whether an answer is under way."""
        self.keep = forwarding.keep
        forwarding.clients.add(self)

    def take(self, data: bytes) -> bytes:
        """Send on the request that `data` begins with; what is left for the engine."""
        self.busy = True
        used, call = self._forwarding.begin(self, data, self._context)
        if not used:
            self.busy = False
            return data
        rest = data[used:]
        if self.busy:
            self._call = call
            self.hold(rest)
        elif rest:
            self._go_on(rest)
        return b""

    def hold(self, data: bytes) -> None:
        """Keep what comes before the answer has gone."""
        self._held += data
        if len(self._held) > MAX_AHEAD:
            self._transport.close()

    def leave(self) -> None:
        """The client has left."""
        if self._call:
            self._call.client_left()
        self._close_lines()

    def stop(self) -> None:
        """The proxy stops."""
        if self._call:
            self._call.give_up()

    def pause(self) -> None:
        """The client does not keep up with its answer."""
        if self._call:
            self._call.pause()

    def resume(self) -> None:
        if self._call:
            self._call.resume()

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def alive(self) -> None:
        """Something is happening: the connection is not idle."""
        self._watchdog.register_activity()

    def done(self, *, close: bool) -> None:
        """The call is over. `close`: and so is the connection."""
        self._call, self.busy = None, False
        self.alive()
        held, self._held = bytes(self._held), bytearray()
        if close or self._transport.is_closing():
            self._transport.close()
            self._close_lines()
        elif held:
            self._go_on(held)

    async def line_to(self, upstream: Upstream) -> UpstreamLine:
        """A connection to an upstream, which nobody else uses meanwhile. Raises `OSError`."""
        line = self._lines.get(upstream)
        if line is None or not line.is_open:
            line = self._lines[upstream] = await open_line(upstream)
        return line

    def _close_lines(self) -> None:
        """Nobody is left who could use them."""
        for line in self._lines.values():
            if line.receiver is None:
                line.close()


def _is_for_us(opened: Opened, session: Session, target: Target) -> bool:
    """Whether a call may go upstream, and what comes back goes out as it comes."""
    mode = mode_for(session.mode, request_directives(opened.cache_control)[0])
    return target.is_chat and mode is not Mode.REPLAY and session.options.speed == INSTANT
