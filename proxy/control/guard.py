"""Who may use the control API: programs on this machine. A web page must not drive it through its visitor's browser."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from chatreel.api_errors import ApiError, Problem

_ELSEWHERE = frozenset({"cross-site", "same-site"})


def refused(host: str, origin: str | None, fetch_site: str, own: str) -> ApiError | None:
    """Why not, if so: by `Host`, `Origin` and `Sec-Fetch-Site` of a request. `own`: the name or address we listen on.

    A page that has its own name point to this machine (DNS rebinding) is told by `Host`, any other by the rest.
    """
    if not _is_ours(host, own):
        return _forbidden(f"this API answers to the proxy's own address, not to {host!r}")
    if fetch_site.lower() in _ELSEWHERE or (origin is not None and origin.lower() != f"http://{host}".lower()):
        return _forbidden("this API is not for web pages")
    return None


def _is_ours(host: str, own: str) -> bool:
    try:
        name = urlsplit(f"http://{host}").hostname or ""
    except ValueError:
        return False
    if name in (own.lower(), "localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _forbidden(message: str) -> ApiError:
    return ApiError(Problem.FORBIDDEN, message)
