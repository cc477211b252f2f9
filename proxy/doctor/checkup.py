"""All checks, in the order in which somebody would mend what they find."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from platformdirs import user_data_path

from chatreel.config import Settings, load_settings
from chatreel.descriptors import allowed
from chatreel.doctor import environment, machine
from chatreel.doctor.findings import Finding, ok, wrong
from chatreel.errors import ConfigError
from chatreel.upstreams import Upstreams


def examine(**flags: object) -> list[Finding]:
    """Everything there is to say, given the flags of `doctor`. Nothing is made, opened for writing, or upgraded."""
    findings = [machine.versions(), machine.engine()]
    try:
        settings = load_settings(**flags)
        upstreams = Upstreams.parse(settings.upstream, settings.intercept)
    except ConfigError as error:
        return [*findings, wrong("settings", str(error), "see docs/reference.md, Settings")]
    findings.append(ok("settings", f"upstream {' '.join(settings.upstream)}"))
    for check in _checks(settings, upstreams):
        findings += _safely(check)
    return findings


def _checks(settings: Settings, upstreams: Upstreams) -> Iterator[Callable[[], Iterable[Finding]]]:
    folder = user_data_path("chatreel") / "certificates"
    now = machine.seconds()
    is_default = "mode" not in settings.given
    yield lambda: [environment.mode(os.environ, settings.mode.value, is_default=is_default)]
    yield lambda: [machine.port(settings.host, settings.port, "reverse proxy")]
    if settings.proxy_port is not None:
        number = settings.proxy_port
        yield lambda: [machine.port(settings.host, number, "forward proxy")]
    yield lambda: [machine.descriptors(settings.max_connections, allowed())]
    yield lambda: [environment.base_url(os.environ, settings.port)]
    yield lambda: environment.proxies(os.environ, settings.port, settings.proxy_port, upstreams.hosts)
    yield lambda: [machine.authority(folder, now)]
    yield lambda: environment.certificates(
        os.environ, settings.proxy_port, _texts(), _text(folder / "mitmproxy-ca-cert.pem") or ""
    )
    yield lambda: machine.store(settings.store, now)


def _safely(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """A check that fails is a finding, too: the others go on."""
    try:
        return list(check())
    except Exception as error:
        return [wrong("doctor", f"a check failed: {error!r}", "please report this")]


def _texts() -> dict[str, str | None]:
    return {name: _text(Path(file)) for name, file in environment.named_files(os.environ).items()}


def _text(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="ascii", errors="ignore")
    except OSError:
        return None
    return text if "BEGIN CERTIFICATE" in text else None
