"""Where a setting comes from, how it may be spelled, and that a wrong one is named."""

import logging
import os
import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, Rule, shipped_rules
from chatreel.config import READERS, load_settings
from chatreel.errors import ConfigError
from chatreel.model import Mode
from chatreel.rates import PriceOverride
from chatreel.upstreams import DEFAULT_URL


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment that says nothing of chatreel."""
    for name in os.environ:
        if name.upper() == "CI" or name.upper().startswith("CHATREEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_word_the_defaults_hold(folder: Path) -> None:
    settings = load_settings()
    assert settings.upstream == (DEFAULT_URL,)
    assert settings.mode is Mode.CACHE
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.max_body == 64 * 2**20
    assert settings.memory == 256 * 2**20
    assert settings.ready_file is None
    assert Path(settings.store).name == "store.db"
    assert not any(folder.iterdir()), "loading settings makes nothing"


SOURCES = ["pyproject.toml", "chatreel.toml", "environment", "flag"]
"""In rising order."""


@pytest.mark.parametrize("strongest", range(1, len(SOURCES) + 1))
def test_a_flag_beats_the_environment_beats_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, strongest: int
) -> None:
    """Each source gives a port of its own; the strongest of those that speak is heard."""
    present = SOURCES[:strongest]
    (folder / "pyproject.toml").write_text("[project]\nname = 'theirs'\n[tool.chatreel]\nport = 1\nhost = '::1'\n")
    if "chatreel.toml" in present:
        (folder / "chatreel.toml").write_text("port = 2\n")
    if "environment" in present:
        monkeypatch.setenv("CHATREEL_PORT", "3")
    flags = {"port": 4} if "flag" in present else {}
    settings = load_settings(**flags)
    assert settings.port == strongest
    assert settings.host == "::1", "what the stronger do not mention stays"


def test_a_pyproject_of_somebody_else_says_nothing(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.other]\nport = 1\n")
    assert load_settings().port == 8080


@pytest.mark.parametrize(
    ("flag", "value"),
    [("port", None), ("upstream", ()), ("mode", None), ("store", None), ("ready_file", None)],
)
def test_a_flag_that_was_not_given_decides_nothing(monkeypatch: pytest.MonkeyPatch, flag: str, value: Any) -> None:
    monkeypatch.setenv("CHATREEL_PORT", "1")
    assert load_settings(**{flag: value}).port == 1


def test_port_0_is_a_flag_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATREEL_PORT", "1")
    assert load_settings(port=0).port == 0


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("CHATREEL_UPSTREAM", "https://h", "upstream", ("https://h",)),
        ("CHATREEL_UPSTREAM", "https://h b=http://i:1/v1", "upstream", ("https://h", "b=http://i:1/v1")),
        ("CHATREEL_UPSTREAM", "https://h, b=http://i", "upstream", ("https://h", "b=http://i")),
        ("CHATREEL_UPSTREAM", " https://h\n", "upstream", ("https://h",)),
        ("chatreel_upstream", "https://h", "upstream", ("https://h",)),
        *(("CHATREEL_MODE", mode.value, "mode", mode) for mode in Mode),
        ("CHATREEL_MODE", "new_episodes", "mode", Mode.CACHE),
        ("CHATREEL_MODE", "none", "mode", Mode.REPLAY),
        ("CHATREEL_MODE", "all", "mode", Mode.RECORD),
        ("CHATREEL_PORT", "0", "port", 0),
        ("CHATREEL_PORT", "65535", "port", 65535),
        ("CHATREEL_STORE", "sqlite:///calls.db", "store", "sqlite:///calls.db"),
        ("CHATREEL_READY_FILE", "ready.json", "ready_file", Path("ready.json")),
        ("CHATREEL_MAX_BODY", "64MB", "max_body", 64_000_000),
        ("CHATREEL_MAX_BODY", "64MiB", "max_body", 64 * 2**20),
        ("CHATREEL_MAX_BODY", "1000", "max_body", 1000),
        ("CHATREEL_MEMORY", "0", "memory", 0),
    ],
)
def test_the_environment_spells_a_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, setting: str, value: object
) -> None:
    monkeypatch.setenv(name, text)
    assert getattr(load_settings(), setting) == value


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("upstream = 'https://h'", ("https://h",)),
        ("upstream = ['https://h', 'b=http://i']", ("https://h", "b=http://i")),
        ("upstream = []", ()),
    ],
)
def test_a_file_names_one_upstream_or_several(folder: Path, text: str, upstream: tuple[str, ...]) -> None:
    (folder / "chatreel.toml").write_text(text)
    assert load_settings().upstream == upstream


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"mode": "sometimes"}, "setting 'mode': 'sometimes' is not a mode; choose one of cache, replay"),
        ({"port": "many"}, "setting 'port': "),
        ({"port": 65536}, "setting 'port': .*65535"),
        ({"port": -1}, "setting 'port': .*0"),
        ({"max_body": "lots"}, "setting 'max_body': "),
        ({"memory": "-1"}, "setting 'memory': "),
        ({"upstream": ("nowhere",)}, "setting 'upstream': upstream 'nowhere' is not a URL"),
        ({"upstream": ("http://h", "v1=http://i")}, "setting 'upstream': .*name 'v1' cannot be used"),
        ({"upstream": ("http://[::1",)}, "setting 'upstream': .*IPv6"),
        ({"port": True}, "setting 'port': True is not a whole number from 0 to 65535"),
        ({"scope": "mine"}, "setting 'scope': 'mine' is not one of shared, credential"),
        ({"fast_path": "perhaps"}, "setting 'fast_path': 'perhaps' is neither true nor false"),
        ({"store": 1}, "setting 'store': 1 is no text"),
        ({"ttl": "soon"}, "setting 'ttl': 'soon' is not a duration"),
        ({"intercept": 1}, "setting 'intercept': 1 is no list"),
        ({"modus": "cache"}, "there is no setting 'modus'; the settings are upstream, mode, host"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        load_settings(**flags)
    assert "Value error" not in str(raised.value)


def test_all_wrong_settings_are_named_at_once_with_where_each_stands(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "pyproject.toml").write_text("[tool.chatreel]\nttl = 'soon'\n")
    (folder / "chatreel.toml").write_text("colour = 'red'\n")
    monkeypatch.setenv("CHATREEL_MODE", "sometimes")
    with pytest.raises(ConfigError) as raised:
        load_settings(max_body="-1")
    said = {re.findall(r"'(\w+)'", fault)[0]: fault for fault in str(raised.value).split("); ")}
    assert {name: fault.rpartition(" (")[2].removesuffix(")") for name, fault in said.items()} == {
        "ttl": "pyproject.toml",
        "colour": "chatreel.toml",
        "mode": "CHATREEL_MODE",
        "max_body": "--max-body",
    }


def test_all_that_does_not_go_together_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(port=1, proxy_port=1, host="0.0.0.0", workers=2, mode="once")
    assert str(raised.value).startswith("port and proxy_port are both 1; ")
    assert all(text in str(raised.value) for text in ("needs a token", "with 2 workers this is not possible"))


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    token, password = "a-token-of-one-s-own", "hunter2hunter2"
    monkeypatch.setenv("CHATREEL_TOKEN", token)
    settings = load_settings(store=f"postgresql://me:{password}@h/d")
    logging.getLogger().warning("%s %r", settings, settings)
    assert settings.secret_token == token
    assert token not in caplog.text
    assert password not in caplog.text


def test_a_wrong_token_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATREEL_TOKEN", "short:secret")
    with pytest.raises(
        ConfigError, match=r"setting 'token': a token is at least 16 characters.*\(CHATREEL_TOKEN\)"
    ) as raised:
        load_settings()
    assert "short:secret" not in str(raised.value)


@pytest.mark.parametrize("text", ["[tool]\nchatreel = 1", "tool = 1"])
def test_what_is_no_table_of_settings_is_refused(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: \w+ is no table; settings stand in \[tool\.chatreel\]"):
        load_settings()


@pytest.mark.parametrize("name", ["CHATREEL_PORT", "CHATREEL_MODE", "CHATREEL_MAX_BODY"])
def test_an_empty_variable_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(ConfigError, match=f"setting '{name.removeprefix('CHATREEL_').lower()}'"):
        load_settings()


@pytest.mark.parametrize("file", ["chatreel.toml", "pyproject.toml"])
@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2"], ids=["cut", "no text", "twice"])
def test_a_file_that_is_no_toml_is_named(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^{re.escape(file)} cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    ("file", "text"), [("chatreel.toml", "modus = 'x'"), ("pyproject.toml", "[tool.chatreel]\nmodus = 'x'")]
)
def test_a_setting_that_does_not_exist_is_refused_in_every_file(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(ConfigError, match="there is no setting 'modus'"):
        load_settings()


@pytest.mark.parametrize(("value", "mode"), [("true", Mode.REPLAY), ("1", Mode.REPLAY), ("", Mode.CACHE)])
def test_on_a_build_server_the_default_is_replay(monkeypatch: pytest.MonkeyPatch, value: str, mode: Mode) -> None:
    monkeypatch.setenv("CI", value)
    assert load_settings().mode is mode


def test_a_mode_that_was_chosen_holds_on_a_build_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert load_settings(mode="record").mode is Mode.RECORD


def test_settings_do_not_change_once_they_are_loaded() -> None:
    settings = load_settings()
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_every_setting_has_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An impossible value is noticed under each name, or the name is not read."""
    texts = {"store", "secret_file", "ready_file", "token_file", "host", "cassette", "cassettes"}
    for name in READERS:
        monkeypatch.setenv(f"CHATREEL_{name.upper()}", "?")
    with pytest.raises(ConfigError) as raised:
        load_settings()
    assert {name for name in READERS if f"'{name}'" in str(raised.value)} == READERS.keys() - texts


