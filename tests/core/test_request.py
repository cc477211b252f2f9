"""What is kept of a request has the key that the request has, and no secret."""

from dataclasses import dataclass, replace

import orjson
import pytest

from chatreel.model import Json, JsonObject
from chatreel.request import Kept, Keys, read_request
from support.planted import KEYS, secret_of

KINDS = ["OpenAI key", "private key", "password in a URL"]


@dataclass(frozen=True)
class Route:
    upstream: str = "https://h"
    path: str = "/v1/chat/completions"
    query: str = ""
    tenant: str | None = None


def body(text: str, **more: Json) -> JsonObject:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def kept(request: JsonObject, route: Route | None = None, keys: Keys | None = None) -> Kept:
    raw = orjson.dumps(request)
    return (keys or Keys()).keep(route or Route(), read_request(raw), raw)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_can_be_made_anew_from_what_is_kept(kind: str) -> None:
    secret = KEYS[kind]
    one = kept(
        body(f"Use {secret}", user=secret), Route(path=f"/v1/{secret[:40]}/chat/completions", query=f"a={secret}")
    )
    assert Keys().identify(one, read_request(one.request)) == one.identity
    for text in (one.request, one.identity.document, one.path.encode(), one.query.encode()):
        assert secret_of(kind).encode() not in text
        assert orjson.dumps(secret_of(kind))[1:-1] not in text


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_differ_in_nothing_but_a_secret_have_different_keys(kind: str) -> None:
    secret = secret_of(kind)
    other = secret[:-8] + secret[-8:].swapcase()
    assert other != secret
    first, second = (kept(body(KEYS[kind].replace(secret, one))).identity.key for one in (secret, other))
    assert first != second


def test_a_placeholder_is_its_secret_so_that_a_history_with_a_replayed_answer_is_found() -> None:
    one = kept(body(f"Use {KEYS['OpenAI key']}"))
    said = read_request(one.request)
    assert Keys().identify(Route(), said) == kept(said).identity == one.identity


def test_a_request_without_secrets_is_kept_byte_for_byte_with_the_key_it_has() -> None:
    raw = b'{ "model": "m",\n"messages": [{"content": "sk-... and api_key"}] }'
    request = read_request(raw)
    known = Keys().identify(Route(), request)
    one = Keys().keep(Route(), request, raw, known)
    assert (one.request is raw, one.identity is known, one.redacted) == (True, True, ())
    assert Keys().identify(Route(), request) == known


def test_credentials_in_a_body_are_not_kept_and_change_no_key() -> None:
    tools: list[Json] = [{"type": "mcp", "authorization": "a plain password", "n": 1}]
    one = kept(body("Hi", api_key="another one", tools=tools))
    bare = body("Hi", tools=[{"type": "mcp", "n": 1}])
    assert orjson.loads(one.request) == bare
    assert (one.identity, one.redacted) == (kept(bare).identity, ("credential",))


def test_who_shares_recordings_counts_for_what_is_kept_too() -> None:
    keys = Keys(replace(Keys().options, scope="credential"), b"s" * 32)
    mine, yours = (kept(body(KEYS["OpenAI key"]), Route(tenant=tenant), keys) for tenant in ("a", "b"))
    assert mine.identity.key != yours.identity.key
