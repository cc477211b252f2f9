"""The environment in which a program goes through the forward proxy."""

import pytest

from chatreel.interception import CA_VARIABLES, interception_variables

PROXY = "http://127.0.0.1:8081"
HOSTS = ("api.openai.com", "*.openai.azure.com", "bedrock-runtime.*.amazonaws.com")


def changed(**inherited: str) -> dict[str, str]:
    return interception_variables(PROXY, "/x/roots.pem", HOSTS, inherited)


def test_all_clients_are_told_of_the_proxy_and_its_certificates() -> None:
    told = changed()
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        assert told[name] == PROXY
    assert {told[name] for name in CA_VARIABLES} == {"/x/roots.pem"}
    assert {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"} <= set(CA_VARIABLES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("*", "localhost,127.0.0.1,::1"),
        ("db.corp, 10.0.0.0/8", "db.corp,10.0.0.0/8,localhost,127.0.0.1,::1"),
        ("openai.com,db.corp", "db.corp,localhost,127.0.0.1,::1"),
        (".openai.com", "localhost,127.0.0.1,::1"),
        ("*.openai.com", "localhost,127.0.0.1,::1"),
        ("api.openai.com:443", "localhost,127.0.0.1,::1"),
        ("team.openai.azure.com", "localhost,127.0.0.1,::1"),
        ("com", "localhost,127.0.0.1,::1"),
        ("amazonaws.com", "localhost,127.0.0.1,::1"),
        ("localhost", "localhost,127.0.0.1,::1"),
    ],
)
def test_no_entry_of_no_proxy_leads_around_us_to_an_intercepted_host(before: str, after: str) -> None:
    told = changed(NO_PROXY=before, no_proxy=before)
    assert (told["NO_PROXY"], told["no_proxy"]) == (after, after)


def test_loopback_goes_through_the_proxy_where_it_is_to_be_intercepted() -> None:
    told = interception_variables(PROXY, "/x", ("localhost", "127.0.0.1"), {})
    assert told["NO_PROXY"] == "::1"
