"""With `scope = "credential"` recordings of two API keys never serve each other, and no key is stored or logged."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.calls import error_of, question
from support.command import chatreel
from support.database import rows
from support.program import Program, running_chatreel
from support.upstream import Upstream

SCOPE = {"CHATREEL_SCOPE": "credential"}
ANN, BOB = "sk-ann-0123456789", "sk-bob-0123456789"

SENT: dict[str, dict[str, Any]] = {
    "Ann": {"headers": {"authorization": f"Bearer {ANN}"}},
    "Bob": {"headers": {"authorization": f"Bearer {BOB}"}},
    "Ann, api-key": {"headers": {"api-key": ANN}},
    "Bob, api-key": {"headers": {"api-key": BOB}},
    "Ann, x-api-key": {"headers": {"x-api-key": ANN}},
    "Bob, x-api-key": {"headers": {"X-API-Key": BOB}},
    "Ann, query": {"params": {"api-key": ANN}},
    "Bob, query": {"params": {"api-key": BOB}},
    "Ann, body": {"json": question(api_key=ANN)},
    "Bob, body": {"json": question(api_key=BOB)},
    "Ann and Bob": {"headers": {"authorization": f"Bearer {ANN}", "x-api-key": BOB}},
    "Bob and Ann": {"headers": {"authorization": f"Bearer {BOB}", "x-api-key": ANN}},
    "nobody": {},
}
"""Ways to send a credential, no two of them the same tenant."""


@pytest.fixture
def proxy(upstream: Upstream, store: str) -> Iterator[Program]:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store, env=SCOPE) as program:
        yield program


def post(proxy: Program, sent: dict[str, Any], **headers: str) -> httpx.Response:
    request: dict[str, Any] = {"json": question()} | sent
    request["headers"] = {**sent.get("headers", {}), **headers}
    return httpx.post(f"{proxy.base_url}/chat/completions", trust_env=False, timeout=30, **request)


def test_each_credential_has_recordings_of_its_own(proxy: Program, upstream: Upstream) -> None:
    for who in SENT:
        refused = post(proxy, SENT[who], **{"cache-control": "only-if-cached"})
        assert error_of(refused)["code"] == "chatreel_no_recording", f"{who} got what somebody else recorded"
        assert post(proxy, SENT[who]).status_code == 200
    for who in SENT:
        assert post(proxy, SENT[who]).headers["cache-status"].startswith("chatreel; hit"), who
    assert len(upstream.calls) == len(SENT)


def test_no_credential_is_stored_or_logged(proxy: Program, store: str) -> None:
    """Its hash is, of 64 digits. One that travels in a body is part of the stored request, as all of a body is."""
    for who in ("Ann", "Bob, api-key", "Ann, x-api-key", "Bob, query"):
        post(proxy, SENT[who])
        post(proxy, {**SENT[who], "json": question("new")}, **{"cache-control": "only-if-cached"})
    proxy.stop()
    written = b"".join(path.read_bytes() for path in Path(store).parent.iterdir()) + proxy.log.encode()
    assert ANN.encode() not in written
    assert BOB.encode() not in written
    tenants = {tenant for (tenant,) in rows(store, "SELECT tenant FROM recordings UNION SELECT tenant FROM calls")}
    assert [len(tenant) for tenant in tenants] == [64] * 4


@pytest.mark.long
def test_a_refusal_does_not_quote_what_others_recorded(proxy: Program) -> None:
    post(proxy, {**SENT["Ann"], "json": question("The launch is on Friday the 13th, tell nobody.")})
    asked = {"json": question("The launch is on Friday the 14th, tell nobody.")}
    for who, quoted in (("Bob", False), ("nobody", False), ("Ann", True)):
        refused = error_of(post(proxy, SENT[who] | asked, **{"cache-control": "only-if-cached"}))
        assert ("13th" in refused["message"]) is quoted, who


@pytest.mark.long
def test_the_secret_lies_beside_the_store_for_its_owner_alone(proxy: Program, store: str) -> None:
    secret = Path(f"{store}.secret")
    assert len(secret.read_bytes()) == 32
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_bytes() not in Path(store).read_bytes()
    assert proxy.returncode is None


@pytest.mark.long
def test_a_recording_outlives_the_proxy_with_its_tenant(upstream: Upstream, store: str) -> None:
    arguments = ("--upstream", upstream.url, "--store", store, "--mode")
    with running_chatreel(*arguments, "cache", env=SCOPE) as proxy:
        post(proxy, SENT["Ann"])
    with running_chatreel(*arguments, "replay", env=SCOPE) as proxy:
        assert post(proxy, SENT["Ann"]).status_code == 200
        assert post(proxy, SENT["Bob"]).status_code == 504


@pytest.mark.long
def test_what_was_recorded_for_all_answers_nobody_in_particular_and_the_other_way_round(
    upstream: Upstream, store: str
) -> None:
    arguments = ("--upstream", upstream.url, "--store", store, "--mode", "cache")
    only = {"cache-control": "only-if-cached"}
    with running_chatreel(*arguments) as proxy:
        post(proxy, SENT["Ann"])
        assert post(proxy, SENT["Bob"], **only).status_code == 200
    assert not Path(f"{store}.secret").exists()
    with running_chatreel(*arguments, env=SCOPE) as proxy:
        assert {post(proxy, SENT[who], **only).status_code for who in SENT} == {504}
        post(proxy, {**SENT["Bob"], "json": question("secret")})
    with running_chatreel(*arguments) as proxy:
        assert post(proxy, {**SENT["Bob"], "json": question("secret")}, **only).status_code == 504


@pytest.mark.long
def test_two_stores_hash_a_credential_differently(upstream: Upstream, tmp_path: Path) -> None:
    documents = []
    for name in ("a.db", "b.db"):
        arguments = ("--upstream", upstream.url, "--mode", "cache", "--store", str(tmp_path / name))
        with running_chatreel(*arguments, env=SCOPE) as proxy:
            documents.append(json.dumps(post(proxy, SENT["Ann"]).headers["cache-status"]))
    assert documents[0] != documents[1]


@pytest.mark.long
def test_a_secret_that_others_can_read_is_refused(upstream: Upstream, store: str) -> None:
    Path(f"{store}.secret").write_bytes(bytes(32))
    Path(f"{store}.secret").chmod(0o644)
    ended = chatreel(
        "serve", "--upstream", upstream.url, "--port", "0", "--store", store, cwd=Path(store).parent, **SCOPE
    )
    assert ended.returncode == 4
    assert "can be read by others (mode 0644), so it is no secret: chmod 600" in ended.stderr
