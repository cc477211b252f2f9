"""Upstreams that speak TLS, as the real ones do."""

import ssl
from pathlib import Path

import pytest
import trustme

from support.calls import ask, error_of, question
from support.program import running_chatreel
from support.upstream import Upstream


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Upstream:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Upstream(tls=context)


def test_a_call_over_tls_is_recorded_and_replayed(
    secure: Upstream, authority: trustme.CA, store: str, tmp_path: Path
) -> None:
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    with (
        secure as upstream,
        running_chatreel(
            "--upstream", upstream.url, "--mode", "cache", "--store", store, env={"SSL_CERT_FILE": str(roots)}
        ) as proxy,
    ):
        first = ask(proxy.base_url, question(stream=True))
        second = ask(proxy.base_url, question(stream=True))
    assert first.status_code == 200
    assert first.content == second.content
    assert len(upstream.calls) == 1


def test_a_certificate_nobody_vouches_for_is_a_502(secure: Upstream, store: str) -> None:
    with (
        secure as upstream,
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
    ):
        response = ask(proxy.base_url, question())
    assert response.status_code == 502
    assert "certificate" in error_of(response)["message"].lower()
    assert upstream.calls == []
