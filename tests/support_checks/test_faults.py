"""Each faulty upstream fails in the way its name says, told by a plain HTTP client."""

import http.client
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from support.faults import BODY, CONTENT, SCRIPTS, End, Fault, Faulty, refusing


def fetch(url: str, timeout: float = 10) -> bytes:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)) as connection:
        connection.request("POST", "/v1/chat/completions", b'{"a": 1}')
        response = connection.getresponse()
        return response.read()


def everything(url: str) -> tuple[bytes, type[OSError] | None]:
    """What comes over the wire until it ends, and the error it ends with."""
    heard = b""
    try:  # a reset may come before the connection is known to be there
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            while piece := connection.recv(65536):
                heard += piece
    except OSError as error:
        return heard, type(error)
    return heard, None


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault.RESET_ON_CONNECT, ConnectionResetError),
        (Fault.RESET_BEFORE_HEADERS, ConnectionResetError),
        (Fault.CLOSE_BEFORE_HEADERS, http.client.RemoteDisconnected),
        (Fault.RESET_IN_HEADERS, ConnectionResetError),
        (Fault.RESET_IN_BODY, ConnectionResetError),
        (Fault.CLOSE_IN_BODY, http.client.IncompleteRead),
        (Fault.RESET_IN_STREAM, ConnectionResetError),
        (Fault.CLOSE_IN_STREAM, http.client.IncompleteRead),
        (Fault.CLOSE_IN_CHUNK, http.client.IncompleteRead),
        (Fault.GARBAGE, http.client.BadStatusLine),
        (Fault.BAD_CHUNK_SIZE, http.client.IncompleteRead),
    ],
)
def test_fails_as_named(fault: Fault, seen: type[Exception]) -> None:
    """The client sees the failure, and one connection is counted."""
    with Faulty(fault) as upstream:
        with pytest.raises(seen):
            fetch(upstream.url)
        assert upstream.connections == 1


@pytest.mark.parametrize("fault", [fault for fault, script in SCRIPTS.items() if script.end is not End.STALL])
def test_sends_its_script_to_the_last_byte(fault: Fault) -> None:
    """What precedes the fault arrives whole; a reset is a reset and a close is a close."""
    with Faulty(fault) as upstream:
        heard, error = everything(upstream.url)
    assert heard == SCRIPTS[fault].sends
    if SCRIPTS[fault].end is End.CLOSE:
        assert error is None
    else:
        assert error in {ConnectionResetError, BrokenPipeError}


def test_streams_break_after_some_text() -> None:
    """A broken stream has given a part of the answer before it breaks."""
    assert CONTENT.encode() in SCRIPTS[Fault.RESET_IN_STREAM].sends


@pytest.mark.parametrize("fault", [Fault.BODY_TOO_LONG, Fault.BAD_LENGTH])
def test_a_wrong_length_is_on_the_wire(fault: Fault) -> None:
    """A body that does not fit its content-length is sent whole."""
    with Faulty(fault) as upstream:
        head, _, body = everything(upstream.url)[0].partition(b"\r\n\r\n")
    assert body.startswith(BODY)
    assert f"content-length: {len(body)}".encode() not in head


@pytest.mark.parametrize("fault", [fault for fault, script in SCRIPTS.items() if script.end is End.STALL])
def test_stalls_until_stopped(fault: Fault) -> None:
    """A stalling upstream sends nothing more after its script, and stopping it ends the connection."""
    with Faulty(fault) as upstream:
        with socket.create_connection(("127.0.0.1", urlsplit(upstream.url).port or 0), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            upstream.wait_for_requests(1)
            heard = connection.recv(len(SCRIPTS[fault].sends), socket.MSG_WAITALL) if SCRIPTS[fault].sends else b""
            assert heard == SCRIPTS[fault].sends
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            upstream.stop()
            connection.settimeout(10)
            assert connection.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            fetch(upstream.url)


def test_a_client_may_leave_a_stall() -> None:
    """A client that gives up frees the upstream for the next one, and both are counted."""
    with Faulty(Fault.STALL_BEFORE_HEADERS) as upstream:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                fetch(upstream.url, timeout=0.05)
        upstream.wait_for_requests(2)
        assert upstream.connections == 2
        assert [request.rpartition(b"\r\n\r\n")[2] for request in upstream.requests] == [b'{"a": 1}'] * 2


def test_refusing_refuses() -> None:
    """Nobody listens on the port, again and again, and nobody else can have it."""
    with refusing() as url:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                fetch(url)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", urlsplit(url).port))


def test_every_fault_has_a_script() -> None:
    """No fault is only a name."""
    assert set(SCRIPTS) == set(Fault)
