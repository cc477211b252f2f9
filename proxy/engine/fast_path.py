"""Hits without the engine: a tenth of what they cost with it.

Whole HTTP/1.1 requests that can be answered at once are, with one write; all else, and whatever there is a doubt about,
goes on to mitmproxy, byte for byte. Who may come in, where a request goes and what answers it is decided by the same
code for both: `chatreel.engine.gate`, `chatreel.engine.admission`, and `Recorder.at_once`, which does nothing unless it
can answer. `chatreel.engine.fast_layer` puts it in front of the engine.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel import tags
from chatreel.access import TOKEN_HEADER
from chatreel.canonical import credential_headers
from chatreel.engine.admission import Admission
from chatreel.engine.gate import Gate
from chatreel.engine.heads import MAX_HEAD
from chatreel.engine.known_heads import KnownHeads
from chatreel.engine.request_head import END, Head, read_head
from chatreel.engine.route import Origin
from chatreel.exchange import Asked
from chatreel.http_caching import asked_control
from chatreel.recorder import Recorder
from chatreel.session import Session
from chatreel.upstreams import Target

MAX_BODY = 1024 * 1024
"""Bytes of a request that is waited for here; the engine reads longer ones."""

_AT_ONCE = 16
"""Requests that are answered in a row, if a client sends so many together: others have their turn then."""

_BEGINNING = b"POST /"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A head, and what the same for all requests with this head follows from it."""

    head: Head
    cache_control: str
    credentials: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    admitted: bool
    """To the reverse proxy."""
    session_id: str | None
    """As the path names it to the reverse proxy; `None` for the default one."""
    target: Target | None


class FastPath:
    """What all connections share."""

    def __init__(self, recorder: Recorder, admission: Admission, gate: Gate, *, max_body: int) -> None:
        self._recorder = recorder
        self._admission = admission
        self._gate = gate
        self._max_body = min(max_body, MAX_BODY)
        self.open = KnownHeads(self._read).get
        """Read a head; `None` if the engine shall."""
        self.departures = Departures(recorder.keep)

    def answer(self, opened: Opened, body: bytes, context: Context) -> tuple[bytes, bytes] | None:
        """Head and body of the response to a request that can be answered at once."""
        place = self.place(opened, context)
        if place is None or not place[1].is_chat:
            return None
        session, target = place
        asked = Asked(target, body, opened.cache_control, opened.credentials, opened.tags)
        return self._recorder.at_once(asked, session)

    def _read(self, raw: bytes) -> Opened | None:
        head = read_head(raw)
        if head is None or head.length > self._max_body:
            return None
        entry = self._gate.entry(head.all(TOKEN_HEADER.lower()), head.all("authorization"))
        headers = [(name, value) for name, value in head.headers if name != "authorization"]
        headers += [("authorization", value) for value in entry.authorization]
        session_id, target = self._admission.meant(head.target)
        return Opened(
            head=head,
            cache_control=asked_control(head.get("cache-control"), head.get("pragma") or ""),
            credentials=credential_headers(headers),
            tags=head.all(tags.HEADER),
            admitted=entry.admitted,
            session_id=session_id,
            target=target,
        )

    def wants(self, opened: Opened, context: Context) -> bool:
        """Whether it is worth waiting for the body: the call may be answered, or forwarded, without the engine."""
        place = self.place(opened, context)
        return place is not None and place[1].is_chat

    def place(self, opened: Opened, context: Context) -> tuple[Session, Target] | None:
        """Whose request it is, and where it goes; `None` if it does not come in, or goes nowhere."""
        client = context.client
        if isinstance(client.proxy_mode, ReverseMode):
            session = self._admission.session(opened.session_id) if opened.admitted else None
            return (session, opened.target) if session and opened.target else None
        address = context.server.address
        if address is None or not self._gate.is_in_a_tunnel(client):
            return None
        scheme = "https" if context.server.tls else "http"
        return self._admission.intercepted(Origin(scheme, *address[:2], client.sni), opened.head.target)


class Departures:
    """Answers that go out together, once the rows of their calls are kept: one write to a file for all of them."""

    def __init__(self, keep: Callable[[], None]) -> None:
        self._keep = keep
        self._waiting: list[tuple[asyncio.WriteTransport, list[bytes]]] = []

    def add(self, transport: asyncio.WriteTransport, answer: list[bytes]) -> None:
        """Send an answer, in pieces, when all has been read that has come in by now."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.leave)
        self._waiting.append((transport, answer))

    def leave(self) -> None:
        """Send them."""
        waiting, self._waiting = self._waiting, []
        self._keep()
        for transport, answer in waiting:
            if not transport.is_closing():
                transport.writelines(answer)  # to put the pieces together would be to copy them


class Line:
    """What one client sends, request by request."""

    def __init__(self, fast: FastPath, context: Context) -> None:
        self._fast = fast
        self._context = context
        self._held = bytearray()
        self._awaited = 0
        """Bytes that have to be held before it is worth another look."""

    @property
    def holds(self) -> bool:
        """Whether the beginning of a request is held back."""
        return bool(self._held)

    def release(self) -> bytes:
        """What is held back, for the engine."""
        held = bytes(self._held)
        self._held.clear()
        return held

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The next bytes: what the client gets at once, in pieces, and what is left for the engine."""
        if self._held:
            self._held += data
            if len(self._held) < self._awaited:
                return [], b""
            data = self.release()
        pieces: list[bytes] = []
        while data and len(pieces) < 2 * _AT_ONCE:
            try:
                used, answer = self._next(data)
            except Exception:
                logger.exception("the fast path has left a request to the engine")
                used, answer = 0, ()
            if used > len(data):
                self._held += data
                self._awaited = used
                return pieces, b""
            if not used:
                break
            pieces += answer
            data = data[used:]
        return pieces, data

    def _next(self, data: bytes) -> tuple[int, Sequence[bytes]]:
        """Bytes of the request that begins here, and its answer. 0: the engine's; more than there are: not yet."""
        end = data.find(END) + len(END)
        if end < len(END):
            begins = data.startswith(_BEGINNING[: len(data)]) and len(data) <= MAX_HEAD
            return (len(data) + 1 if begins else 0), ()
        opened = self._fast.open(data[:end]) if end <= MAX_HEAD else None
        if opened is None:
            return 0, ()
        whole = end + opened.head.length
        if len(data) < whole:
            return (whole if self._fast.wants(opened, self._context) else 0), ()
        answer = self._fast.answer(opened, data[end:whole], self._context)
        return (whole, answer) if answer else (0, ())
