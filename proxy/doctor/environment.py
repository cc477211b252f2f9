"""What the environment tells clients, and whether that leads to this proxy. Pure: the environment is given."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from chatreel.doctor.findings import Finding, ok, warning, wrong
from chatreel.interception import CA_VARIABLES, PROXY_VARIABLES, leads_around

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CA_NAMES = frozenset(CA_VARIABLES)


def base_url(environment: Mapping[str, str], port: int) -> Finding:
    """Where `OPENAI_BASE_URL` leads, for a proxy on `port`."""
    check, ours = "base URL", f"http://127.0.0.1:{port}/v1"
    url = environment.get("OPENAI_BASE_URL", "")
    if not url:
        return warning(
            check,
            "OPENAI_BASE_URL is not set, so clients go past the proxy unless they are told of it in code",
            f"export OPENAI_BASE_URL={ours}, or use `chatreel run -- CMD`",
        )
    host, found = _address(url)
    if host not in _LOOPBACK:
        return warning(check, f"OPENAI_BASE_URL leads to {host}, not to the proxy", f"export OPENAI_BASE_URL={ours}")
    if found != port:
        return warning(
            check, f"OPENAI_BASE_URL leads to port {found}, the proxy is on {port}", f"export OPENAI_BASE_URL={ours}"
        )
    if not urlsplit(url).path.strip("/"):
        return wrong(check, "OPENAI_BASE_URL has no path, so clients ask for /chat/completions", f"give {ours}")
    return ok(check, f"OPENAI_BASE_URL leads to the proxy, {url}")


def proxies(
    environment: Mapping[str, str], port: int, proxy_port: int | None, hosts: tuple[str, ...]
) -> Iterator[Finding]:
    """Where the proxy variables lead. `hosts`: patterns of what the forward proxy intercepts."""
    check = "proxies"
    given = {name: value for name in PROXY_VARIABLES if (value := _either(environment, name))}
    no_proxy = _either(environment, "NO_PROXY")
    if not given:
        yield ok(check, "no proxy variables are set")
        return
    ours = [name for name, value in given.items() if proxy_port and _address(value) in _own(proxy_port)]
    if ours and (entries := leads_around(no_proxy, hosts)):
        yield wrong(check, f"NO_PROXY leads around the proxy: {', '.join(entries)}", "take these entries out of it")
    elif ours:
        yield ok(check, f"{', '.join(ours)} lead{'s' if len(ours) == 1 else ''} to the forward proxy")
    others = sorted(given.keys() - set(ours))
    if others and _address(environment.get("OPENAI_BASE_URL", ""))[0] in _LOOPBACK and not _spares_loopback(no_proxy):
        yield wrong(
            check,
            f"{', '.join(others)} also take{'s' if len(others) == 1 else ''} what is for 127.0.0.1:{port}",
            "export NO_PROXY=127.0.0.1,localhost",
        )
    elif others:
        yield warning(
            check,
            f"{', '.join(others)} name another proxy; chatreel itself connects to upstreams directly",
            "unset them where upstreams can be reached without",
        )


def certificates(
    environment: Mapping[str, str], proxy_port: int | None, texts: Mapping[str, str | None], authority: str
) -> Iterator[Finding]:
    """Whether clients trust the forward proxy. `texts`: of the files that `CA_VARIABLES` name, `None`: unreadable.

    `authority`: our certificate, PEM; empty if there is none yet.
    """
    check = "trust"
    unreadable = sorted(name for name in texts if texts[name] is None)
    if unreadable:
        names = ", ".join(f"{name}={environment[name]}" for name in unreadable)
        yield wrong(check, f"no certificates can be read from {names}", "name a file of certificates, or unset it")
    intercepted = proxy_port and any(
        _address(_either(environment, name)) in _own(proxy_port) for name in PROXY_VARIABLES
    )
    if not intercepted:
        return
    without = sorted(name for name, text in texts.items() if text is not None and authority.strip() not in text)
    if not authority:
        yield wrong(check, "the forward proxy has no certificate authority yet", "start `chatreel serve` once")
    elif without or not texts:
        names = ", ".join(without) or "SSL_CERT_FILE is not set, so clients"
        yield wrong(
            check,
            f"{names} do not trust the forward proxy",
            "use `chatreel run --intercept -- CMD`, or add chatreel's certificate to the file",
        )
    elif not unreadable:
        yield ok(check, f"{', '.join(sorted(texts))} trust{'s' if len(texts) == 1 else ''} the forward proxy")


def named_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that name files of certificates, as far as they are set."""
    return {name: environment[name] for name in sorted(_CA_NAMES) if environment.get(name)}


def mode(environment: Mapping[str, str], chosen: str, *, is_default: bool) -> Finding:
    """Which mode it will be, and whether that is so only because of `CI`."""
    check = "mode"
    if is_default and chosen == "replay":
        return warning(
            check,
            f"CI={environment.get('CI', '')} is set, so the mode is replay and nothing is recorded",
            "give --mode, or set CHATREEL_MODE, if that is not meant",
        )
    return ok(check, f"{chosen}, {'the default' if is_default else 'as set'}")


def _either(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _own(port: int) -> set[tuple[str, int]]:
    return {(host, port) for host in _LOOPBACK}


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return "", 0
    return parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def _spares_loopback(no_proxy: str) -> bool:
    entries = {entry.strip() for entry in no_proxy.split(",")}
    return bool(entries & {"*", "127.0.0.1", "127.0.0.0/8"})
