"""Upstreams that fail before their answer has begun, as errors in the API's shape."""

from mitmproxy import http
from mitmproxy.proxy.layers.http import ErrorCode, ResponseHeaders, ResponseProtocolError

from chatreel.api_errors import ApiError, Problem


def is_interim(response: http.Response) -> bool:
    """Whether another response follows (RFC 9110, section 15.2); 101 is the last one that is HTTP."""
    return 100 <= response.status_code <= 199 and response.status_code != 101


def interim_error(headers: ResponseHeaders) -> ResponseProtocolError:
    message = f"it sent an interim response, status {headers.response.status_code}, which chatreel cannot pass on"
    return ResponseProtocolError(headers.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)


def upstream_error(failure: ResponseProtocolError, request: http.Request) -> ApiError:
    where = f"{request.scheme}://{request.host}:{request.port}"
    if failure.code is ErrorCode.CONNECT_FAILED:
        return ApiError(Problem.UPSTREAM_UNREACHABLE, f"chatreel cannot reach the upstream {where}: {failure.message}")
    return ApiError(
        Problem.UPSTREAM_BROKEN, f"the upstream {where} broke off before its answer was complete: {failure.message}"
    )
