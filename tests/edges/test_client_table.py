"""The table of docs/clients.md: every client that it names, by base URL and intercepted."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from chatreel.interception import interception_variables
from chatreel.trust import bundle
from support.internet import PROGRAM, Internet
from support.program import Program, clean_environment, running_chatreel
from support.resources import REPOSITORY
from support.upstream import Upstream

FOLDER = Path(__file__).parents[1] / "clients"
HOST = "api.openai.com"

type Command = Callable[["Tools"], list[str]]


class Tools:
    """What some clients have to be built with, once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def go(self) -> Path:
        """The client in Go, built."""
        program = self._folder / "nethttp_client"
        if not program.exists():
            _need("go")
            source = FOLDER / "nethttp_client.go"
            cache = {
                "GOCACHE": str(self._folder / "gocache"),
                "GOFLAGS": "-mod=mod",
                "GOPATH": str(self._folder / "go"),
            }
            subprocess.run(["go", "build", "-o", program, source], check=True, timeout=240, env=os.environ | cache)
        return program

    def node(self) -> Path:
        """The client for Node, beside its packages."""
        program = self._folder / "openai_client.mjs"
        if not program.exists():
            _need("node")
            _need("npm")
            for name in ("package.json", "package-lock.json", "openai_client.mjs"):
                shutil.copy(FOLDER / name, self._folder / f"{name}.new")
                (self._folder / f"{name}.new").rename(self._folder / name)
            install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            ended = subprocess.run(install, cwd=self._folder, capture_output=True, text=True, timeout=240, check=False)
            if ended.returncode:
                program.unlink()
                pytest.skip(f"npm cannot install the client: {ended.stderr.strip().splitlines()[-1:]}")
        return program


def _need(command: str) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"needs {command}, which is not on this machine")


def python(name: str) -> Command:
    return lambda _tools: [sys.executable, str(FOLDER / name)]


CLIENTS: dict[str, Command] = {
    "openai-python 3 (httpx2)": python("openai_client.py"),
    "httpx": python("httpx_client.py"),
    "requests": python("requests_client.py"),
    "aiohttp": python("aiohttp_client.py"),
    "urllib of Python": python("urllib_client.py"),
    "curl": lambda _tools: ["sh", str(FOLDER / "curl_client.sh")],
    "openai for Node": lambda tools: ["node", str(tools.node())],
    "net/http of Go": lambda tools: [str(tools.go())],
}


@dataclass(frozen=True)
class World:
    """A proxy in front of `https://api.openai.com`, which is an upstream of this test."""

    upstream: Upstream
    proxy: Program
    by_base_url: dict[str, str]
    """The environment of a client."""
    intercepted: dict[str, str]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("tools"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    internet = Internet(trustme.CA(), folder)
    with Upstream(tls=internet.server(HOST)) as upstream:
        environment = internet.variables({HOST: upstream.url}) | {"XDG_DATA_HOME": str(folder)}
        flags = ("--proxy-port", "0", "--mode", "cache", "--store", str(folder / "store.db"))
        with running_chatreel(*flags, command=(*PROGRAM, "serve"), env=environment) as proxy:
            certificates = folder / "bundle.pem"
            certificates.write_text(bundle(folder / "chatreel/certificates/mitmproxy-ca-cert.pem", {}))
            usual = clean_environment()
            told = interception_variables(proxy.ready["proxy_url"], str(certificates), [HOST], usual)
            yield World(upstream, proxy, usual | {"OPENAI_BASE_URL": proxy.base_url}, usual | told)


@pytest.mark.long
@pytest.mark.parametrize("way", ["by_base_url", "intercepted"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_recorded_and_then_replayed(world: World, tools: Tools, client: str, way: str) -> None:
    command = [*CLIENTS[client](tools), f"{client} {way}"]
    environment: dict[str, str] = getattr(world, way)
    before = len(world.upstream.calls)
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert f"{client} {way}" in first.stdout
    assert first.stdout == second.stdout, second.stderr
    assert len(world.upstream.calls) == before + 1


def test_the_table_of_the_docs_has_a_line_for_each_client() -> None:
    text = (REPOSITORY / "docs" / "clients.md").read_text(encoding="utf-8")
    table = text.partition("| client |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) == list(CLIENTS)