UUIDS = shipped_rules("uuid")
TICKET = Rule("ticket", "/messages/*/content", r"T-\d+")
TABLE = "{ name = 'ticket', pointer = '/messages/*/content', pattern = 'T-\\d+' }"


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        ("normalize = []", ()),
        ("normalize = ['uuid']", UUIDS),
        ("normalize = 'uuid'", UUIDS),
        ("[[normalize]]\nname = 'uuid'", UUIDS),
        (f"normalize = [{TABLE}]", (TICKET,)),
        (f"normalize = ['uuid', {TABLE}]", (*UUIDS, TICKET)),
        ("[[normalize]]\nname = 'ticket'\npointer = '/messages/*/content'\npattern = 'T-\\d+'", (TICKET,)),
    ],
)
def test_rules_are_named_or_written_out(folder: Path, text: str, rules: tuple[Rule, ...]) -> None:
    (folder / "chatreel.toml").write_text(text)
    assert load_settings().key_options == KeyOptions(normalize=rules)


def test_a_pyproject_has_rules_as_tables_of_its_own(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[[tool.chatreel.normalize]]\nname = 'uuid'")
    assert load_settings().normalize == UUIDS


def test_the_environment_names_shipped_rules_and_pointers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATREEL_NORMALIZE", "uuid iso-date")
    monkeypatch.setenv("CHATREEL_IGNORE", "/seed,/messages/*/name")
    monkeypatch.setenv("CHATREEL_SAMPLING_DEFAULTS", "spec")
    assert load_settings().key_options == KeyOptions(
        sampling_defaults="spec",
        ignore=("/seed", "/messages/*/name"),
        normalize=(*UUIDS, *shipped_rules("iso-date")),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("normalize = ['guid']", "there is no shipped rule 'guid': choose one of iso-date"),
        ("[[normalize]]\nname = 'ticket'", "there is no shipped rule 'ticket'"),
        ("[[normalize]]\nname = 'a'\npointer = '/b'", "is no rule: give the name of a shipped one, or name, pointer"),
        ("[[normalize]]\nname = 'a'\npointer = '/b'\npattern = 'c'\nflags = 'i'", "'flags': 'i'.* is no rule"),
        ("[[normalize]]\nname = 'a'\npointer = 'b'\npattern = 'c'", "'b' is not a JSON pointer"),
        ("[[normalize]]\nname = 'a'\npointer = '/b'\npattern = '('", "pattern of rule 'a' is not a regular expression"),
        ("[[normalize]]\nname = 'a b'\npointer = '/b'\npattern = 'c'", "rule name 'a b' is not made of"),
        ("normalize = 1", "give a list of rules"),
        ("[normalize]\nname = 'uuid'", "give a list of rules"),
        ("normalize = [1]", "1 is no rule"),
    ],
)
def test_a_wrong_rule_is_named(folder: Path, text: str, complaint: str) -> None:
    (folder / "chatreel.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"setting 'normalize': .*{complaint}"):
        load_settings()


OWN = PriceOverride("llama*", "http://127.0.0.1:*", input=Decimal("0.1"), output=Decimal(2))
OWN_TABLE = "model = 'llama*'\nupstream = 'http://127.0.0.1:*'\ninput = 0.1\noutput = 2"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("chatreel.toml", f"[[price]]\n{OWN_TABLE}"),
        ("chatreel.toml", f"price = [{{ {OWN_TABLE.replace(chr(10), ', ')} }}]"),
        ("pyproject.toml", f"[[tool.chatreel.price]]\n{OWN_TABLE}"),
    ],
)
def test_prices_of_ones_own_are_tables(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text)
    assert load_settings().price == (OWN,)


