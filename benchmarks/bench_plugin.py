"""What a test costs that has a session, against one that has none, and what importing the plugin costs.

Run as `python benchmarks/bench_plugin.py`; it takes half a minute. Two kinds of tests that do nothing run in one pytest
in turns, so that a busy machine slows both alike; a third kind replays one call. Figures are medians of a test from the
start of its set-up to the end of its teardown. The bound to keep is 10 ms for a session, on a machine that is not busy.
What does not depend on how busy it is: the processor time that a session takes, of both processes (on Linux).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chatreel.testing.control import Control
from chatreel.testing.shared import Run, join, stop

ROUNDS = 100
"""Tests of each kind."""

SUITE = f"""
import json, os, urllib.request
import pytest

def ask(text):
    body = json.dumps({{"model": "m", "messages": [{{"role": "user", "content": text}}]}}).encode()
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body)
    urllib.request.urlopen(request).close()

@pytest.mark.chatreel
def test_first():
    '''Starts the proxy.'''

@pytest.mark.parametrize("k", range({ROUNDS}))
@pytest.mark.parametrize("kind", ["unmarked", pytest.param("session", marks=pytest.mark.chatreel)])
def test_nothing(k, kind):
    pass

@pytest.mark.parametrize("k", range({ROUNDS}))
@pytest.mark.chatreel(cassette="cassette.json")
def test_call(k):
    ask("hello")
"""
CLOCK = """
import json, pathlib, time
import pytest

times = {}

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    start = time.perf_counter()
    result = yield
    kind = item.callspec.params.get("kind", "call") if hasattr(item, "callspec") else "first"
    times.setdefault(kind, []).append((time.perf_counter() - start) * 1e3)
    return result

def pytest_sessionfinish(session):
    (session.config.rootpath / "times.json").write_text(json.dumps(times))
"""
SERVER = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "hi"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def run(folder: Path, *flags: str) -> dict[str, float]:
    """Run the suite; milliseconds a test, by kind."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise SystemExit(ended.stdout + ended.stderr)
    times: dict[str, list[float]] = json.loads((folder / "times.json").read_bytes())
    return {kind: statistics.median(several) for kind, several in times.items()}


def import_costs() -> float:
    """Milliseconds that importing the plugin takes where pytest is imported already: the best of ten."""
    timed = (
        "import time, pytest",
        "a = time.perf_counter()",
        "import chatreel.pytest_plugin",
        "print(time.perf_counter() - a)",
    )
    code = "; ".join(timed)
    command = [sys.executable, "-c", code]
    times = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(10)]  # noqa: S603
    return min(map(float, times)) * 1e3


def measure() -> dict[str, float]:
    """Record one call, then replay and time the suite."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_suite.py").write_text(SUITE)
        (folder / "conftest.py").write_text(CLOCK)
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            assert server.stdout  # noqa: S101
            os.environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            run(folder, "--chatreel=cache", "-k", "test_call and 0")
        finally:
            server.kill()
            server.communicate()
        return run(folder)


def processor_time() -> float:
    """Milliseconds that a session takes of this process and of the proxy, opened, asked for its verdict and closed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = join(Run(folder, os.getpid(), folder, (), ""))
        control = Control(address.origin)
        try:
            _open_and_close(control, folder, ROUNDS // 2)  # what happens once
            before = _used(address.pid)
            _open_and_close(control, folder, ROUNDS)
            return (_used(address.pid) - before) * 1e3 / ROUNDS
        finally:
            control.close()
            stop(address)


def _open_and_close(control: Control, folder: Path, times: int) -> None:
    for _ in range(times):
        session = control.open_session({"cassette": str(folder / "none.json"), "mode": "replay", "alias": "main"})["id"]
        control.verdict(session)
        control.close_session(session)


def _used(pid: int) -> float:
    """Seconds of processor time, of this process and of another."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    os.environ.pop("CI", None)
    found = measure()
    rows = [
        ("importing the plugin", import_costs()),
        ("a test without a session", found["unmarked"]),
        ("a session, opened and closed, adds", found["session"] - found["unmarked"]),
        ("a replayed call adds to that", found["call"] - found["session"]),
        ("processor time of a session", processor_time()),
        ("the first session, which starts the proxy", found["first"]),
    ]
    for name, milliseconds in rows:
        sys.stdout.write(f"{name:44}{milliseconds:9.1f} ms\n")


if __name__ == "__main__":
    main()
