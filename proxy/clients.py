"""How programs find the proxy: the environment that clients of the API read. Pure: it is given the one there is."""

from collections.abc import Mapping

from chatreel.model import Mode

BASE_URL_VARIABLE = "CHATREEL_BASE_URL"
"""Told to the programs that run behind a proxy of ours; not a setting."""

BASE_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", BASE_URL_VARIABLE)
"""Where clients look for the API: the official SDKs; LangChain, LiteLLM and older SDKs; whoever asks for ours."""

API_KEY_VARIABLE = "OPENAI_API_KEY"
MADE_UP_KEY = "sk-chatreel-replay"
LOOPBACK = "127.0.0.1"


def client_variables(base_url: str, mode: Mode, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that have to change, with their new values, for clients to find the proxy at `base_url`."""
    changed = dict.fromkeys(BASE_URL_VARIABLES, base_url)
    for name in ("NO_PROXY", "no_proxy"):  # a proxy for the way out must not swallow the way to us
        names = inherited.get(name, "")
        if names != "*" and LOOPBACK not in names.split(","):
            changed[name] = ",".join(filter(None, (names, LOOPBACK)))
    if mode is Mode.REPLAY and API_KEY_VARIABLE not in inherited:
        changed[API_KEY_VARIABLE] = MADE_UP_KEY  # clients insist on a key; replay has no use for one
    return changed


def configured_upstream(inherited: Mapping[str, str]) -> str:
    """The API that clients are pointed at already; empty if none, or a proxy of ours, whose port is no address."""
    url = inherited.get("OPENAI_BASE_URL", "")
    return "" if url == inherited.get(BASE_URL_VARIABLE) else url
