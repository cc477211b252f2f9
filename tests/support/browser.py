"""A real browser: Chromium, driven by Playwright, and axe, which finds what keeps people out."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES: Final = Path(__file__).parents[1] / "dashboards"
"""Where package.json names axe."""
DESK: Final = (1440, 900)
PHONE: Final = (390, 844)


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, without a window. Skips where there is none, and fails where `CI` is set."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        _missing("needs Chromium (Debian's package `chromium`), which is not here")
    # Its sandbox needs rights that a container, or root, has not; the pages are our own.
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def visitor(opened: Browser, *, dark: bool = False, size: tuple[int, int] = DESK) -> Iterator[Page]:
    """A page in a profile of its own, on a screen of that size."""
    width, height = size
    context: BrowserContext = opened.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        timezone_id="America/New_York",  # figures are those of UTC wherever one looks from
    )
    context.set_default_timeout(60_000)
    try:
        yield context.new_page()
    finally:
        context.close()


_SETTLED: Final = """() => {
    const still = document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        && !document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]');
    window.stillSince = still ? window.stillSince ?? performance.now() : undefined;
    return still && performance.now() - window.stillSince > 700;
}"""
"""For a while: between its figures and what it loads next, a page stands still for an instant, too."""


def settle(page: Page) -> None:
    """Wait until a page of Streamlit has been drawn to its end."""
    page.evaluate("() => { window.stillSince = undefined }")
    page.wait_for_function(_SETTLED)
    page.evaluate("() => document.fonts.ready")


def install_axe(folder: Path) -> Path:
    """The script of axe, as locked. Skips where npm is not here or cannot get it, and fails where `CI` is set."""
    if shutil.which("npm") is None:
        _missing("needs npm, which is not here")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if ended.returncode:
        _missing(f"npm cannot install axe: {ended.stderr.strip()[-300:]}")
    return folder / "node_modules" / "axe-core" / "axe.min.js"


_EMPTY: Final = '[class*="highlighted_points_marks"]'
"""Of Streamlit's figures: a group without anything in it, for the point under the mouse, which axe wants named.

`st.metric` draws its own line, and takes no name for the parts of it. Nobody misses anything: what the line shows
stands above it, in words.
"""


def faults(page: Page, axe: Path) -> list[str]:
    """What axe finds serious or critical on a page."""
    page.add_script_tag(path=axe)
    found: dict[str, Any] = page.evaluate(
        "empty => axe.run({exclude: [[empty]]}, {resultTypes: ['violations']})", _EMPTY
    )
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:5]
    ]


def _missing(said: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
