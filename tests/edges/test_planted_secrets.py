"""Secrets of 40 kinds, planted wherever a call can carry one, and then looked for in everything that was written."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import pytest

from chatreel.redact import REDACTED_HEADER
from chatreel.secret_patterns import PLACEHOLDER
from chatreel.store import payloads
from chatreel.store.database import open_engine, store_url
from support.calls import ask, question
from support.command import chatreel
from support.database import rows
from support.planted import KEYS, secret_of
from support.program import running_chatreel
from support.sessions import Sessions
from support.upstream import Reply, Request, Upstream, completion, error, stream

KINDS = [*KEYS]
FEW = KINDS[::9]
"""Of all sorts: random, guessable, of several lines."""

FORMS = ("whole", "escaped", "stream", "split", "failing")

UNSHAPED = "correct horse battery staple"
"""A password by its place alone."""
OWN = "plum-acbdfegihkjl"
"""What only the settings know to be a secret."""
OWN_SHAPE = json.dumps([{"name": "plum", "pattern": "plum-[a-z]{12}"}])

LOUD = (
    sys.executable,
    "-c",
    f"""
import logging
from chatreel import talk
start = talk.start_logging

def loudly(**how):
    start(**how)
    for name in ("", "chatreel"):
        logging.getLogger(name).setLevel({logging.DEBUG})

