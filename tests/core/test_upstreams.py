"""What an upstream may be called, and where a client's path leads: never to another origin."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.canonical import identify
from chatreel.errors import ConfigError
from chatreel.upstreams import DEFAULT_URL, Upstream, Upstreams, parse_upstream


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("https://api.openai.com/v1", Upstream("", "https", "api.openai.com", 443, "/v1")),
        ("https://api.openai.com", Upstream("", "https", "api.openai.com", 443, "")),
        ("https://api.openai.com/v1/", Upstream("", "https", "api.openai.com", 443, "/v1")),
        ("https://api.openai.com//", Upstream("", "https", "api.openai.com", 443, "")),
        ("HTTP://LocalHost:8000/V1", Upstream("", "http", "localhost", 8000, "/V1")),
        ("http://127.0.0.1", Upstream("", "http", "127.0.0.1", 80, "")),
        ("http://x:443", Upstream("", "http", "x", 443, "")),
        ("http://x:", Upstream("", "http", "x", 80, "")),
        ("http://[::1]:8000/v1", Upstream("", "http", "::1", 8000, "/v1")),
        ("https://[2001:db8::1]", Upstream("", "https", "2001:db8::1", 443, "")),
        ("local=http://127.0.0.1:8000", Upstream("local", "http", "127.0.0.1", 8000, "")),
        ("a-B_9=https://h/api/v1", Upstream("a-B_9", "https", "h", 443, "/api/v1")),
        ("https://h/a=b/v1", Upstream("", "https", "h", 443, "/a=b/v1")),
        ("n=https://h/a=b", Upstream("n", "https", "h", 443, "/a=b")),
    ],
)
def test_an_upstream_is_read(text: str, upstream: Upstream) -> None:
    assert parse_upstream(text) == upstream


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a URL"),
        ("api.openai.com", "is not a URL"),
        ("//api.openai.com", "is not a URL"),
        ("ftp://h", "is not a URL"),
        ("https://", "is not a URL"),
        ("https:///v1", "is not a URL"),
        ("https://:443/v1", "is not a URL"),
        ("http://h:0", "is not a URL"),
        ("http://h:port", "Port"),
        ("http://h:70000", "Port"),
        ("http://[::1", "IPv6"),
        ("https://h?api-version=1", "path only"),
        ("https://h/v1#top", "path only"),
        ("=https://h", "name ''"),
        ("1st=https://h", "name '1st'"),
        ("a b=https://h", "name 'a b'"),
        ("a/b=https://h", "name 'a/b'"),
        ("ü=https://h", "name 'ü'"),
        *((f"{name}=https://h", f"name '{name}'") for name in ("v1", "openai", "chat", "_chatreel")),
    ],
)
def test_what_is_no_upstream_is_refused_with_the_part_that_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse_upstream(text)


@pytest.mark.parametrize("userinfo", ["user", "user:hunter2", ":hunter2", "", "hunter2@x"])
def test_credentials_are_refused_and_not_repeated(userinfo: str) -> None:
    with pytest.raises(ConfigError, match="credentials") as raised:
        parse_upstream(f"https://{userinfo}@example.com/v1")
    assert "example.com" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@given(st.text())
@example("a=http://[")
@example("http://h:①")
def test_any_text_is_an_upstream_or_a_config_error(text: str) -> None:
    try:
        upstream = parse_upstream(text)
    except ConfigError:
        return
    assert upstream.host
    assert 0 < upstream.port < 65536


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://h", "https://h"),
        ("https://h:443/v1", "https://h"),
        ("https://h:80", "https://h:80"),
        ("http://h:80", "http://h"),
        ("http://h:8000", "http://h:8000"),
        ("http://[::1]", "http://[::1]"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_origin_names_scheme_host_and_a_port_that_is_not_the_default(text: str, origin: str) -> None:
    upstream = parse_upstream(text)
    assert upstream.origin == origin
    assert upstream.authority == origin.partition("://")[2]


def test_without_any_upstream_it_is_openais() -> None:
    assert Upstreams.parse(()).default == parse_upstream(DEFAULT_URL)


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (("a=http://x", "a=http://y"), "same name"),
        (("http://x", "b=http://y", "b=http://y"), "same name"),
        (("http://x", "http://y"), "name"),
    ],
)
def test_an_upstream_that_could_not_be_reached_is_refused(texts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Upstreams.parse(texts)


FOUR = Upstreams.parse(
    (
        "https://api.openai.com",
        "router=https://openrouter.ai/api/v1",
        "plain=http://127.0.0.1:8000",
        "gem=https://g.example/v1beta/openai",
    )
)
ROUTED = Upstreams.parse(("first=https://openrouter.ai/api/v1/",))
ADDRESSES = {("api.openai.com", 443), ("openrouter.ai", 443), ("127.0.0.1", 8000), ("g.example", 443)}


@pytest.mark.parametrize(
    ("asked", "url"),
    [
        ("/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("/v1/models?limit=3&after=a%2Fb", "https://api.openai.com/v1/models?limit=3&after=a%2Fb"),
        ("/v1/chat/completions?", "https://api.openai.com/v1/chat/completions"),
        ("/v1/chat/completions?a?b", "https://api.openai.com/v1/chat/completions?a?b"),
        ("/chat/completions", "https://api.openai.com/chat/completions"),
        (
            "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            "https://api.openai.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        ("/openai/v1/chat/completions", "https://api.openai.com/openai/v1/chat/completions"),
        ("/router/v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
        ("/router/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
        ("/router/v1", "https://openrouter.ai/api/v1"),
        ("/router/v1/models?x=1", "https://openrouter.ai/api/v1/models?x=1"),
        ("/router/v10/models", "https://openrouter.ai/api/v1/v10/models"),
        ("/router/v1-other/chat/completions", "https://openrouter.ai/api/v1/v1-other/chat/completions"),
        ("/plain/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions"),
        ("/plain/openai/deployments/d/chat/completions", "http://127.0.0.1:8000/openai/deployments/d/chat/completions"),
        ("/plain", "http://127.0.0.1:8000/"),
        ("/gem/v1/chat/completions", "https://g.example/v1beta/openai/chat/completions"),
    ],
)
def test_a_path_leads_to_a_url_of_its_upstream(asked: str, url: str) -> None:
    target = FOUR.target(asked)
    assert target is not None
    assert target.upstream.origin + target.path_and_query == url


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/v1/chat/completions", "/api/v1/chat/completions"),
        ("/first/v1/chat/completions", "/api/v1/chat/completions"),
        ("/chat/completions", "/api/v1/chat/completions"),
        ("/v1beta/chat/completions", "/api/v1/v1beta/chat/completions"),
        ("/openai/deployments/d/chat/completions", "/api/v1/openai/deployments/d/chat/completions"),
    ],
)
def test_a_base_path_of_the_default_upstream_takes_the_place_of_v1(asked: str, path: str) -> None:
    target = ROUTED.target(asked)
    assert target is not None
    assert target.path == path


@pytest.mark.parametrize(
    "asked",
    ["", "*", "/", "/v1", "/v2/models", "/nope", "/_chatreel/health", "/Router/v1/models", "/rout%65r/v1/models"],
)
def test_nothing_is_served_anywhere_else(asked: str) -> None:
    assert FOUR.target(asked) is None


@pytest.mark.parametrize(
    ("asked", "is_chat"),
    [
        ("/v1/chat/completions", True),
        ("/openai/deployments/d/chat/completions?api-version=1", True),
        ("/v1/chat/completions/", False),
        ("/v1/chat/completions/chatcmpl-1", False),
        ("/v1/chat%2Fcompletions", False),
        ("/v1/Chat/Completions", False),
        ("/v1/completions", False),
        ("/v1/models?x=/chat/completions", False),
    ],
)
def test_a_chat_completion_is_known_by_the_end_of_its_path(asked: str, is_chat: bool) -> None:
    target = FOUR.target(asked)
    assert target is not None
    assert target.is_chat is is_chat


SEGMENTS = st.sampled_from(
    ["", ".", "..", "%2e%2e", "%2F", "v1", "chat", "completions", "openai", "router", "plain", "gem", "evil.example"]
)
ODD = st.text(alphabet="/\\.:@%?#&=[]v1 \t\r\n\x00ü")
PATHS = st.builds(
    lambda start, segments, odd, end: start + "/".join(segments) + odd + end,
    st.sampled_from(["", "/", "//", "/v1/", "/router/", "/router/v1", "/plain/", "http://evil.example/", "@evil/"]),
    st.lists(SEGMENTS),
    ODD,
    st.sampled_from(["", "/chat/completions", "/v1/chat/completions", "@evil.example/chat/completions"]),
)


@pytest.mark.parametrize("upstreams", [FOUR, ROUTED], ids=["four", "one"])
@given(asked=PATHS)
@example("/v1/../../x/chat/completions")
@example("//evil.example/chat/completions")
@example("http://evil.example/v1/chat/completions")
@example("/router//evil.example/chat/completions")
@example("/router/v1@evil.example/chat/completions")
@example("/router/v1.evil.example/chat/completions")
@example("/plain/@evil.example/chat/completions")
def test_no_path_leads_to_another_origin(upstreams: Upstreams, asked: str) -> None:
    """The address is one that was configured, and stays so where the URL is put together as text."""
    target = upstreams.target(asked)
    if target is None:
        return
    assert (target.upstream.host, target.upstream.port) in upstreams.addresses <= ADDRESSES
    base_path = target.upstream.base_path
    assert target.path == base_path or target.path.startswith(base_path + "/")
    assert urlsplit(target.upstream.origin + target.path).hostname == target.upstream.host


@given(asked=PATHS)
def test_path_and_query_travel_as_they_were_spelled(asked: str) -> None:
    """With one upstream that has no path of its own, nothing is rewritten."""
    target = Upstreams.parse(("http://h",)).target(asked)
    assert target is None or target.path_and_query == asked.removesuffix("?" if asked.count("?") == 1 else "")


@pytest.mark.parametrize("host", ["api.example", "API.Example", "api.example.", "API.EXAMPLE."])
def test_a_host_is_the_same_however_it_is_spelled(host: str) -> None:
    """Else a forward proxy would take it for somebody else's, and let it pass."""
    upstreams = Upstreams.parse(("https://api.example/v1",))
    target = upstreams.intercepted("https", host, 443, "/v1/chat/completions")
    assert target is not None
    assert target.upstream.origin == "https://api.example"
    assert upstreams.is_at(host, 443)


def test_the_addresses_are_those_of_the_upstreams() -> None:
    assert FOUR.addresses == ADDRESSES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h/v1", "https://h:443/v1", True),
        ("https://h/v1", "named=https://H/v1/", True),
        ("https://h/v1", "http://h/v1", False),
        ("https://h/v1", "https://h:8443/v1", False),
        ("https://h/v1", "https://other/v1", False),
        ("https://h/v1", "https://h/other/v1", False),
    ],
)
def test_two_apis_never_share_a_key_however_they_are_named(one: str, other: str, same: bool) -> None:
    identities = []
    for text in (one, other):
        target = Upstreams.parse((text,)).target("/v1/chat/completions")
        assert target is not None
        identities.append(
            identify(upstream=target.upstream.origin, path=target.path, query=target.query, body={"messages": []})
        )
        assert json.loads(identities[-1].document)["upstream"] == target.upstream.origin
    assert (identities[0].key == identities[1].key) is same
