"""One call that goes upstream without the engine: what `chat_layer` and `addon` see to there is seen to here.

Whatever is to be decided or known is asked of the same code for both: the recorder, the firewall, the tee, and what
`ChatreelAddon` does at the end of an answer.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from h11 import ProtocolError
from mitmproxy.proxy.layers.http import ErrorCode, ResponseProtocolError

from chatreel.decide import Action
from chatreel.engine.answer_writer import AnswerWriter, Client
from chatreel.engine.chat_stream import LINGER
from chatreel.engine.draining import MAX_BYTES
from chatreel.engine.messages import broken, response_of
from chatreel.engine.passing import Means, Passing
from chatreel.engine.route import Route
from chatreel.engine.upstream_errors import upstream_error
from chatreel.engine.upstream_line import UpstreamLine
from chatreel.exchange import Asked

_GONE = "Client disconnected."
"""As the engine says it."""

logger = logging.getLogger(__name__)


class ForwardedCall:
    """From a request that has been read to the end of its answer."""

    def __init__(self, means: Means, client: Client, asked: Asked, route: Route) -> None:
        self._means = means
        self._client = client
        self._asked = asked
        self._route = route
        self._answer = AnswerWriter(client)
        self._passing = Passing(means.addon, route, self._answer)
        self._line: UpstreamLine | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client_left = False
        self._drained = 0
        self._released = False
        """Whether its client has all of it."""
        self._over = False
        """Whether nothing that an upstream says counts any more."""

    async def run(self, head: Callable[[int], bytes]) -> None:
        """Begin; the rest follows as it comes. `head`: of the request, as the upstream gets it, for so long a body."""
        self._head = head
        try:
            await self._run(self._route)
        except Exception as error:
            self._collapse(error)

    async def _run(self, route: Route) -> None:
        try:
            exchange = await self._means.recorder.open(self._asked, route.session)
        except Exception:
            logger.exception("a request was not decided on")
            self._answer.whole(broken())
            return
        route.exchange = exchange
        if exchange.reply:
            self._answer.whole(response_of(exchange.reply))
        elif self._client_left:
            self._fail(_GONE, status=None)
            self._answer.break_off()
        else:
            await self._ask()

    def receive(self, data: bytes) -> None:
        """More of the answer."""
        self._client.alive()
        self._drained += len(data) if self._client_left else 0
        if self._drained > MAX_BYTES:
            self._give_up()
            return
        self._passing.reader.receive(data)
        try:
            self._read()
        except Exception as error:
            self._collapse(error)

    def upstream_closed(self) -> None:
        """The connection to the upstream is gone."""
        if self._over:
            return
        reader = self._passing.reader
        try:
            reader.close()
        except ProtocolError as error:
            self._break_off(f"HTTP/1 protocol error: {error}")
            return
        if reader.ended:
            self._end()
        else:
            rest = reader.rest
            self._break_off(f"unexpected server response: {rest!r}" if rest else "server closed connection")

    def client_left(self) -> None:
        """Nobody waits for the answer. If it is to be recorded, it goes on for a while."""
        if self._client_left:
            return
        self._client_left = True
        exchange = self._route.exchange
        if self._over or exchange is None or self._line is None:
            return
        if not self._means.rules.drains.seconds or exchange.logged or exchange.action is not Action.RECORD:
            self._give_up()
            return
        exchange.client_left = True
        self._line.resume()
        if self._timer:  # it lingers
            self._stop_lingering()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._means.rules.drains.seconds, self._give_up)

    def give_up(self) -> None:
        """The proxy stops."""
        self._client_left = True
        if self._route.exchange and not self._route.exchange.logged:
            self._give_up()

    def pause(self) -> None:
        """The client does not keep up with the answer."""
        if self._line and not self._client_left:
            self._line.pause()

    def resume(self) -> None:
        if self._line:
            self._line.resume()

    async def _ask(self) -> None:
        """Send the request, if the firewall lets it."""
        exchange, upstream = self._route.exchange, self._route.target.upstream
        if exchange is None or not self._means.firewall.lets(self._route):
            self._fail("chatreel lets this request have no connection", status=500)
            self._answer.whole(broken())
            return
        self._route.forwarded = time.perf_counter()
        self._passing, self._over = Passing(self._means.addon, self._route, self._answer), False
        try:
            line = await self._client.line_to(upstream)
        except OSError as error:
            if not self._over:
                self._break_off(str(error) or type(error).__name__, ErrorCode.CONNECT_FAILED)
            return
        if self._client_left:
            line.close()
            self._give_up()
            return
        self._line, line.receiver = line, self
        body = exchange.forwarded_body
        line.write(self._head(len(body)) + body)

    def _read(self) -> None:
        """What has come."""
        if failure := self._passing.read():
            self._break_off(failure)
        elif self._passing.reader.ended:
            self._end()
        elif self._passing.is_over:
            self._linger()

    def _linger(self) -> None:
        """It has said that it is over, and its message goes on: nearly all end it at once."""
        if self._client_left:
            self._stop_lingering()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._stop_lingering)

    def _end(self) -> None:
        """The answer is there, whole."""
        self._let_go_of_line(reusable=self._passing.reader.reusable)
        self._client.keep(self._finish())

    async def _finish(self) -> None:
        try:
            await self._finish_answer()
        except Exception as error:
            self._collapse(error)

    async def _finish_answer(self) -> None:
        finished = await self._passing.finish(self._release)
        if self._released:
            return
        if not finished.may_end:
            self._answer.break_off()
        elif finished.response is None:
            await self._ask()
        elif self._answer.begun:
            self._release()
        else:
            self._answer.whole(finished.response)

    def _release(self) -> None:
        """The client gets the end of what it has had until now, and may ask for more."""
        tee, self._released = self._route.tee, True
        self._answer.end(tee.end() if tee else b"")

    def _stop_lingering(self) -> None:
        """It has said that it is over, and the connection stays open: whatever it says now is nobody's."""
        if not self._over:
            self._let_go_of_line(reusable=False)
            self._client.keep(self._finish())

    def _let_go_of_line(self, *, reusable: bool) -> None:
        self._over = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        line, self._line = self._line, None
        if line:
            line.receiver = None
            if not reusable:
                line.close()

    def _break_off(self, reason: str, code: ErrorCode = ErrorCode.GENERIC_SERVER_ERROR) -> None:
        """The upstream has failed."""
        self._let_go_of_line(reusable=False)
        if self._answer.begun or self._client_left:
            self._fail(reason, status=None)
            self._answer.break_off()
            return
        self._fail(reason, status=502)
        failure = ResponseProtocolError(1, reason, code)
        self._answer.whole(self._means.rules.refuse(upstream_error(failure, self._route.target.upstream)))

    def _give_up(self) -> None:
        """As if the upstream had not been asked: nobody waits for it."""
        if not self._over:
            self._let_go_of_line(reusable=False)
            self._fail(_GONE, status=None)
            self._answer.break_off()

    def _collapse(self, error: Exception) -> None:
        """Something is wrong with us: nobody waits for ever."""
        logger.error("a call that went upstream has failed", exc_info=error)
        self._let_go_of_line(reusable=False)
        self._fail(f"chatreel failed: {error!r}", status=None)
        if not self._released:
            self._answer.break_off()

    def _fail(self, reason: str, *, status: int | None) -> None:
        exchange, tee = self._route.exchange, self._route.tee
        if exchange:
            exchange.first_piece = tee.first_piece if tee else None
            self._means.recorder.fail(exchange, reason, status=status)
