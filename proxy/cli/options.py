"""Options that several commands share, each described once."""

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
MaxBody = Annotated[str | None, typer.Option(help="Largest request body, as in 64MB.")]
