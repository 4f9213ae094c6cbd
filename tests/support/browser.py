"""A real Chromium that looks at a page, and writes down whatever goes wrong in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright
from support.machine_tools import needed

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
PATIENCE_MS = 60_000
PHONE = {"width": 360, "height": 760}
HOSTILE = "<img src=x onerror=alert(1)>"
TOKEN = "a-token-of-sixteen-and-more"
LOGIN = {"username": "operator", "password": TOKEN}
PICTURE_POINTS = 50
"""Looks that a picture for the documents shows: most of the minute that it has room for."""


def asked_for() -> str:
    """A folder, where somebody wants pictures for the documents:
    TAOSINK_TEST_SCREENSHOTS=docs/images pytest tests/integration/test_page_browser.py -k operator"""
    return os.environ.get("TAOSINK_TEST_SCREENSHOTS", "")


def screenshots() -> Path:
    """Where pictures are kept: the folder that was asked for, else `.cache/screenshots`."""
    found = Path(asked_for() or ROOT / ".cache" / "screenshots")
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's or whoever's is on PATH; nothing is fetched."""
    path = needed("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page and its faults: errors on the console, requests that failed, requests to somebody else."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._request)
        page.on("response", self._response)

    def __repr__(self) -> str:
        return f"<Watched {self.url} faults={self.faults}>"

    def open(self, path: str = "/") -> Page:
        """Waits for the first look."""
        self.page.goto(self.url + path)
        self.until("document.getElementById('contact').dataset.state === 'live'")
        return self.page

    def text(self, where: str) -> str:
        return str(self.page.locator(f"#{where}").inner_text())

    def until(self, expression: str, argument: Any = None) -> None:
        """Until a JavaScript expression holds. Its text is asked for by the driver, and is none of the page's."""
        self.page.wait_for_function(f"(argument) => {expression}", arg=argument)

    def picture(self, name: str, *, whole: bool = True) -> Path:
        """A screenshot in the folder that the run keeps."""
        path = screenshots() / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole)
        print(f"screenshot: {path}")  # noqa: T201 - shown with the test's output
        return path

    def enough_for_a_picture(self, line: str) -> None:
        """Until the line is as long as a picture for the documents wants it; at once where none was asked for."""
        if asked_for():
            drawn = f"document.querySelector('{line}').getAttribute('d').split('L').length"
            self.page.wait_for_function(f"() => {drawn} > {PICTURE_POINTS}", timeout=PICTURE_POINTS * 2000)

    def wider_than_its_window(self) -> int:
        """Pixels by which it would scroll sideways."""
        found = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(found))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # A stream that the page itself ends when it is left is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.url}: {request.failure}")

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.faults.append(f"foreign: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")


@contextmanager
def watched(browser: Browser, url: str, **context: Any) -> Iterator[Watched]:
    """A page in a context of its own; `context` as Playwright takes it (viewport, color_scheme, ...)."""
    context.setdefault("viewport", {"width": 1280, "height": 900})
    own = browser.new_context(**context)
    try:
        yield Watched(own.new_page(), url)
    finally:
        own.close()
