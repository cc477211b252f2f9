"""An HTTP answer that chatreel gives by itself."""

from typing import NamedTuple

from chatreel.api_errors import ApiError
from chatreel.http_caching import CacheStatus
from chatreel.pace import Part


class Reply(NamedTuple):
    """Ready to go out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    converted: bool = False
    """Whether the recording travelled in the other wire form."""
    parts: tuple[Part, ...] = ()
    """When to send what of `body`; empty for all at once."""

    def with_headers(self, *headers: tuple[str, str]) -> "Reply":
        return self._replace(headers=self.headers + headers)


def refusal(error: ApiError) -> Reply:
    """An error of ours as an answer, `Cache-Status` included."""
    status = CacheStatus(detail=error.problem.value.code)
    return Reply(error.status, (*error.headers, ("cache-status", str(status))), error.body)
