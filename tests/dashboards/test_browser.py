"""The dashboard in a real browser, from calls of the official client to what is seen.

`SCREENSHOTS=folder` keeps the pictures.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, OpenAI
from playwright.sync_api import Browser, Page

from chatreel.demo.calls import CALLS
from chatreel.demo.model_server import ModelServer
from chatreel.testing.control import Control
from support.browser import DESK, PHONE, browser, faults, install_axe, settle, visitor
from support.dashboard import DASHBOARD, PAGES
from support.program import running_chatreel

pytestmark = pytest.mark.long

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What makes a cache hard to get wrong?"}]}


SESSIONS = ("test_asks", "test_asks_again")

PRICES = "[[price]]\nmodel = 'gpt-4*'\ninput = 2.5\noutput = 10\n"
"""Of all models but one."""


WATCH = """() => {
    const begun = performance.now();
    const told = () => [...document.querySelectorAll('[data-testid="stText"]')].findLast(one => one.checkVisibility());
    window.heard = [{text: told().innerText, at: 0}];
    const look = () => {
        const text = told()?.innerText;
        if (text !== undefined && text !== window.heard.at(-1).text)
            window.heard.push({text, at: (performance.now() - begun) / 1000});
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""Notes what the last text of the page is, now and from now on, with the seconds since."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A dashboard, beside a proxy that writes to its store."""

    url: str
    base_url: str
    """Of the proxy."""
    browser: Browser


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A dozen calls, made twice, each time in a session of their own, and one that was refused."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "chatreel.toml").write_text(PRICES)
    store = str(folder / "store.db")
    with (
        browser() as opened,
        ModelServer(pace=0.05) as model,
        running_chatreel("--upstream", model.url, "--mode", "cache", "--store", store, cwd=folder) as proxy,
    ):
        with closing(Control(proxy.base_url.removesuffix("/v1"))) as control:
            for name in SESSIONS:
                session = control.open_session({"name": name})
                for call in CALLS:
                    ask(session["base_url"], **call.arguments)
        with pytest.raises(APIStatusError, match="No recording matches"):
            ask(proxy.base_url, **QUESTION, extra_headers={"Cache-Control": "only-if-cached"})
        with running_chatreel("--store", store, "--every", "0.2", command=DASHBOARD) as dashboard:
            yield Shown(str(dashboard.ready["url"]), proxy.base_url, opened)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_axe(tmp_path_factory.mktemp("axe"))


def ask(base_url: str, **arguments: Any) -> None:
    """One call, to the last byte of its answer."""
    with (
        OpenAI(base_url=base_url, api_key="none", max_retries=0) as client,
        client.chat.completions.with_streaming_response.create(**arguments) as response,
    ):
        response.read()


def go(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("h1")
    settle(page)


def open_first(page: Page) -> None:
    """Choose the first call of the list."""
    table = page.locator('[data-testid="stDataFrame"]').first
    table.wait_for()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 55)  # the box before the row: the table is one canvas
    page.get_by_role("tab", name="Conversation").wait_for()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(800)  # charts move into place
        height = page.evaluate("() => document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        size = page.viewport_size or {"width": DESK[0], "height": DESK[1]}
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(height + 20, 4000))})
        page.wait_for_timeout(800)
        page.screenshot(path=Path(folder) / f"{name}.png")
        page.set_viewport_size(size)


LOOKS = {"light": (False, DESK), "dark": (True, DESK), "phone": (False, PHONE)}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_drawn_without_a_fault_and_asks_nobody_else_for_anything(
    shown: Shown, axe: Path, path: str, look: str
) -> None:
    dark, size = LOOKS[look]
    with visitor(shown.browser, dark=dark, size=size) as page:
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        go(page, f"{shown.url}/{'' if path == 'overview' else path}")
        assert page.locator("h1").inner_text().lower() == path
        assert page.locator('[data-testid="stException"]').count() == 0
        assert wrong == []
        here = ("data:", "blob:", shown.url, shown.url.replace("http", "ws"))
        assert [url for url in asked if not url.startswith(here)] == []
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth + 1"), "nothing sticks out"
        picture(page, f"{path}_{look}")
        assert faults(page, axe) == []


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_chosen_can_be_read_by_everybody(shown: Shown, axe: Path, dark: bool) -> None:
    with visitor(shown.browser, dark=dark) as page:
        for tab in ("Conversation", "Timing", "Request", "Raw"):
            go(page, f"{shown.url}/explorer?range=all&outcome=hit&q=lighthouse&tab={tab}")
            open_first(page)
            page.get_by_role("tab", name=tab, selected=True).wait_for()
            settle(page)
            assert faults(page, axe) == [], tab


