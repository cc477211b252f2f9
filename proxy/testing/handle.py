"""What a test sees of its session: where it is, what it has sent, what that was answered from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatreel.model import Outcome
from chatreel.testing.control import Control


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a test."""

    id: str
    outcome: str
    """`hit`, `recorded`, `refused` and so on: see `chatreel.model.Outcome`."""
    status: int | None
    """Of the answer."""
    model: str | None
    """As asked for."""
    stream: bool
    key: str | None
    take: int | None
    """Which of the recordings of this key has answered, from 1."""
    latency: float | None
    """Seconds from request to end of answer, as the proxy saw it."""
    reason: str | None
    """Why a call was refused or failed: the nearest recording, and what differs."""
    sent: Any
    """The body of the request as the code under test sent it, parsed."""
    recorded: Any
    """The body of the request that stands beside the answer in the cassette; `None` if there is no such answer."""
    completion: Any
    """What was answered, as one `chat.completion` object, also if it was a stream; `None` for errors."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Call":
        """Read what the control API says of a call."""
        names = ("outcome", "status", "model", "key", "take", "latency", "reason", "sent", "recorded", "completion")
        said = {name: document.get(name) for name in names}
        if said["outcome"] == Outcome.RECORDED:
            said["recorded"] = said["sent"]
        return cls(id=str(document["call_id"]), stream=bool(document.get("stream")), **said)  # type: ignore[arg-type]


class ChatreelSession:
    """The fixture `chatreel`. Nothing in it needs to be touched for a test to record and replay."""

    def __init__(self, control: Control, opened: Mapping[str, Any], cassette: Path) -> None:
        self.id = str(opened["id"])
        self.mode = str(opened["mode"])
        """As it works out: `once` has become `replay` or `cache`."""
        self.cassette = cassette
        """The file with the recordings; need not exist."""
        self.base_url = str(opened["base_url"])
        """For clients: what OPENAI_BASE_URL says during the test."""
        self.env: Mapping[str, str] = {}
        """What was set in the environment for the test, for child processes that do not inherit it."""
        self._control = control

    def __repr__(self) -> str:
        return f"<chatreel session {self.id}, {self.mode} {self.cassette.name}>"

    def url(self, upstream: str) -> str:
        """The base URL for a named upstream: `chatreel.url("router")` for `--chatreel-upstream router=https://...`."""
        return f"{self.base_url.removesuffix('/v1')}/{upstream}/v1"

    @property
    def calls(self) -> list[Call]:
        """The calls of this test so far, in order of arrival. Asks the proxy each time."""
        return [Call.of(call) for call in self._control.calls(self.id)]

    @property
    def sent(self) -> list[Any]:
        """The request bodies so far: what the code under test sends today."""
        return [call.sent for call in self.calls]

    @property
    def recorded(self) -> list[Any]:
        """The request bodies of the recordings that answered, or were made; `None` for calls that have none."""
        return [call.recorded for call in self.calls]
