"""Requests that follow the OpenAPI document, and requests that do not, at a running proxy: every answer has to be one
that the document knows, in its shape, and none may take long.

Run as `python benchmarks/fuzz_api.py --seconds 180 --seed 1`. schemathesis makes the requests up from
`/_chatreel/openapi.json`. The upstream behind the proxy is one that answers whatever it is asked. Opening sessions is
left out: it makes files where the request says.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the same completion."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.dumps(COMPLETION).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method there is, and those there are not."""
        if name.startswith("do_"):
            return self.do_POST
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Say nothing."""


@contextmanager
def proxy(folder: Path) -> Iterator[str]:
    """The origin of a proxy with such an upstream."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "chatreel", "serve", "--port", "0", "--mode", "cache", "--ready-file", str(ready)]
    command += ["--store", str(folder / "store.db"), "--upstream", f"http://127.0.0.1:{server.server_port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stderr=log) as running:  # noqa: S603
        try:
            while not ready.exists():
                if running.poll() is not None:
                    raise SystemExit(f"the proxy did not start: {(folder / 'log').read_text()}")
                threading.Event().wait(0.05)
            yield json.loads(ready.read_bytes())["base_url"].removesuffix("/v1")
        finally:
            running.terminate()
            server.shutdown()
            server.server_close()
    said = (folder / "log").read_text(encoding="utf-8", errors="replace")
    if "Traceback" in said:
        raise SystemExit(f"the proxy logged an exception:\n{said[said.index('Traceback') :][:4000]}")


def fuzz(origin: str, folder: Path, seconds: int, examples: int, seed: int) -> int:
    """The exit code of schemathesis, which keeps notes in `folder`."""
    options = [
        *(
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ),
        *("--max-response-time", "10", "--request-timeout", "30", "--max-time", str(seconds), "--seed", str(seed)),
        *("--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--warnings", "off"),
        *("--exclude-operation-id", "openSession", "--generation-database", "none", "--no-color"),
    ]
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", *options, f"{origin}/_chatreel/openapi.json"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode  # noqa: S603 - arguments of ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="in all, at most")
    parser.add_argument("--examples", type=int, default=10_000, help="for each operation, at most")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, proxy(Path(folder)) as origin:
        code = fuzz(origin, Path(folder), given.seconds, given.examples, given.seed)
    sys.exit(code)


if __name__ == "__main__":
    main()
