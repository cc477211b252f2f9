"""How long the first page of the dashboard takes in a browser, against a page of Streamlit that shows one figure.

Run as `python benchmarks/bench_dashboard.py [--calls 1000000] [--file calls.duckdb]`; it needs Chromium. A file that is
named needs calls of the last 30 days. Both servers
have answered before (warm), and take turns; each visit is a new tab of a new profile. Milliseconds from asking for the
address to the first figure on the screen, and to the last chart: medians. Read the ratios.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright
from synthetic_log import DAYS, make_store

from chatreel.analytics.export import export

ROUNDS = 7
PLAIN = "import streamlit as st\nst.title('plain')\nst.metric('one', '1')\n"
FIGURE = '[data-testid="stMetricValue"]'
CHARTS = 3
"""Of the overview, above its table."""
DONE = """(charts) => document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    && document.querySelectorAll('[data-testid="stVegaLiteChart"] :is(canvas, svg)').length >= charts
    && (!charts || document.querySelector('[data-testid="stDataFrame"] canvas'))"""
"""What is to come is asked for, too: between its figures and the rest the page stands still for an instant."""


@contextmanager
def served(command: list[str], url: str) -> Iterator[str]:
    """A server, once it answers."""
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent) as process:  # noqa: S603 - commands of our own
        try:
            while True:
                try:
                    if httpx.get(f"{url}/_stcore/health", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def visit(browser: Browser, url: str, charts: int) -> tuple[float, float]:
    """Milliseconds to the first figure, and to the end: so many charts, and the table below them if there are any."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(FIGURE, timeout=120_000)
    first = time.perf_counter()
    page.wait_for_function(DONE, arg=charts, timeout=120_000)
    ended = time.perf_counter()
    context.close()
    return (first - begun) * 1e3, (ended - begun) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        print("this needs Chromium")  # noqa: T201
        return 1
    with tempfile.TemporaryDirectory() as folder:
        file: Path = given.file or Path(folder) / "calls.duckdb"
        if not given.file:
            make_store(Path(folder) / "store.db", given.calls, time.time() - DAYS * 86_400)
            export(str(Path(folder) / "store.db"), file)
        (Path(folder) / "plain.py").write_text(PLAIN)
        compare(Path(folder), file, program)
    return 0


def compare(folder: Path, file: Path, program: str) -> None:
    python = [sys.executable, "-m"]
    ours = [*python, "chatreel", "dashboard", "--no-browser", "--file", str(file), "--port", "8597"]
    options = ["--server.headless=true", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
    plain = [*python, "streamlit", "run", str(folder / "plain.py"), "--server.port=8598", *options]
    with (
        served(ours, "http://127.0.0.1:8597") as dashboard,
        served(plain, "http://127.0.0.1:8598") as other,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        pages = {
            "plain page": (other, 0),
            "overview, 30 days": (dashboard, CHARTS),
            "overview, all": (f"{dashboard}/?range=all", CHARTS),
        }
        for page in pages.values():
            visit(browser, *page)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
        for _ in range(ROUNDS):
            for name, page in pages.items():
                taken[name].append(visit(browser, *page))
        browser.close()
    base = median(first for first, _ in taken["plain page"])
    for name, times in taken.items():
        first, ended = median(one for one, _ in times), median(end for _, end in times)
        print(f"{name:20} first figure {first:6.0f} ms ({first / base:.2f}x)  drawn {ended:6.0f} ms")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
