"""The answer of an upstream on its way to a client, without a layer between them: part by part, or once it is whole."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from h11 import ProtocolError
from mitmproxy import http

from chatreel.engine.addon import ChatreelAddon
from chatreel.engine.answer_reader import AnswerReader
from chatreel.engine.answer_writer import AnswerWriter
from chatreel.engine.answers import passed_on
from chatreel.engine.chat_stream import Rules
from chatreel.engine.decoding import LIMIT
from chatreel.engine.firewall import Firewall
from chatreel.engine.route import Route
from chatreel.recorder import Recorder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What all calls share that go upstream without the engine."""

    recorder: Recorder
    addon: ChatreelAddon
    firewall: Firewall
    rules: Rules


@dataclass(frozen=True, slots=True)
class Finished:
    """What becomes of an answer that is there, whole."""

    response: http.Response | None
    """What the client gets; `None`: the upstream has to be asked again."""
    may_end: bool = True
    """Whether its end may go on to the client."""


class Passing:
    """One answer: its head decides whether the rest goes on as it comes."""

    def __init__(self, addon: ChatreelAddon, route: Route, answer: AnswerWriter) -> None:
        self._addon = addon
        self._route = route
        self._answer = answer
        self._response: http.Response | None = None
        self._body = bytearray()
        self.reader = AnswerReader()

    @property
    def is_over(self) -> bool:
        """Whether it has said that it is, while its message goes on."""
        return self._route.tee is not None and self._route.tee.is_over

    def read(self) -> str:
        """Pass on what has come; why that is no answer, empty if it is one."""
        if self._response is None:
            try:
                self._response = self.reader.head()
            except ValueError as error:
                return f"Cannot parse HTTP response: {error}"
            if self._response is None:
                return ""
            self._begin(self._response)
        try:
            for data in self.reader.body():
                self._take(data)
        except ProtocolError as error:
            return f"HTTP/1 protocol error: {error}"
        return ""

    async def finish(self, release: Callable[[], None]) -> Finished:
        """It is there, whole: what is worth it is stored when this returns. Raises nothing of what goes wrong there.

        `release`: called if the end of a stream may go out before this returns.
        """
        response, exchange, tee = self._response, self._route.exchange, self._route.tee
        assert response is not None  # noqa: S101 - it is all there
        assert exchange is not None  # noqa: S101 - as above
        try:
            if tee:
                may_end = await self._addon.finish_stream(self._route, exchange, tee, response, release)
                return Finished(response, may_end)
            response.data.content = bytes(self._body)
            self._body.clear()
            if 400 <= response.status_code <= 499 and self._addon.asks_again(self._route, exchange, response):
                return Finished(None)
            return Finished(await self._addon.finish_whole(self._route, exchange, response))
        except Exception:
            logger.exception("an answer was not finished")
            return Finished(response)

    def _begin(self, response: http.Response) -> None:
        """Its head is there."""
        self._addon.begin(self._route, response)
        if self._route.tee:
            self._answer.head(response)

    def _take(self, data: bytes) -> None:
        """A part of the body."""
        response = self._response
        assert response is not None  # noqa: S101 - its head came before
        if callable(response.stream):
            self._answer.body(response.stream(data))
            return
        self._body += data
        if len(self._body) > LIMIT:
            response.stream = passed_on
            self._answer.head(response)
            self._answer.body(bytes(self._body))
            self._body.clear()
