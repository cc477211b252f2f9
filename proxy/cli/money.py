"""Commands about money: price."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import AsJson, Upstream
from chatreel.exit_codes import ExitCode

Count = Annotated[int, typer.Option(min=0)]


@app.command()
def price(
    model: Annotated[str, typer.Argument(help="As an answer names it.")],
    upstream: Upstream = None,
    prompt: Count = 1_000,
    completion: Count = 1_000,
    cached: Count = 0,
    reasoning: Count = 0,
    at: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the call, UTC; today.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a call of so many tokens costs, and where that is known from."""
    from chatreel.config import load_settings
    from chatreel.prices import Prices, Unpriced
    from chatreel.tokens import Tokens
    from chatreel.upstreams import Upstreams

    settings = load_settings(upstream=tuple(upstream or ()))
    origin = Upstreams.parse(settings.upstream).default.origin
    when = at.replace(tzinfo=UTC).timestamp() if at else time.time()
    tokens = Tokens(prompt=prompt, completion=completion, cached=cached, reasoning=reasoning)
    quoted = Prices(settings.price).quote(tokens, model, origin, when)
    if isinstance(quoted, Unpriced):
        talk.complain(quoted.reason)
        raise typer.Exit(ExitCode.FAILED)
    document = asdict(quoted) | {"usd": float(quoted.usd)}
    typer.echo(
        json.dumps(document) if as_json else f"${_plain(quoted.usd)}  {quoted.source} {quoted.version}, {quoted.model}"
    )


def _plain(usd: Decimal) -> str:
    """All digits, no exponent, no zeros at the end."""
    return f"{usd.normalize():f}"
