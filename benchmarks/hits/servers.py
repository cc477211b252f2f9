"""Servers that are measured: installed, started, asked how much they have worked, ended."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
NO_INDEX = "what is measured beside chatreel cannot be installed"
STARTED = 60.0
"""Seconds for a server to listen."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that is running."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    says: str = ""
    proxy_port: int = 0

    def processor(self) -> float:
        """Seconds that it and its children have worked, all threads."""
        return sum(map(_worked, self._family()))

    def memory(self) -> int:
        """Bytes resident, of its children as well."""
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._family()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def _family(self) -> list[int]:
        pid = self.process.pid
        started = [child for some in Path(f"/proc/{pid}/task").glob("*/children") for child in some.read_text().split()]
        return [pid, *map(int, started)]


def _worked(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def started(name: str, command: Sequence[str], folder: Path, *ports: int, says: str = "") -> Iterator[Server]:
    """A server that listens, until the end of the block. Raises `SystemExit` with what it said if it does not."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CHATREEL_")}
    environment |= {"PYTHONPATH": str(BENCHMARKS), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)  # noqa: S603
    try:
        for port in ports:
            await_port(process, port, folder / f"{name}.log")
        yield Server(name, process, ports[0], says, ports[-1])
    finally:
        process.terminate()
        process.wait(30)


def await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once a server listens there. Raises `SystemExit` with what it said if it does not."""
    ends = time.monotonic() + STARTED
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"it does not listen: {process.args!r}\n{log.read_text()}")


def installed(where: Path, *packages: str, beside: Path | None = None) -> Path:
    """An environment that has these packages; one that was installed to its end is taken as it is.

    `beside`: the folder from which packages are named that lie in one. Raises `SystemExit`.
    """
    if not (where / "installed").exists():
        venv.create(where, with_pip=True, clear=True)
        command = [str(where / "bin/python"), "-m", "pip", "install", "-q", *packages]
        ended = subprocess.run(command, cwd=beside, capture_output=True, text=True, check=False)  # noqa: S603
        if ended.returncode:
            raise SystemExit(f"{NO_INDEX}: {ended.stderr}")
        (where / "installed").touch()
    return where


def settle(server: Server) -> None:
    """Have chatreel complete what it has to say about earlier calls: that is not the cost of those that follow."""
    urllib.request.urlopen(f"http://127.0.0.1:{server.port}/_chatreel/sessions", timeout=STARTED).close()


def machine() -> str:
    """What all that is measured was measured on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    python = sys.version.partition(" ")[0]
    return f"{os.cpu_count()} cores, {model[0].partition(': ')[2] if model else 'unknown'}, Python {python}"
