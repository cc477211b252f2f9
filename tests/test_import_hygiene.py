"""What an import brings with it, and what a base install without the `proxy` extra can do."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.program import clean_environment

PACKAGE = Path(__file__).parents[1] / "proxy"

HEAVY = (
    *("mitmproxy", "openai", "genai_prices", "sqlalchemy", "alembic", "psycopg", "pydantic", "typer", "rich", "httpx"),
    *("duckdb", "pyarrow", "pandas", "streamlit", "altair", "pytest"),
)
"""Top-level packages that cost time or come with an extra."""

WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""A Python that lacks some packages."""


def python(code: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, away from the repository."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=cwd,
        env=clean_environment() | {"HOME": str(cwd), "XDG_DATA_HOME": str(cwd / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def modules(*but: str) -> list[str]:
    """Names of all modules of the package but those of some subpackages. Alembic's `env.py` is a script, no module."""
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in sorted(PACKAGE.rglob("*.py")) if path.stem != "env"]
    inside = [path for path in paths if path.parts[0] not in but and path.name != "__main__"]
    return [".".join(("chatreel", *path.parts)).removesuffix(".__init__") for path in inside]


@pytest.mark.parametrize(
    ("statement", "may_bring"),
    [
        ("import chatreel", ()),
        ("import chatreel.decide, chatreel.upstreams, chatreel.repeats, chatreel.redact", ()),
        ("import chatreel.canonical, chatreel.wire.convert, chatreel.replay", ()),
        ("import chatreel.prices, chatreel.money, chatreel.budget", ()),
        ("import chatreel.config", ()),
        ("import chatreel.store, chatreel.recorder, chatreel.server, chatreel.run, chatreel.cli.listening", ()),
        ("import chatreel.store.database", ("sqlalchemy",)),
        ("import chatreel.engine, chatreel.demo", ()),
        ("import chatreel.clients, chatreel.providers, chatreel.cassette_names", ()),
        ("import chatreel.pytest_plugin", ("pytest",)),
        ("import chatreel.testing.run, chatreel.testing.active, chatreel.testing.shared", ("pytest",)),
        ("import chatreel.cli", ()),
        ("import chatreel.cli.program", ("typer", "rich")),
        ("import chatreel.analytics.logfile", ("duckdb",)),
        ("import chatreel.analytics.queries.calls, chatreel.analytics.queries.caching", ("duckdb",)),
    ],
)
def test_an_import_brings_only_what_it_needs(tmp_path: Path, statement: str, may_bring: tuple[str, ...]) -> None:
    ended = python(f"{statement}\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) <= set(may_bring)


@pytest.mark.parametrize(
    "args",
    [("--version",), ("--help",), *((name, "--help") for name in ("serve", "run", "demo", "dashboard"))],
)
def test_help_and_version_wait_for_nothing_heavy(tmp_path: Path, args: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom chatreel.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended\n"
        f"print('LOADED', *(name for name in {HEAVY} if name in sys.modules))"
    )
    ended = python(code, *args, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    loaded = set(ended.stdout.splitlines()[-1].split()[1:])
    assert loaded <= {"typer", "rich", "pydantic"}, "pydantic is what typer reads options with"
    assert ended.stderr == ""


LISTENING = f"""
import os, signal, sys
from chatreel.cli import main
from chatreel.store import Store

async def listening(self):
    print("LOADED", *(name for name in {HEAVY} if name in sys.modules))
    os.kill(os.getpid(), signal.SIGTERM)

Store.warm_up = listening
main()
"""


def test_a_proxy_that_listens_has_loaded_nothing_heavy_but_its_engine(tmp_path: Path) -> None:
    """Neither on a new store nor on one that is there."""
    args = ("serve", "--port", "0", "--store", "store.db", "--mode", "replay", "--upstream", "http://127.0.0.1:1")
    for _ in range(2):
        ended = python(LISTENING, *args, cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (0, "LOADED mitmproxy\n"), ended.stderr


def test_every_module_but_the_engines_imports_without_any_extra(tmp_path: Path) -> None:
    names = modules("engine", "demo")
    assert {"chatreel", "chatreel.cli", "chatreel.server", "chatreel.store.store"} <= set(names)
    imports = "\n".join(f"import {name}" for name in names)
    ended = python(WITHOUT.format(blocked={"mitmproxy", "openai", "genai_prices"}) + imports, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_without_the_list_of_prices_only_ones_own_are_known(tmp_path: Path) -> None:
    code = WITHOUT.format(blocked={"genai_prices"}) + (
        "from chatreel.prices import Prices, Tokens\nfrom chatreel.rates import parse_override\n"
        "prices = Prices((parse_override({'model': 'own', 'input': 1, 'output': 2}),))\n"
        "tokens = Tokens(prompt=1_000_000, completion=1_000_000)\n"
        "for model in ('own', 'gpt-4o'):\n"
        "    print(prices.quote(tokens, model, 'https://api.openai.com', 0))"
    )
    ended = python(code, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    own, other = ended.stdout.splitlines()
    assert "Price(usd=Decimal('3')" in own
    assert other == "Unpriced(reason=\"there is no list of prices without the extra: pip install 'chatreel[proxy]'\")"


def test_the_engine_comes_without_what_has_no_part_in_it_and_says_so_to_whoever_calls_it(tmp_path: Path) -> None:
    code = (
        "import sys\nimport chatreel.engine.assembly\n"
        "print([name for name in ('aioquic', 'pyparsing.core', 'ruamel.yaml.main', 'mitmproxy.addons.view')"
        " if name in sys.modules])\n"
        "import ruamel.yaml\nprint(ruamel.yaml.YAML(typ='safe', pure=True).load('a: 1'))\n"
        "from mitmproxy.proxy.layers.quic import RawQuicLayer\nRawQuicLayer(None)"
    )
    ended = python(code, cwd=tmp_path)
    assert ended.stdout == "[]\n{'a': 1}\n"
    assert "NotImplementedError: mitmproxy.proxy.layers.quic.RawQuicLayer is left out of chatreel" in ended.stderr


@pytest.mark.parametrize("module", ["chatreel.engine.addon", "chatreel.engine.master"])
def test_the_engine_is_what_the_extra_is_for(tmp_path: Path, module: str) -> None:
    """Else the tests around this one would block a package that nobody needs."""
    ended = python(WITHOUT.format(blocked={"mitmproxy"}) + f"import {module}", cwd=tmp_path)
    assert "No module named 'mitmproxy" in ended.stderr


@pytest.mark.parametrize(
    ("blocked", "args", "extra"),
    [
        ("mitmproxy", ("serve", "--port", "0"), "chatreel[proxy]"),
        ("mitmproxy", ("run", "--", "true"), "chatreel[proxy]"),
        ("openai", ("demo",), "chatreel[demo]"),
        ("streamlit", ("dashboard",), "chatreel[dashboard]"),
        ("duckdb", ("dashboard",), "chatreel[dashboard]"),
    ],
)
def test_a_command_without_its_extra_says_which_one_is_missing(
    tmp_path: Path, blocked: str, args: tuple[str, ...], extra: str
) -> None:
    code = WITHOUT.format(blocked={blocked}) + "from chatreel.cli import main\nmain()"
    ended = python(code, *args, cwd=tmp_path)
    assert ended.returncode == 3, ended.stderr
    assert f"pip install '{extra}'" in ended.stderr
    assert f"No module named '{blocked}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == [], "nothing was started, so nothing was made"


def test_the_export_without_its_extra_says_which_one_is_missing(tmp_path: Path) -> None:
    code = WITHOUT.format(blocked={"duckdb"}) + "from chatreel.cli import main\nmain()"
    ended = python(code, "export", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "pip install 'chatreel[dashboard]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
