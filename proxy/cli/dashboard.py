"""Commands that show what calls came to: dashboard."""

from pathlib import Path
from typing import Annotated

import typer

from chatreel import talk
from chatreel.cli.app import app
from chatreel.cli.options import Budget, Store, Unpriced
from chatreel.errors import ServeError

PORT = 8501


@app.command()
def dashboard(
    store: Store = None,
    file: Annotated[
        Path | None, typer.Option(help="DuckDB file; beside the store if not given. Without --store it is only read.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")] = PORT,
    budget: Budget = None,
    unpriced: Unpriced = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Show it in a browser.")] = True,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the store.")] = 2.0,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it answers: url and pid, as JSON.")] = None,
) -> None:
    """Show spend, savings, latency and every call in the browser, kept fresh while proxies write."""
    from chatreel.config import load_settings
    from chatreel.dashboards.ports import require_port

    settings = load_settings(store=store, budget=tuple(budget or ()), unpriced=unpriced)
    require_port(port)
    try:
        from chatreel.analytics.export import default_file
        from chatreel.dashboards.launch import Launch, run
        from chatreel.dashboards.source import Source
    except ImportError as error:
        raise ServeError(f"the dashboard needs its extra: pip install 'chatreel[dashboard]' ({error})") from error
    talk.start_logging(quiet=True)
    if file and not store:
        source = Source(file.expanduser(), budgets=settings.budgets)
    else:
        out = (file or default_file(settings.store)).expanduser()
        source = Source(out, settings, follows=True, budgets=settings.budgets)
    run(Launch(source, port, every, browser, ready_file))
