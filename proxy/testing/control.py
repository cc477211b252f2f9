"""The control API of the run's proxy, over one connection that stays open. Standard library only."""

import json
import threading
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from chatreel.errors import ChatreelError

SESSIONS = "/_chatreel/sessions"
PATIENCE = 60.0
"""Seconds until an answer counts as one that does not come: a loaded machine is slow."""


class ControlError(ChatreelError):
    """The proxy refused what it was asked, or does not answer."""


class Control:
    """One connection, for all threads of this process in turn."""

    def __init__(self, origin: str) -> None:
        """`origin` as in `http://127.0.0.1:8080`."""
        self.origin = origin
        parts = urlsplit(origin)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        self._lock = threading.Lock()

    def open_session(self, wishes: dict[str, object]) -> dict[str, Any]:
        """Open a session. Raises `ControlError` with what is wrong with a wish, or in whose way it is."""
        return self._ask("POST", SESSIONS, wishes)

    def close_session(self, session: str) -> dict[str, Any]:
        """Close a session: its final verdict. Its cassette is on disk."""
        return self._ask("DELETE", f"{SESSIONS}/{session}")

    def verdict(self, session: str) -> dict[str, Any]:
        """What a session has come to so far."""
        return self._ask("GET", f"{SESSIONS}/{session}")

    def calls(self, session: str) -> list[dict[str, Any]]:
        """The calls of a session so far, in order of arrival."""
        calls: list[dict[str, Any]] = self._ask("GET", f"{SESSIONS}/{session}/calls")["calls"]
        return calls

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _ask(self, method: str, path: str, document: dict[str, object] | None = None) -> dict[str, Any]:
        body = None if document is None else json.dumps(document).encode()
        try:
            with self._lock:
                status, said = self._exchange(method, path, body)
            answer: dict[str, Any] = json.loads(said)
        except (OSError, HTTPException, ValueError) as error:
            raise ControlError(f"the proxy of this run at {self.origin} does not answer: {error!r}") from error
        if status >= 400:
            raise ControlError(str(answer.get("error", {}).get("message", answer)))
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """One request; once more if the connection had been closed since the last one, as servers do after a while."""
        for fresh in (self._connection.sock is None, True):
            try:
                self._connection.request(method, path, body, {"content-type": "application/json"} if body else {})
                response = self._connection.getresponse()
                return response.status, response.read()
            except (ConnectionError, HTTPException):
                self._connection.close()
                if fresh:
                    raise
        raise AssertionError("the second round returns or raises")