def test_a_filter_is_in_the_address_and_survives_a_reload(shown: Shown) -> None:
    with visitor(shown.browser) as page:
        go(page, f"{shown.url}/explorer?range=all")
        assert page.get_by_text("25 calls").is_visible()
        page.get_by_label("Outcome").click()
        page.get_by_role("option", name="refused").click()
        page.get_by_text("1 call", exact=True).wait_for()
        assert "outcome=refused" in page.url
        page.reload()
        page.get_by_text("1 call", exact=True).wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("heading", name="Overview").wait_for()
        page.wait_for_url("**outcome=refused**")


def test_a_call_is_opened_from_the_list_and_can_be_linked_to(shown: Shown) -> None:
    with visitor(shown.browser) as page:
        go(page, f"{shown.url}/explorer?range=all&outcome=hit&q=lighthouse")
        open_first(page)
        page.get_by_text("Tell me a long story about a lighthouse.").wait_for()
        settle(page)
        assert "call=" in page.url
        picture(page, "explorer_call_light")
        address = page.url
        page.get_by_role("tab", name="Timing").click()
        page.get_by_role("button", name="Play").wait_for()
        settle(page)
        picture(page, "explorer_timing_light")
    with visitor(shown.browser, dark=True) as page:
        go(page, address)
        page.get_by_text("Tell me a long story about a lighthouse.").wait_for()
        picture(page, "explorer_call_dark")


def test_a_stream_is_played_back_in_the_time_that_it_took(shown: Shown) -> None:
    with visitor(shown.browser) as page:
        go(page, f"{shown.url}/explorer?range=all&outcome=hit&q=lighthouse&tab=Timing")
        open_first(page)
        page.get_by_role("button", name="Play").wait_for()
        settle(page)
        [took] = re.findall(r"parts in ([\d.]+) s", page.get_by_text("How the answer came when").inner_text())
        page.evaluate(WATCH)
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("() => window.heard.length > 1 && window.heard.at(-1).text === window.heard[0].text")
        heard = page.evaluate("() => window.heard")
    whole, *played = [one["text"] for one in heard if one["text"] != "(nothing)"]
    assert len(played) > 3, "neither at once nor in two pieces"
    assert all(whole.startswith(text) for text in played)
    assert [*map(len, played)] == sorted(map(len, played))
    assert heard[-1]["at"] >= float(took) - 0.1, "it is said in tenths"


def test_a_refused_call_shows_what_differs(shown: Shown, axe: Path) -> None:
    with visitor(shown.browser) as page:
        go(page, f"{shown.url}/explorer?range=all&outcome=refused&tab=Why+no+hit")
        open_first(page)
        page.get_by_text("never asked before").wait_for()
        page.locator("ins", has_text="+What makes a cache hard to get wrong?").wait_for()
        settle(page)
        assert faults(page, axe) == []
        picture(page, "explorer_why_light")


@pytest.mark.parametrize("look", LOOKS)
def test_two_sessions_are_chosen_and_seen_side_by_side(shown: Shown, axe: Path, look: str) -> None:
    dark, size = LOOKS[look]
    with visitor(shown.browser, dark=dark, size=size) as page:
        go(page, f"{shown.url}/sessions?range=all")
        for place, name in zip(("One", "Other"), SESSIONS, strict=True):
            page.get_by_label(place, exact=True).click()
            page.get_by_role("option", name=f"{name}, ").click()
        page.wait_for_url("**one=test_asks**other=test_asks_again**")
        page.locator('[data-testid="stDataFrame"]').nth(1).wait_for()
        settle(page)
        picture(page, f"sessions_compared_{look}")
        assert faults(page, axe) == []


def test_a_new_call_is_seen_without_doing_anything(shown: Shown) -> None:
    with visitor(shown.browser) as page:
        go(page, f"{shown.url}/?range=all")
        before = page.get_by_text("Without recordings 25 calls").inner_text()
        ask(shown.base_url, **QUESTION | {"seed": 1})
        page.wait_for_function(
            "(before) => [...document.querySelectorAll('p')].some("
            "p => p.innerText.includes('Without recordings') && p.innerText !== before)",
            arg=before,
        )
