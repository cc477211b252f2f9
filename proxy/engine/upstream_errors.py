"""Upstreams that fail before their answer has begun, as errors in the API's shape."""

from mitmproxy import http
from mitmproxy.proxy.layers.http import ErrorCode, ResponseProtocolError

from chatreel.api_errors import ApiError, Problem
from chatreel.upstreams import Upstream


def upstream_error(failure: ResponseProtocolError, asked: http.Request | Upstream) -> ApiError:
    where = f"{asked.scheme}://{asked.host}:{asked.port}"
    if failure.code is ErrorCode.CONNECT_FAILED:
        return ApiError(Problem.UPSTREAM_UNREACHABLE, f"chatreel cannot reach the upstream {where}: {failure.message}")
    return ApiError(
        Problem.UPSTREAM_BROKEN, f"the upstream {where} broke off before its answer was complete: {failure.message}"
    )
