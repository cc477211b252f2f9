"""A request whose head is refused is refused at once, by whatever piece of it comes next."""

from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import ErrorCode, HttpStream, ResponseProtocolError, SendHttp, validate_request


class CheckedHttpStream(HttpStream):
    """Refuses a request for its head before more of it is read: what follows such a head may be taken for anything."""

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if not request:
            return (yield from super().check_invalid(request))
        error = validate_request(self.mode, self.flow.request, self.context.options.validate_inbound_headers)
        if error:
            refused = ResponseProtocolError(self.stream_id, error, ErrorCode.REQUEST_VALIDATION_FAILED)
            yield SendHttp(refused, self.context.client)
            self.flow.live = False
            self.client_state = self.server_state = self.state_errored
        return bool(error)
