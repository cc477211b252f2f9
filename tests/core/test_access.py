"""What proves that a client may use the proxy, and what of it travels on."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.access import entry, parse_token, proxy_entry

TOKEN = "0123456789abcdef-token"


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "authorization", "onward"),
    [
        ([TOKEN], [], ()),
        ([TOKEN], ["Bearer sk-real"], ("Bearer sk-real",)),
        ([], [f"Bearer {TOKEN}"], ()),
        ([], [f"bearer  {TOKEN}"], ()),
        ([], [f"Bearer {TOKEN}:sk-real"], ("Bearer sk-real",)),
        ([], [f"Bearer {TOKEN}:"], ()),
        ([], [basic("chatreel", TOKEN)], ()),
        ([], [basic("", TOKEN)], ()),
        ([TOKEN], [f"Bearer {TOKEN}:sk-real"], ("Bearer sk-real",)),
        ([], [f"Bearer {TOKEN}", "Bearer sk-real"], ("Bearer sk-real",)),
    ],
)
def test_the_token_admits_and_stays_behind(headers: list[str], authorization: list[str], onward: tuple[str]) -> None:
    found = entry(TOKEN, headers, authorization)
    assert found.admitted
    assert found.authorization == onward


@pytest.mark.parametrize(
    ("headers", "authorization"),
    [
        ([], []),
        ([""], [""]),
        ([TOKEN[:-1]], []),
        ([TOKEN + "x"], []),
        ([TOKEN.upper()], []),
        ([], ["Bearer sk-real"]),
        ([], [f"Bearer sk-real:{TOKEN}"]),
        ([], [f"Basic {TOKEN}"]),
        ([], [basic(TOKEN, "")]),
        ([], ["Basic !!!"]),
        ([], ["Basic /w=="]),
        ([], [TOKEN]),
    ],
)
def test_nothing_else_admits_and_what_is_no_token_is_kept(headers: list[str], authorization: list[str]) -> None:
    found = entry(TOKEN, headers, authorization)
    assert not found.admitted
    assert found.authorization == tuple(authorization)


@given(value=st.text(max_size=60))
def test_no_other_text_is_the_token(value: str) -> None:
    """Also none that is no text at all to a header, as lone surrogates are."""
    assert not entry(TOKEN, [value], [value, f"Bearer {value}"]).admitted
    assert not proxy_entry(TOKEN, [value])


@pytest.mark.parametrize(
    ("value", "admitted"),
    [
        (basic("chatreel", TOKEN), True),
        (f"Bearer {TOKEN}", True),
        (basic(TOKEN, "x"), False),
        ("Bearer sk-real", False),
    ],
)
def test_a_forward_proxy_takes_it_as_a_password_or_a_bearer(value: str, admitted: bool) -> None:
    assert proxy_entry(TOKEN, [value]) is admitted


@pytest.mark.parametrize("text", ["", "short", "with:colon-0123456789", "with space 0123456789", "ümlaut-0123456789"])
def test_a_token_that_is_short_or_cannot_travel_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters") as raised:
        parse_token(text)
    assert not text or text not in str(raised.value)


def test_the_end_of_a_file_is_not_part_of_a_token() -> None:
    assert parse_token(f"{TOKEN}\n") == TOKEN
