"""The OpenAPI document that the proxy serves: whole, true, and what its answers are held against."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # comes with schemathesis

from chatreel.api_errors import Problem
from chatreel.model import Mode
from support.calls import ask, question
from support.program import Program, clean_environment, running_chatreel
from support.resources import REPOSITORY
from support.upstream import Upstream

SHIPPED: dict[str, Any] = json.loads((REPOSITORY / "proxy" / "control" / "openapi.json").read_bytes())


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as running,
    ):
        yield running


def test_it_is_served_as_it_is_shipped(proxy: Program) -> None:
    response = httpx.get(proxy.base_url.removesuffix("/v1") + "/_chatreel/openapi.json", trust_env=False)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == SHIPPED
    assert SHIPPED["openapi"].startswith("3.1.")


def test_every_reference_in_it_leads_somewhere() -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(SHIPPED)))
    assert names == set(SHIPPED["components"]["schemas"])
    for schema in SHIPPED["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_status_of_our_own_errors_stands_in_it() -> None:
    responses = SHIPPED["paths"]["/v1/chat/completions"]["post"]["responses"]
    control = {response for path in SHIPPED["paths"].values() for one in path.values() for response in _statuses(one)}
    proxy_only = {407}  # what a forward proxy says stands in no API's document
    assert {problem.value.status for problem in Problem} - proxy_only <= {*map(int, responses), *map(int, control)}


def _statuses(operation: Any) -> list[str]:
    return list(operation.get("responses", ())) if isinstance(operation, dict) else []


def test_the_modes_in_it_are_those_there_are() -> None:
    assert SHIPPED["components"]["schemas"]["Mode"]["enum"] == list(Mode)


@pytest.mark.parametrize("kind", ["Completion", "Error", "Health", "Session", "Verdict"])
def test_real_answers_have_the_shape_it_says(proxy: Program, kind: str) -> None:
    control = proxy.base_url.removesuffix("/v1") + "/_chatreel"
    with httpx.Client(trust_env=False, timeout=30) as client:
        answers = {
            "Completion": lambda: ask(proxy.base_url, question()).json(),
            "Error": lambda: ask(proxy.base_url, {"messages": 1}).json(),
            "Health": lambda: client.get(f"{control}/health").json(),
            "Session": lambda: client.post(f"{control}/sessions", json={"name": "a"}).json(),
            "Verdict": lambda: client.delete(
                f"{control}/sessions/{client.post(f'{control}/sessions').json()['id']}"
            ).json(),
        }
        answer = answers[kind]()
    schema = {"$ref": f"#/components/schemas/{kind}", "components": SHIPPED["components"]}
    Draft202012Validator(schema).validate(answer)


@pytest.mark.long
def test_made_up_requests_get_no_answer_that_it_does_not_know() -> None:
    ended = subprocess.run(
        [sys.executable, "benchmarks/fuzz_api.py", "--seconds", "60", "--examples", "60", "--seed", "7"],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Operations:       6 selected" in ended.stdout
