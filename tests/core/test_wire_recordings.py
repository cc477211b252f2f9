"""Every real recording is read, converted both ways, and understood by the official client; nothing is left unexplained.

The recordings live beside the repository. Where they are absent, these tests are skipped, and say so.
"""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatreel.model import JsonObject, WireForm
from chatreel.wire.codec import loads
from chatreel.wire.convert import NotConvertible, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read
from chatreel.wire.reassemble import normalise, reassemble
from chatreel.wire.rechunk import rechunk, with_ids
from chatreel.wire.sse import SSEParser, encode, parse
from chatreel.wire.usage import with_usage, without_usage
from core.official_client import accumulate, comparable

TRAFFIC = Path(__file__).parents[2].parent / "shared" / "recordings" / "traffic"
SEED = "seed of the tests"

pytestmark = pytest.mark.skipif(not TRAFFIC.is_dir(), reason="the recordings are not beside the repository")


class _PlainLoader(yaml.SafeLoader):
    """Safe loading that survives what Python programs wrote into YAML: foreign objects read as the text in them (V5)."""


def _text_of(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return str(loader.construct_object(node.value[0], deep=True)) if node.value else ""
    return str(node.value)


def _bytes_of(_loader: yaml.SafeLoader, node: yaml.Node) -> bytes:
    return base64.b64decode(node.value)


_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/object", _text_of)
_PlainLoader.add_constructor("!binary", _bytes_of)  # Ruby's (V17)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    body: bytes
    status: int = 200
    lenient: bool = False


def _cases() -> Iterator[Case]:
    for path in sorted(TRAFFIC.rglob("*")):
        if not path.is_file() or "_licenses" in path.parts or path.suffix == ".md":
            continue
        yield from _of_file(path)


def _of_file(path: Path) -> Iterator[Case]:
    if path.name.endswith(".chunks.txt"):  # a chunk per line, unframed (V18)
        yield Case(path.name, b"".join(encode(line) for line in path.read_bytes().splitlines() if line.strip()))
    elif path.suffix == ".sse":
        yield Case(path.name, path.read_bytes())
    elif path.suffix == ".json" and "__fixtures__" in path.parts:
        yield Case(path.name, path.read_bytes())
    else:
        document = yaml.load(path.read_text(), Loader=_PlainLoader)
        found = document.get("interactions") or document.get("http_interactions") or [document]
        for number, interaction in enumerate(found):
            request = interaction["request"]
            if "chat/completions" in (request.get("uri") or request.get("url") or ""):
                yield _case(f"{path.stem}#{number}", interaction["response"])


def _case(name: str, response: dict[str, Any]) -> Case:
    status = response.get("status") or response.get("status_code") or 200
    code = status["code"] if isinstance(status, dict) else status
    return Case(name, _body(response), code, lenient=True)


def _body(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:  # V3
        return json.dumps(response["parsed_body"]).encode()
    body = response.get("body", response.get("content", b""))
    if isinstance(body, dict) and "base64_string" in body:
        return base64.b64decode(body["base64_string"])
    text = body.get("string") if isinstance(body, dict) else body
    raw = text if isinstance(text, bytes) else (text or "").encode()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw  # V1, V2


CASES = list(_cases()) if TRAFFIC.is_dir() else []
