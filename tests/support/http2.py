"""A server that speaks HTTP/2 and nothing else, one thread per connection; it answers every request with one body."""

import socket
import socketserver
import ssl
import threading
from types import TracebackType
from typing import Any, Self, override

import h2.config
import h2.connection
import h2.events

from support.sockets import Server, reserve, url_of


class Http2Upstream:
    """Inside `with Http2Upstream(tls, body) as upstream`."""

    def __init__(self, tls: ssl.SSLContext, body: bytes) -> None:
        """`tls`: its certificate. `body`: JSON, what everybody gets."""
        tls.set_alpn_protocols(["h2"])
        self.tls = tls
        self.body = body
        self.asked: list[dict[str, str]] = []
        """Headers of the requests so far, pseudo-headers included."""
        self._lock = threading.Lock()
        bound = reserve()
        self.url = url_of(bound).replace("http:", "https:")
        self._server = _Server(bound, self)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until its client leaves."""
        with self.tls.wrap_socket(connection, server_side=True) as secure:
            protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
            protocol.initiate_connection()
            secure.sendall(protocol.data_to_send())
            while data := secure.recv(65536):
                for event in protocol.receive_data(data):
                    self._handle(protocol, event)
                secure.sendall(protocol.data_to_send())

    def _handle(self, protocol: h2.connection.H2Connection, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            with self._lock:
                self.asked.append({str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, h2.events.DataReceived):
            protocol.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, h2.events.StreamEnded):
            number = event.stream_id or 0
            protocol.send_headers(number, [(":status", "200"), ("content-type", "application/json")])
            protocol.send_data(number, self.body, end_stream=True)


class _Server(Server):
    def __init__(self, bound: socket.socket, upstream: Http2Upstream) -> None:
        super().__init__(bound, socketserver.BaseRequestHandler, lambda: 0)
        self._upstream = upstream

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        self._upstream.serve(request)
