"""A bound for answers that are kept back until they are whole: longer ones pass as they come, and are not stored."""

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import ResponseData

from chatreel.engine.checking_heads import CheckedHttpStream
from chatreel.engine.decoding import LIMIT

TOO_LONG = f"The answer is longer than {LIMIT:,} bytes, so it was passed on and not kept."


def passed_on(data: bytes) -> bytes:
    """mitmproxy's stream callable for such an answer, and the mark by which it is known."""
    return data


class BoundedHttpStream(CheckedHttpStream):
    """Lets go of an answer that grows too long."""

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().state_consume_response_body(event)
        if not isinstance(event, ResponseData) or len(self.response_body_buf) <= LIMIT or not self.flow.response:
            return
        begun = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        self.flow.response.stream = passed_on
        yield from self.start_response_stream()
        yield from self.state_stream_response_body(ResponseData(self.stream_id, begun))
