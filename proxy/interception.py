"""What `run --intercept` tells a program: to go through the forward proxy, and to trust its certificates.

Pure: it is given the environment there is. Nothing here is decided per program; every variable is one that some
well-known client reads, and that others ignore.
"""

from collections.abc import Iterable, Mapping

PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
"""Each also in lower case: curl reads `http_proxy` in no other, Go and Python read both."""

CA_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL and so httpx, aiohttp and Ruby; Go
    "REQUESTS_CA_BUNDLE",  # requests
    "CURL_CA_BUNDLE",  # curl, requests
    "NODE_EXTRA_CA_CERTS",  # Node, Bun
    "AWS_CA_BUNDLE",  # boto3 and the AWS CLI
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "DENO_CERT",
    "CARGO_HTTP_CAINFO",
    "HTTPLIB2_CA_CERTS",  # Google's older Python clients
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NIX_SSL_CERT_FILE",
)
"""Each takes the path of a PEM file: the roots there were, and ours."""

_NO_PROXY = ("NO_PROXY", "no_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def interception_variables(
    proxy_url: str, bundle: str, hosts: Iterable[str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """The variables that have to change. `hosts`: patterns of what is intercepted, `*` for any text; `bundle`: PEM."""
    names = [spelled for name in PROXY_VARIABLES for spelled in (name, name.lower())]
    changed = dict.fromkeys(names, proxy_url) | dict.fromkeys(CA_VARIABLES, bundle)
    changed["NODE_USE_ENV_PROXY"] = "1"  # Node 24 and later: `fetch` reads the variables above
    for name in _NO_PROXY:
        entries = ",".join([inherited.get(name, ""), *_LOOPBACK])
        around = leads_around(entries, hosts)
        changed[name] = ",".join(entry for entry in _entries(entries) if entry not in around)
    return changed


def leads_around(no_proxy: str, hosts: Iterable[str]) -> list[str]:
    """The entries of a `NO_PROXY` that keep clients from asking the proxy for one of the hosts."""
    tails = [pattern.rpartition("*")[2].lower() for pattern in hosts]
    return [entry for entry in _entries(no_proxy) if _swallows(entry, tails)]


def _entries(no_proxy: str) -> list[str]:
    return [entry for entry in dict.fromkeys(entry.strip() for entry in no_proxy.split(",")) if entry]


def _swallows(entry: str, tails: Iterable[str]) -> bool:
    """Whether a client that obeys this entry of `NO_PROXY` could go past the proxy to one of the hosts.

    `tails`: the ends of the hosts' names. An entry names a host and all below it, with or without a dot in front.
    """
    name = entry if entry.count(":") > 1 else entry.partition(":")[0]  # an IPv6 address, or a port behind the name
    suffix = name.lower().removeprefix("*").removeprefix(".")
    return not suffix or any(tail.endswith(suffix) or suffix.endswith(tail) for tail in tails)
