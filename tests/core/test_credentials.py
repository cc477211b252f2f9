"""Whose a request is: told by all credentials in it, by nothing else, and never by the credentials themselves."""

from typing import Any

import pytest

from chatreel.canonical import KeyOptions, credential_headers, identify, tenant, without_credentials

SECRET = bytes(range(32))
AZURE: Any = {"data_sources": [{"parameters": {"index": "i", "authentication": {"key": "sk-1"}}}]}
TOOLS: Any = {"tools": [{"type": "mcp", "authorization": "sk-1"}]}


def whose(headers: Any = (), query: str = "", body: Any = None) -> str:
    return tenant(SECRET, credential_headers(headers), query, body or {})


NOBODY = whose()

CREDENTIALS: list[tuple[Any, str, Any]] = [
    ([("Authorization", "Bearer sk-1")], "", {}),
    ([("Authorization", "Basic c2stMQ==")], "", {}),
    ([("api-key", "sk-1")], "", {}),
    ([("x-api-key", "sk-1")], "", {}),
    ([("x-goog-api-key", "sk-1")], "", {}),
    ([("Ocp-Apim-Subscription-Key", "sk-1")], "", {}),
    ([("authorization", "Bearer \udce9")], "", {}),
    ([], "key=sk-1", {}),
    ([], "a=1&API%2Dkey=sk-1", {}),
    ([], "", {"api_key": "sk-1"}),
    ([], "", AZURE),
    ([], "", TOOLS),
]


def test_each_way_to_send_a_credential_tells_somebody_else() -> None:
    tenants = [whose(*sent) for sent in CREDENTIALS]
    assert len({*tenants, NOBODY}) == len(CREDENTIALS) + 1


@pytest.mark.parametrize("sent", CREDENTIALS)
def test_a_tenant_is_a_keyed_hash(sent: tuple[Any, str, Any]) -> None:
    found = whose(*sent)
    assert len(found) == 64
    assert "sk-1" not in found
    assert found != tenant(bytes(32), credential_headers(sent[0]), *sent[1:])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (([("Authorization", "a")], "", {}), ([("authorization", "a"), ("accept", "*/*")], "", {})),
        (([("api-key", "a"), ("x-api-key", "b")], "", {}), ([("x-api-key", "b"), ("api-key", "a")], "", {})),
        (([], "key=a", {}), ([], "b=1&key=a&c=2", {})),
        (([], "", {"api_key": "a"}), ([], "", {"api_key": "a", "user": "b", "seed": 1})),
        (([("authorization", "")], "", {}), ([], "", {})),
    ],
)
def test_nothing_but_credentials_tells_tenants_apart(one: Any, other: Any) -> None:
    assert whose(*one) == whose(*other)


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        ("key=sk-1", ""),
        ("api-version=1&api-key=sk-1", "api-version=1"),
        ("API%2DKEY=sk-1&b=%20&a", "b=%20&a"),
        ("&a=1&&", "a=1"),
    ],
)
def test_a_query_without_its_credentials_makes_the_same_key(query: str, left: str) -> None:
    assert without_credentials(query) == left
    keys = {identify(upstream="u", path="p", query=one, body={}).key for one in (query, left)}
    assert len(keys) == 1


def test_the_tenant_counts_where_recordings_are_not_shared() -> None:
    def key(scope: Any, tenant: str | None) -> str:
        return identify(upstream="u", path="p", query="", body={}, options=KeyOptions(scope=scope), tenant=tenant).key

    assert key("shared", "a") == key("shared", None)
    keys = {key("shared", None), *(key("credential", tenant) for tenant in ("a", "b", "none", None))}
    assert len(keys) == 5
