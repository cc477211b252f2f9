"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

Upstream = Annotated[
    list[str] | None,
    typer.Option(help="The real API, as [NAME=]URL; repeatable. The first is the default, others live under /NAME/v1."),
]
Mode = Annotated[str | None, typer.Option(help="cache, replay, record, once or passthrough (or VCR's names).")]
Store = Annotated[str | None, typer.Option(help="File that holds the recordings, or URL of a PostgreSQL.")]
Pace = Annotated[str | None, typer.Option(help="Of replayed streams: instant, recorded, or N times faster.")]
AskUsage = Annotated[
    bool | None,
    typer.Option("--ask-usage/--no-ask-usage", help="Ask upstreams for usage at the end of recorded streams."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RecordErrors = Annotated[
    bool | None,
    typer.Option("--record-errors/--no-record-errors", help="Store errors of the upstream, too, and replay them."),
]
MaxSize = Annotated[
    str | None, typer.Option(help="Of the store, as in 2GB: beyond it, the least recently used recordings go.")
]
MaxBody = Annotated[str | None, typer.Option(help="Largest request body, as in 64MB.")]
InterceptHost = Annotated[
    list[str] | None,
    typer.Option(
        "--intercept-host",
        help="Also intercept this host, besides upstreams and known providers; repeatable, one * stands for any text.",
    ),
]
BlockOthers = Annotated[
    bool | None,
    typer.Option("--block-others/--tunnel-others", help="Refuse hosts that are not intercepted, or tunnel to them."),
]
Cassette = Annotated[
    Path | None, typer.Option(help="File to record into and replay from, instead of the store; made if there is none.")
]
Repeats = Annotated[
    str | None, typer.Option(help="After the last take of a call: last (it again) or strict (refuse), as in replay.")
]
Tag = Annotated[
    list[str] | None,
    typer.Option(help="Put on every call in the log, as name=value; repeatable.", metavar="NAME=VALUE"),
]
Ttl = Annotated[str | None, typer.Option(help="Age at which cache asks anew, as in 30s, 12h or 7d.")]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        help="What may be spent upstream, as [TAG=VALUE:]USD/PERIOD, of run, day, week or month; repeatable.",
        metavar="[TAG=VALUE:]USD/PERIOD",
    ),
]
Unpriced = Annotated[
    str | None,
    typer.Option(help="What a call of unknown price counts as against a budget: warn (nothing), refuse, or USD."),
]