talk.start_logging = loudly
from chatreel.cli import main
main()
""",
    "serve",
)


def said(kind: str) -> str:
    return f"It is {KEYS[kind]}, keep it."


def reply(asked: Request) -> Reply:
    """What the text of the question asks for; the secret is in the headers, too."""
    form, kind = re.findall(r"\[(\w+): ([^\]]+)\]", asked.json()["messages"][-1]["content"])[0]
    one_line = KEYS[kind].replace("\n", " ")
    headers = {"x-request-id": one_line, "set-cookie": f"session={one_line}", "openai-organization": one_line}
    text = said(kind)
    match form:
        case "escaped":
            made = completion("%s", headers=headers)
            letters = "".join(f"\\u{ord(letter):04x}" for letter in text)
            return Reply(headers=made.headers, body=made.body.replace(b"%s", letters.encode()))
        case "stream":
            return stream(("So: ", text), headers=headers, model=one_line)
        case "split":
            return _spelled(text, headers)
        case "failing":
            return error(400, f"Incorrect key: {text}", code=one_line, headers=headers)
    return completion(text, headers=headers)


def _spelled(text: str, headers: dict[str, str]) -> Reply:
    """A stream of letters, each with its log probability."""
    plain = stream(tuple(text), headers=headers)
    events: list[bytes] = []
    for event in plain.pieces or ():
        if not event.startswith(b"data: {"):
            events.append(event)
            continue
        chunk = json.loads(event.removeprefix(b"data: "))
        letter = chunk["choices"][0]["delta"].get("content")
        if letter:
            chunk["choices"][0]["logprobs"] = {"content": [{"token": letter, "logprob": -0.1, "top_logprobs": []}]}
        events.append(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    return Reply(headers=plain.headers, pieces=events)


def body_of(kind: str, form: str, **more: Any) -> dict[str, Any]:
    """A request with the secret in its text, an argument of a tool, a label and a credential."""
    key = KEYS[kind]
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"key": key})}}]
    told = [
        {"role": "system", "content": f"The key is {key}, and the plum is {OWN}."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": f"found {key}"}]},
        {"role": "user", "content": f"[{form}: {kind}] Use {key}."},
    ]
    streams = form in ("stream", "split")
    return question(messages=told, stream=streams, metadata={"k": key}, user=key, api_key=UNSHAPED, **more) | (
        {"model": key} if form == "stream" else {}
    )


@dataclass(frozen=True)
class Planted:
    """What a proxy has written after it was given secrets."""

    folder: Path
    upstream: Upstream
    live: dict[tuple[str, str], bytes]
    replayed: dict[tuple[str, str], httpx.Response]
    told: bytes
    """By the control API."""
    found: dict[str, set[str]]
    """Places in which each kind was found."""


def plant(folder: Path, kinds: Sequence[str], *, commands: bool = True, **settings: str) -> Planted:
    """Have a proxy make all calls with these kinds, then stop it and look through all that it has written.

    `commands`: look also at what commands make of its store.
    """
    store, cassette = folder / "store.db", folder / "calls.json"
    live, replayed, told = {}, {}, b""
    with Upstream() as upstream, httpx.Client(trust_env=False, timeout=60) as client:
        upstream.reply_by(reply)
        flags = ("--upstream", upstream.url, "--mode", "cache", "--store", str(store), "--record-errors")
        with running_chatreel(*flags, command=LOUD, env={"CHATREEL_REDACT": OWN_SHAPE, **settings}) as proxy:
            sessions = Sessions.of(proxy)
            for kind in kinds:
                for form in FORMS:
                    live[kind, form] = _call(client, proxy.base_url, kind, form).content
                    _copy_spool(store, folder)
                    replayed[kind, form] = _call(client, proxy.base_url, kind, form)
                with sessions.opened(name=said(kind), cassette=str(cassette), mode="cache") as session:
                    for form in FORMS:
                        _call(client, session["base_url"], kind, form)
                    told += json.dumps([sessions.calls(session), sessions.verdict(session)]).encode()
                with sessions.opened(name=said(kind), cassette=str(cassette), mode="replay") as session:
                    for form in (*FORMS, "unheard of"):
                        _call(client, session["base_url"], kind, form)
                    told += json.dumps([sessions.calls(session), sessions.verdict(session)]).encode()
            _copy_beside(store, folder)  # as it is while the proxy runs, its write-ahead log included
            (folder / "log").write_text(proxy.log + proxy.stdout)
        wal = (folder / "copy.db-wal").read_bytes()
        assert wal, "there is a write-ahead log to look through"
    if commands:
        _run_commands(folder, store)
    found = _found(kinds, [*_written(folder, store), ("control API", told)])
    return Planted(folder, upstream, live, replayed, told, found)


def _found(kinds: Sequence[str], written: Sequence[tuple[str, bytes]]) -> dict[str, set[str]]:
    """In which places there is anything of which kind."""
    looked_for = {kind: _fragments(kind) for kind in kinds}
    looked_for |= {"by its place": {UNSHAPED.encode()}, "of one's own": {OWN.encode()}}
    return {
        kind: {place for place, content in written if any(fragment in content for fragment in fragments)}
        for kind, fragments in looked_for.items()
    }


def _call(client: httpx.Client, base_url: str, kind: str, form: str) -> httpx.Response:
    key, one_line = KEYS[kind], KEYS[kind].replace("\n", " ")
    path = "chat/completions"
    if form == "stream":
        path = f"deployments/{quote(key, safe='')}/chat/completions"
        base_url = base_url.removesuffix("/v1") + "/openai"
    headers = {
        "authorization": f"Bearer {one_line}",
        "x-api-key": one_line,
        "cookie": f"a={one_line}",
        "x-any": one_line,
    }
    headers |= {"x-chatreel-tag": f"note={one_line}"}
    return client.post(f"{base_url}/{path}?trace={quote(key, safe='')}", json=body_of(kind, form), headers=headers)


def _copy_spool(store: Path, folder: Path) -> None:
    """Rows of the log that wait to be written: a moment later there may be none."""
    with (folder / "spool").open("ab") as copy:
        for path in store.parent.glob(f"{store.name}.spool-*"):
            copy.write(path.read_bytes())


def _copy_beside(store: Path, folder: Path) -> None:
    for end in ("", "-wal"):
        (folder / f"copy.db{end}").write_bytes(Path(f"{store}{end}").read_bytes())


def _run_commands(folder: Path, store: Path) -> None:
    """What commands write and say of a store."""
    ended = chatreel("export", "--store", str(store), "--to", "log.duckdb", "--parquet", "parquet", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    [(refused,)] = rows(store, "SELECT call_id FROM calls WHERE outcome = 'refused' ORDER BY id DESC LIMIT 1")
    for number, command in enumerate((("explain", refused), ("show", "1"), ("ls",), ("pack", "packed.har"))):
        kind = ("--format", "har") if command[0] == "pack" else ()
        ended = chatreel(*command, *kind, "--store", str(store), cwd=folder)
        (folder / f"said-{number}").write_text(ended.stdout + ended.stderr)


def _written(folder: Path, store: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, and what is inside of those that compress."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
    engine = open_engine(store_url(str(store)))
    with engine.connect() as connection:
        ids = [number for (number,) in rows(store, "SELECT id FROM payloads")]
        for content in payloads.get(connection, ids).values():
            yield "payload", content
            yield "payload, its texts joined", _joined(content)
    engine.dispose()
    if (exported := folder / "log.duckdb").exists():
        with closing(duckdb.connect(str(exported), read_only=True)) as log:
            yield "calls in DuckDB", repr(log.execute("SELECT * FROM calls").fetchall()).encode()
        with closing(duckdb.connect()) as reader:
            yield "calls in Parquet", repr(reader.execute(f"FROM '{folder}/parquet/**/*.parquet'").fetchall()).encode()
    for document in json.loads((folder / "calls.json").read_bytes())["interactions"]:
        yield "cassette, its texts joined", "".join(_texts(document)).encode()


def _joined(content: bytes) -> bytes:
    """What the events of a stream spell, one letter after the other."""
    events = [event.removeprefix(b"data: ") for event in content.split(b"\n\n") if event.startswith(b"data: {")]
    names = ("content", "token")
    found = re.findall(rb'"(content|token)":\s?"((?:[^"\\]|\\.)*)"', b"".join(events))
    return b"\n".join(b"".join(text for name, text in found if name.decode() == wanted) for wanted in names)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name in ("content", "token"):
                yield from (child for child in [value.get(name)] if isinstance(child, str))
            for child in value.values():
                yield from _texts(child) if not isinstance(child, str) else ()
        case list():
            for child in value:
                yield from _texts(child) if not isinstance(child, str) else ()


def _fragments(kind: str) -> set[bytes]:
    """Twelve characters each of a secret, as they are and as JSON has them."""
    secret = secret_of(kind)
    cut = [secret[start : start + 12] for start in range(0, len(secret) - 11, 4)]
    return {text.encode() for part in cut for text in (part, json.dumps(part)[1:-1], quote(part, safe=""))}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("few"), FEW, commands=False)


def test_no_secret_is_written_anywhere(few: Planted) -> None:
    assert {kind: places for kind, places in few.found.items() if places} == {}


@pytest.mark.long
def test_no_secret_of_forty_kinds_is_written_anywhere(tmp_path: Path) -> None:
    assert len(KINDS) >= 40
    found = plant(tmp_path, KINDS).found
    assert {kind: places for kind, places in found.items() if places} == {}


@pytest.mark.long
def test_the_search_finds_them_where_nothing_is_redacted(tmp_path: Path) -> None:
    found = plant(tmp_path, FEW, CHATREEL_REDACT_KNOWN="false").found
    everywhere = {"store.db", "copy.db-wal", "payload", "payload, its texts joined", "calls.json", "control API"}
    everywhere |= {"cassette, its texts joined", "calls in DuckDB", "calls in Parquet", "packed.har", "log", "spool"}
    for kind in FEW:
        assert everywhere - found[kind] == set(), kind


def test_a_live_client_gets_what_the_upstream_has_said(few: Planted) -> None:
    for (kind, form), received in few.live.items():
        if form in ("whole", "failing"):
            assert json.dumps(said(kind))[1:-1].encode() in received
        elif form == "split":
            spelled = b"".join(re.findall(rb'"content": "((?:[^"\\]|\\.)*)"', received))
            assert json.loads(b'"' + spelled + b'"') == said(kind)


def test_a_replay_says_what_was_taken_out_of_it(few: Planted) -> None:
    for (kind, form), response in few.replayed.items():
        if form == "failing":  # an upstream that failed is asked again
            continue
        assert response.headers["cache-status"].startswith("chatreel; hit"), (kind, form)
        assert response.headers["cache-status"].endswith("detail=redacted")
        assert kind in response.headers[REDACTED_HEADER]
        assert PLACEHOLDER.search(response.text)
        assert secret_of(kind) not in response.text


def test_each_call_was_made_once_in_the_store_and_once_in_the_cassette(few: Planted) -> None:
    """What was redacted is found again, also in a cassette that was loaded anew."""
    asked = [call for call in few.upstream.calls if b"[failing: " not in call.body]
    assert len(asked) == 2 * len(FEW) * (len(FORMS) - 1)


@pytest.mark.long
def test_a_store_without_secrets_is_verified_and_has_the_keys_of_today(few: Planted) -> None:
    store = str(few.folder / "store.db")
    verified = chatreel("verify", "--store", store, cwd=few.folder)
    assert verified.returncode == 0, verified.stderr + verified.stdout
    rekeyed = chatreel("rekey", "--dry-run", "--store", store, cwd=few.folder)
    assert "0 would have another key" in rekeyed.stdout, rekeyed.stdout


def test_who_waits_for_an_answer_in_flight_gets_it_as_it_comes_and_another_secret_is_another_call(
    upstream: Upstream, store: str
) -> None:
    held = threading.Event()
    answer = completion(said(KINDS[0]))
    upstream.reply_with(Reply(headers=answer.headers, body=answer.body, hold=held))
    body = question(f"Use {KEYS['OpenAI key']}")
    other = question(f"Use {KEYS['OpenAI key'].swapcase().replace('SK-PROJ', 'sk-proj')}")
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        with ThreadPoolExecutor(3) as pool:
            leading = pool.submit(ask, proxy.base_url, body)
            upstream.wait_for_calls(1)
            waiting = [pool.submit(ask, proxy.base_url, one) for one in (body, other)]
            upstream.wait_for_calls(2)
            # A call that comes after others is answered after they were read.
            assert ask(proxy.base_url, question(), cache_control="only-if-cached").status_code == 504
            held.set()
            live = [future.result() for future in (leading, *waiting)]
        replayed = ask(proxy.base_url, body)
    assert [json.loads(call.body) for call in upstream.calls] == [body, other]
    assert [response.json() for response in live] == [json.loads(answer.body)] * 3
    assert "detail=redacted" in replayed.headers["cache-status"]
    assert secret_of(KINDS[0]) not in replayed.text
