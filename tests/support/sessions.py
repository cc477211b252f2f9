"""Sessions as a test runner opens them: over HTTP, in plain JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from support.program import Program


@dataclass(frozen=True)
class Sessions:
    """The control API of a running proxy."""

    origin: str
    """As in `http://127.0.0.1:8080`."""

    @classmethod
    def of(cls, proxy: Program) -> "Sessions":
        return cls(proxy.base_url.removesuffix("/v1"))

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request to a path under `/_chatreel/`."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, f"{self.origin}/_chatreel/{path}", **more)

    def open(self, **wishes: Any) -> dict[str, Any]:
        """Open a session; fails if it is refused."""
        response = self.ask("POST", "sessions", json=wishes)
        assert response.status_code == 201, response.text
        return self._members(response)

    def close(self, session: dict[str, Any]) -> dict[str, Any]:
        """The final verdict."""
        return self._members(self.ask("DELETE", f"sessions/{session['id']}"))

    def verdict(self, session: dict[str, Any]) -> dict[str, Any]:
        return self._members(self.ask("GET", f"sessions/{session['id']}"))

    def calls(self, session: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._members(self.ask("GET", f"sessions/{session['id']}/calls"))["calls"]
        return found

    @contextmanager
    def opened(self, **wishes: Any) -> Iterator[dict[str, Any]]:
        """A session until the end of the block."""
        session = self.open(**wishes)
        try:
            yield session
        finally:
            self.close(session)

    @staticmethod
    def _members(response: httpx.Response) -> dict[str, Any]:
        assert response.is_success, response.text
        found: dict[str, Any] = response.json()
        return found
