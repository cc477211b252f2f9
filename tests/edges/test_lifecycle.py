"""Starting, stopping, and everything that can be wrong before the first call."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from support import command
from support.calls import ask, question
from support.database import rows
from support.program import CHATREEL, running_chatreel
from support.upstream import Upstream, stream


def chatreel(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, at home in `cwd`."""
    return command.chatreel(*args, cwd=cwd, HOME=str(cwd), XDG_DATA_HOME=str(cwd / "data"), **env)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_a_verdict(upstream: Upstream, store: str, number: signal.Signals) -> None:
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, command=CHATREEL) as proxy:
        ask(proxy.base_url, question())
        ask(proxy.base_url, question())
        assert proxy.stop(number) == 0
        assert "2 calls: 1 hit, 1 recorded, 0 refused" in proxy.log
        assert proxy.stdout == ""


def test_the_ready_file_says_where_it_listens(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, command=CHATREEL) as proxy:
        assert proxy.ready["pid"] == proxy.pid
        assert proxy.ready["proxy_url"] is None
        host, port = proxy.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        socket.create_connection((host, int(port))).close()


@pytest.mark.parametrize("flags", [(), ("--proxy-port", "0")], ids=["reverse", "forward"])
def test_an_authority_is_made_for_clients_of_a_forward_proxy_alone(
    upstream: Upstream, store: str, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store, *flags)
    folder = tmp_path / "data" / "chatreel" / "certificates"
    with running_chatreel(*flags, env={"XDG_DATA_HOME": str(tmp_path / "data")}) as proxy:
        assert (folder / "mitmproxy-ca-cert.pem").exists() == ("--proxy-port" in flags)
        for _ in range(2):
            assert ask(proxy.base_url, question()).status_code == 200
        assert any(folder.iterdir()) == ("--proxy-port" in flags)


def test_a_ready_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    ready = tmp_path / "missing" / "ready.json"
    ended = chatreel("serve", "--port", "0", "--ready-file", str(ready), cwd=tmp_path)
    assert ended.returncode == 3
    assert f"{ready} cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_named_and_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = chatreel("serve", "--port", port, "--store", "s.db", cwd=tmp_path)
    assert ended.returncode == 3
    assert f"127.0.0.1:{port} is taken" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--mode", "sometimes"), "'sometimes' is not a mode"),
        (("--upstream", "api.openai.com"), "is not a URL"),
        (("--upstream", "ftp://x"), "is not a URL"),
        (("--upstream", "v1=http://x"), "cannot be used"),
        (("--upstream", "a=http://x", "--upstream", "a=http://y"), "same name"),
        (("--upstream", "http://user:secret@x"), "credentials"),
        (("--port", "70000"), "port"),
        (("--max-body", "lots"), "max_body"),
        (("--port", "8080", "--proxy-port", "8080"), "a port each"),
        (("--host", "0.0.0.0"), "loopback address"),
        (("--host", "example.org"), "loopback address"),
    ],
)
def test_a_wrong_flag_is_a_usage_error(tmp_path: Path, args: tuple[str, ...], complaint: str) -> None:
    ended = chatreel("serve", "--store", "s.db", *args, cwd=tmp_path)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_come_from_a_file_the_environment_and_flags_in_rising_order(tmp_path: Path) -> None:
    """Each source is told apart by a value that only it can have got wrong."""
    (tmp_path / "chatreel.toml").write_text('mode = "from the file"\n')
    assert "'from the file' is not a mode" in chatreel("serve", cwd=tmp_path).stderr
    ended = chatreel("serve", cwd=tmp_path, CHATREEL_MODE="from the environment")
    assert "'from the environment' is not a mode" in ended.stderr
    ended = chatreel("serve", "--mode", "from-a-flag", cwd=tmp_path, CHATREEL_MODE="from the environment")
    assert "'from-a-flag' is not a mode" in ended.stderr


@pytest.mark.parametrize("text", ["modus = 'replay'\n", "mode = \n"])
def test_a_config_file_with_a_mistake_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "chatreel.toml").write_text(text)
    ended = chatreel("serve", cwd=tmp_path)
    assert ended.returncode == 2
    assert "modus" in ended.stderr or "chatreel.toml" in ended.stderr


def _foreign(path: Path) -> None:
    rows(path, "CREATE TABLE photographs (id INTEGER)")


def _newer(path: Path) -> None:
    rows(path, "CREATE TABLE alembic_version (version_num TEXT)")
    rows(path, "INSERT INTO alembic_version VALUES ('9999')")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: path.write_bytes(b"dear diary, " * 1000), "not a database"),
        (_foreign, "not a chatreel store"),
        (_newer, "another version"),
        (lambda path: path.mkdir(), "cannot be used"),
    ],
    ids=["text", "foreign", "newer", "folder"],
)
def test_a_file_that_is_no_store_is_named_and_left_alone(
    tmp_path: Path, make: Callable[[Path], object], complaint: str
) -> None:
    path = tmp_path / "store.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    ended = chatreel("serve", "--store", str(path), "--port", "0", cwd=tmp_path)
    assert ended.returncode == 4
    assert complaint in ended.stderr
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_health_counts_what_happened(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        ask(proxy.base_url, question())
        ask(proxy.base_url, question())
        health = httpx.get(proxy.base_url.removesuffix("v1") + "_chatreel/health", trust_env=False).json()
    assert health["mode"] == "cache"
    assert health["outcomes"] == {"recorded": 1, "hit": 1}


def test_the_version_is_printed_to_stdout(tmp_path: Path) -> None:
    ended = chatreel("--version", cwd=tmp_path)
    assert ended.stdout.split()[0] == "chatreel"
    assert ended.returncode == 0


def test_a_client_in_the_middle_of_a_stream_does_not_keep_it_from_stopping(upstream: Upstream, store: str) -> None:
    started = json.dumps(question(stream=True))
    never = threading.Event()
    upstream.reply_with(stream(("a", "b"), gates=[None, None, never]))
    with (
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", content=started) as response,
    ):
        next(response.iter_raw())
        assert proxy.stop() == 0
    never.set()


def test_nothing_is_written_beside_the_store(upstream: Upstream, tmp_path: Path) -> None:
    """The working folder stays as it was, and the engine's own files go where chatreel's data goes."""
    data = tmp_path / "data"
    work = tmp_path / "work"
    work.mkdir()
    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(data)}
    flags = ("--upstream", upstream.url, "--mode", "cache")
    with running_chatreel(*flags, cwd=work, env=env, command=CHATREEL) as proxy:
        ask(proxy.base_url, question())
    assert list(work.iterdir()) == []
    assert (data / "chatreel" / "store.db").is_file()
    assert not (tmp_path / ".mitmproxy").exists()


WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from chatreel.cli import main; main()"


def test_it_runs_on_asyncio_where_there_is_no_uvloop(upstream: Upstream, store: str) -> None:
    without = (sys.executable, "-c", WITHOUT_UVLOOP, "serve")
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, command=without) as proxy:
        assert [ask(proxy.base_url, question()).status_code for _ in range(4)] == [200] * 4
        assert proxy.stop(signal.SIGTERM) == 0
        assert "4 calls: 3 hits, 1 recorded" in proxy.log
