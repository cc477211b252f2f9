"""The peers that are servers: what each needs to replay the calls of `hits.corpus`, and how it is started."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hits.corpus import Form, call
from hits.load import KEY
from hits.servers import installed
from mitmproxy import http, io
from mitmproxy.test import tflow

LITELLM = ("litellm[proxy]", "diskcache")
AIMOCK = "@copilotkit/aimock"
TYPES = {Form.JSON: b"application/json", Form.STREAM: b"text/event-stream; charset=utf-8"}
STREAMS = 1_000_000
"""Number of the first call that is a stream: aimock looks at the text of the user alone, so these ask differently."""


class Missing(Exception):  # noqa: N818 - says what it is
    """A peer cannot be had here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How one is started."""

    name: str
    command: Sequence[str]
    text: bool = False
    """Whether it makes answers anew, so that only the text can be compared."""
    learns: bool = False
    """Whether it has to be asked each call once, with the upstream on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where, and what for."""

    folder: Path
    """Environments, which are kept."""
    work: Path
    """Of this run."""
    port: int
    upstream: int
    count: int
    """Calls of each form."""

    @property
    def numbers(self) -> list[tuple[Form, int]]:
        """Of all calls."""
        first = {Form.JSON: 0, Form.STREAM: STREAMS}
        return [(form, number) for form in Form for number in range(first[form], first[form] + self.count)]


def mitmdump(place: Place) -> Peer:
    """mitmproxy of this environment."""
    path = place.work / "flows"
    with path.open("wb") as file:
        writer = io.FlowWriter(file)
        for form, number in place.numbers:
            writer.add(_flow(form, number, place.upstream))
    command = [str(Path(sys.executable).parent / "mitmdump"), "--quiet", "--listen-port", str(place.port)]
    command += ["--mode", f"reverse:http://127.0.0.1:{place.upstream}", "--server-replay", str(path)]
    for option in (
        "server_replay_reuse=true",
        "server_replay_extra=kill",
        "server_replay_refresh=false",
        "connection_strategy=lazy",
        f"confdir={place.work}",
    ):
        command += ["--set", option]
    return Peer("mitmproxy --server-replay", command)


def _flow(form: Form, number: int, port: int) -> http.HTTPFlow:
    made = call(form, number)
    flow = tflow.tflow()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    flow.request = http.Request.make("POST", url, made.request)
    flow.response = http.Response.make(200, made.answer, [(b"content-type", TYPES[form])])
    return flow


def litellm(place: Place, kind: str) -> Peer:
    """`kind`: of its cache, `local` or `disk`."""
    try:
        where = installed(place.folder / "litellm", *LITELLM)
    except SystemExit as error:
        raise Missing(str(error)[:200]) from error
    upstream = {"model": "openai/gpt-4o", "api_base": f"http://127.0.0.1:{place.upstream}/v1", "api_key": "sk-none"}
    cache = {"type": kind} | ({"disk_cache_dir": str(place.work / "litellm-cache")} if kind == "disk" else {})
    config: dict[str, object] = {
        "general_settings": {"master_key": KEY, "dangerously_permit_weak_or_unset_master_key": True},
        "model_list": [{"model_name": "gpt-4o", "litellm_params": upstream}],
        "litellm_settings": {"cache": True, "cache_params": cache, "telemetry": False},
    }
    path = place.work / f"litellm-{kind}.yaml"
    path.write_text(json.dumps(config))  # which is YAML as well
    command = [str(where / "bin/litellm"), "--config", str(path), "--port", str(place.port), "--host", "127.0.0.1"]
    name = {"local": "LiteLLM proxy, memory cache", "disk": "LiteLLM proxy, disk cache"}[kind]
    return Peer(name, command, text=True, learns=True)


def aimock(place: Place) -> Peer:
    """On Node, by npm."""
    cli = place.folder / "node_modules" / AIMOCK / "dist/cli.js"
    if not cli.exists():
        command = ["npm", "install", "--silent", "--prefix", str(place.folder), AIMOCK]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        except FileNotFoundError as error:
            raise Missing("npm is not here") from error
        if ended.returncode:
            raise Missing(f"npm cannot install it: {ended.stderr[:200]}")
    fixtures = [
        {"match": {"userMessage": f"Question {number:08}"}, "response": {"content": text_of(form, number)}}
        for form, number in place.numbers
    ]
    path = place.work / "fixtures.json"
    path.write_text(json.dumps({"fixtures": fixtures}))
    command = ["node", str(cli), "--port", str(place.port), "--fixtures", str(path), "--log-level", "silent"]
    command += ["--strict", "--replay-speed", "1000", "--chunk-size", "6"]  # so as to send about 120 events as well
    return Peer("aimock", command, text=True)


def text_of(form: Form, number: int) -> str:
    """What an answer says."""
    answer = call(form, number).answer
    if form is Form.JSON:
        return str(json.loads(answer)["choices"][0]["message"]["content"])
    events = [json.loads(line[6:]) for line in answer.split(b"\n\n") if line.startswith(b"data: {")]
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events).strip()


PEERS: dict[str, Callable[[Place], Peer]] = {
    "mitmproxy --server-replay": mitmdump,
    "LiteLLM proxy, memory cache": lambda place: litellm(place, "local"),
    "LiteLLM proxy, disk cache": lambda place: litellm(place, "disk"),
    "aimock": aimock,
}
