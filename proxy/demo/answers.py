"""What the model of the demo answers: one request in, one completion out, the same for the same request."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from chatreel.demo.prose import REFUSAL, talk, think, tokens
from chatreel.demo.request import REASONING, ChatRequest, image_size, member, parts_of
from chatreel.demo.schemas import fill, names_in
from chatreel.demo.shapes import Draft, completion

HARMFUL = re.compile(r"\b(malware|ransomware|weapons?|explosives?|steal)\b", re.IGNORECASE)
LONG = re.compile(r"\b(long|story|essay|detail\w*|everything)\b", re.IGNORECASE)


def answer(request: ChatRequest, created: int) -> dict[str, Any]:
    """The completion for `request`. `created`, in seconds since the epoch, is the only thing in it that may vary.

    Raises `ApiError` if the last message has an image that cannot be read.
    """
    return completion(request, [_draft(request, k) for k in range(request.choices)], created)


def _draft(request: ChatRequest, choice: int) -> Draft:
    """The first way of answering that applies, within the limits the request sets."""
    seed = f"{request.seed} {choice}"
    drafted = next(draft for applies, draft in WAYS if applies(request))(request, seed)
    if request.model in REASONING:
        drafted = replace(drafted, reasoning=think(seed))
    return _limited(_stopped(drafted, request.body.get("stop")), request.limit)


def _stopped(draft: Draft, stop: str | Sequence[str] | None) -> Draft:
    """`draft` up to the first stop sequence in its text."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    ends = [end for sequence in sequences if sequence and (end := draft.text.find(sequence)) >= 0]
    return replace(draft, text=draft.text[: min(ends)]) if ends else draft


def _limited(draft: Draft, limit: int | None) -> Draft:
    """`draft` with its text cut to what `limit` tokens leave after the reasoning."""
    if limit is None or not draft.text or draft.size <= limit:
        return draft
    left = max(0, limit - len(tokens(draft.reasoning)))
    return replace(draft, text="".join(islice(tokens(draft.text), left)), finish="length")


def _refuses(request: ChatRequest) -> bool:
    return HARMFUL.search(request.prompt) is not None


def _refuse(_request: ChatRequest, _seed: str) -> Draft:
    return Draft(refusal=REFUSAL)


def _reports(request: ChatRequest) -> bool:
    return bool(request.messages[-1]["role"] == "tool")


def _report(request: ChatRequest, _seed: str) -> Draft:
    """Says what the tools that were called last have returned."""
    results = []
    for message in reversed(request.messages):
        if message["role"] != "tool":
            break
        results.append(_in_words(str(message.get("content") or "nothing")))
    return Draft(text=" ".join(reversed(results)))


def _in_words(result: str) -> str:
    try:
        found = json.loads(result)
    except ValueError:
        return f"The tool says: {result.strip()}"
    if not isinstance(found, dict):
        return f"The result is {json.dumps(found, ensure_ascii=False)}."
    pairs = [f"{name.replace('_', ' ')} is {value}" for name, value in found.items()]
    return f"According to the tool, {', '.join(pairs)}."


def _tools_asked_for(request: ChatRequest) -> list[Mapping[str, Any]]:
    """The tools to call: those the choice demands, or the first one whose name shares a word with the prompt."""
    choice = request.body.get("tool_choice", "auto")
    if choice == "none":
        return []
    if isinstance(choice, Mapping):
        return [tool for tool in request.tools if tool.get("name") == member(choice, "function").get("name")]
    said = set(re.findall(r"\w{4,}", request.prompt.lower()))
    fitting = [tool for tool in request.tools if said & set(str(tool.get("name", "")).lower().split("_"))]
    return fitting[:1] or (list(request.tools[:1]) if choice == "required" else [])


def _calls(request: ChatRequest) -> bool:
    return bool(_tools_asked_for(request))


def _call(request: ChatRequest, seed: str) -> Draft:
    """A call per name in the prompt, one at most if the request wants no parallel calls."""
    about = names_in(request.prompt)[: None if request.body.get("parallel_tool_calls", True) else 1]
    calls = [
        (str(tool["name"]), json.dumps(fill(member(tool, "parameters"), prompt, seed), ensure_ascii=False))
        for tool in _tools_asked_for(request)
        for prompt in ([_about(name, about, request.prompt) for name in about] or [request.prompt])
    ]
    return Draft(calls=tuple(dict.fromkeys(calls)), finish="tool_calls")


def _about(name: str, names: Sequence[str], prompt: str) -> str:
    """`prompt` with no other name in it than `name`."""
    for other in names:
        prompt = prompt if other == name else prompt.replace(other, "")
    return prompt


def _structures(request: ChatRequest) -> bool:
    return str(member(request.body, "response_format").get("type", "")).startswith("json")


def _structure(request: ChatRequest, seed: str) -> Draft:
    """JSON that fits the schema of the request, or an object with an answer if there is none."""
    asked = member(member(request.body, "response_format"), "json_schema")
    schema = member(asked, "schema")
    value = fill(schema, request.prompt, seed) if schema else {"answer": talk(request.prompt, seed, long=False)}
    return Draft(text=json.dumps(value, ensure_ascii=False))


def _images(request: ChatRequest) -> list[str]:
    parts = [part for part in parts_of(request.messages[-1]) if part.get("type") == "image_url"]
    return [str(member(part, "image_url").get("url", "")) for part in parts]


def _sees(request: ChatRequest) -> bool:
    return bool(_images(request))


def _describe(request: ChatRequest, _seed: str) -> Draft:
    sizes = [image_size(url) for url in _images(request)]
    seen = " and ".join(f"one of {width} by {height} pixels" for width, height in sizes)
    count = "a picture" if len(sizes) == 1 else f"{len(sizes)} pictures"
    return Draft(text=f"You sent {count}: {seen}. At this size I can tell its colours, but not what they want to show.")


def _always(_request: ChatRequest) -> bool:
    return True


def _talk(request: ChatRequest, seed: str) -> Draft:
    return Draft(text=talk(request.prompt, seed, long=LONG.search(request.prompt) is not None))


WAYS: tuple[tuple[Callable[[ChatRequest], bool], Callable[[ChatRequest, str], Draft]], ...] = (
    (_refuses, _refuse),
    (_reports, _report),
    (_calls, _call),
    (_structures, _structure),
    (_sees, _describe),
    (_always, _talk),
)
"""The ways of answering, in the order they are tried."""