def test_the_environment_has_prices_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CHATREEL_PRICE", '[{"model": "llama*", "upstream": "http://127.0.0.1:*", "input": 0.1, "output": 2}]'
    )
    assert load_settings().price == (OWN,)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[price]]\nmodel = 'a'\ninput = 1\noutput = 'x'", "the price of 'a': output = 'x' is not a number of USD"),
        ("[[price]]\nmodel = 'a'\ninput = nan\noutput = 1", "the price of 'a': input = nan is not a number of USD"),
        ("[[price]]\nmodel = 'a'\ninput = 1", "the price of 'a' needs input and output"),
        ("[[price]]\ninput = 1\noutput = 1", "has no model"),
        ("[[price]]\nmodel = 'a'\nprompt = 1", "there is no prompt in a price; its members are model, upstream, input"),
        ("[price]\nmodel = 'a'", "give a list of prices"),
        ("price = ['a']", "'a' is no table"),
        ("price = 'a'", "'a' is not JSON"),
    ],
)
def test_a_wrong_price_is_named(folder: Path, text: str, complaint: str) -> None:
    (folder / "chatreel.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"setting 'price': .*{complaint}"):
        load_settings()


def test_shapes_of_secrets_come_from_a_file_or_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "chatreel.toml").write_text("[[redact]]\nname = 'plum'\npattern = 'plum-[0-9]+'\n")
    assert load_settings().redactor.text("a plum-12") == "a [plum removed]"
    monkeypatch.setenv("CHATREEL_REDACT", '[{"name": "pear", "pattern": "pear-[0-9]+"}]')
    monkeypatch.setenv("CHATREEL_REDACT_KNOWN", "no")
    key = "ghp_" + "1aB2" * 9
    assert load_settings().redactor.text(f"pear-3 plum-12 {key}") == f"[pear removed] plum-12 {key}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("redact = 'a'", "'a' is not JSON"),
        ("redact = ['a']", "give name and pattern"),
        ("[[redact]]\nname = 'a'", "give name and pattern"),
        ("[[redact]]\nname = 'a'\npattern = '('", "not a regular expression"),
        ("[[redact]]\nname = 'a'\npattern = 'x*'", "has to match something"),
        ("[[redact]]\nname = 'a]'\npattern = 'x'", "is not made of letters"),
    ],
)
def test_a_wrong_shape_is_named(folder: Path, text: str, complaint: str) -> None:
    (folder / "chatreel.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"setting 'redact': .*{complaint}"):
        load_settings()
