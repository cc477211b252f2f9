"""Upstreams that fail before their answer has begun, as errors in the API's shape."""

from mitmproxy import http
from mitmproxy.proxy.layers.http import ErrorCode, ResponseProtocolError

from chatreel.api_errors import ApiError, Problem


def upstream_error(failure: ResponseProtocolError, request: http.Request) -> ApiError:
    where = f"{request.scheme}://{request.host}:{request.port}"
    if failure.code is ErrorCode.CONNECT_FAILED:
        return ApiError(Problem.UPSTREAM_UNREACHABLE, f"chatreel cannot reach the upstream {where}: {failure.message}")
    return ApiError(
        Problem.UPSTREAM_BROKEN, f"the upstream {where} broke off before its answer was complete: {failure.message}"
    )
