"""Pages of the dashboard as Streamlit's own test driver sees them: without a browser, without a server."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.ipc
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Dataframe
from synthetic_log import DAYS, START

from chatreel.analytics.export import export
from chatreel.dashboards.source import Source

END = datetime.fromtimestamp(START + DAYS * 86_400, UTC)
"""When the newest of many calls was made."""
COUNT = 4_000
"""Of many calls."""

DASHBOARD = (sys.executable, "-m", "chatreel", "dashboard", "--no-browser")
"""The command, for `support.program`."""

PAGES = ("overview", "cost", "latency", "cache", "sessions", "explorer")


def published(store: Path) -> Path:
    """The file that an export makes of a store."""
    out = store.with_suffix(".duckdb")
    export(str(store), out)
    return out


def _script(source: "Any", landing: "Any") -> None:
    """Runs in a module of its own, which knows no names of this one."""
    from chatreel.dashboards import app

    app.main(source, landing)


def visit(source: Source, page: str = "overview", /, **address: str | Sequence[str]) -> AppTest:
    """A page, drawn to its end. `address`: what follows the question mark."""
    found = arrive(source, page, **address)
    return found.run() if found.get("skeleton") else found


def arrive(source: Source, page: str = "overview", /, **address: str | Sequence[str]) -> AppTest:
    """As much of a page as its visitor sees first."""
    test = AppTest.from_function(_script, kwargs={"source": source, "landing": page}, default_timeout=120)
    for name, value in address.items():
        test.query_params[name] = value if isinstance(value, str) else [*value]
    return test.run()


def figures(test: AppTest) -> dict[str, str]:
    """The cards of a page: label and value."""
    return {metric.label: metric.value for metric in test.metric}


def said(test: AppTest) -> str:
    """All text of a page that is no title, card or table."""
    kinds = (test.info, test.error, test.warning, test.success, test.caption, test.markdown, test.text, test.code)
    return "\n".join(element.value for elements in kinds for element in elements)


def charts(test: AppTest) -> dict[str, list[dict[str, Any]]]:
    """What the charts of a page draw: rows, by what each says to who cannot see it."""
    return {
        element.proto.alt: [row for part in element.proto.datasets for row in _rows(part.data.data)]
        for element in test.get("vega_lite_chart")
    }


def amounts(table: Dataframe, column: str) -> list[str]:
    """What a column of amounts says, from top to bottom."""
    return [row[column] for row in _rows(table.proto.arrow_data.styler.display_values)]


def _rows(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.ipc.open_stream(content).read_all().to_pylist()
    return rows
