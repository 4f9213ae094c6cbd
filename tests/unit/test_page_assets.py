"""The page's files: what they may hold, how they are served, and that they come along."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from starlette.applications import Starlette
from support.http_rig import Listener, serving

from taosink.observe.page.serving import HEADERS, asset, names, page_routes

ROOT = Path(__file__).parents[2]
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
AS_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser"
)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with serving(lambda: Starlette(routes=page_routes("consumer"))) as found:
        yield found


@pytest.mark.parametrize("name", sorted(names()))
def test_no_file_names_another_host(name: str) -> None:
    """The page works where there is no internet, and tells nobody that it is looked at."""
    text = asset(name).body.decode()
    assert (
        re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`]*", text.replace(SVG_NAMESPACE, "")) == []
    )


@pytest.mark.parametrize("name", [n for n in sorted(names()) if n.endswith((".js", ".html"))])
def test_nothing_is_put_in_as_markup(name: str) -> None:
    """What devices send is text; scripts and styles inside a document are refused by its policy anyway."""
    text = asset(name).body.decode()
    assert AS_MARKUP.search(text) is None
    assert re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=[\"']", text) is None


@pytest.mark.parametrize("page", ["consumer", "gateway"])
def test_every_part_that_a_page_asks_for_is_there(page: str) -> None:
    """Scripts, styles, the picture, what scripts import, and every element that they speak of."""
    html = asset(f"{page}.html").body.decode()
    asked = set(re.findall(r"(?:href|src)=\"/page/([^\"]+)\"", html))
    assert f"{page}.js" in asked
    reached = {name for name in asked if name.endswith(".js")}
    while (
        more := {
            found
            for name in reached
            for found in re.findall(r"from \"\./([^\"]+)\"", asset(name).body.decode())
        }
        - reached
    ):
        reached |= more
    assert (asked | reached) <= names()
    scripts = " ".join(asset(name).body.decode() for name in reached)
    spoken_of = set(re.findall(r"(?:byId|put|when)\(\"([a-z-]+)\"", scripts))
    ids = re.findall(r"\sid=\"([^\"]+)\"", html)
    assert spoken_of - set(ids) == set()
    assert len(ids) == len(set(ids))


def test_a_page_lets_nothing_foreign_in(listener: Listener) -> None:
    """No source but the process itself, no markup from texts, no frame around it, no guessed type."""
    answer = listener.http.request("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(one.strip().partition(" ")[::2] for one in HEADERS["content-security-policy"].split(";"))
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_file_is_sent_once_and_asked_for_each_time(listener: Listener) -> None:
    """304 while it is the same; a browser never runs a script of the version before."""
    first = listener.http.request("GET", "/page/consumer.js")
    assert first.status == 200
    assert first.headers["cache-control"] == "private, no-cache"
    again = listener.http.request(
        "GET", "/page/consumer.js", headers={"if-none-match": first.headers["etag"]}
    )
    assert (again.status, again.data) == (304, b"")
    other = listener.http.request("GET", "/page/consumer.js", headers={"if-none-match": '"another"'})
    assert other.data == first.data


@pytest.mark.parametrize(
    "path", ["/page/", "/page/no-such.js", "/page/..%2f__init__.py", "/page/%2e%2e/serving.py", "/page/.."]
)
def test_only_the_pages_files_are_served(listener: Listener, path: str) -> None:
    """A path that leads elsewhere is none."""
    assert listener.http.request("GET", path).status == 404


def test_the_wheel_takes_every_file_along() -> None:
    """Not only the modules."""
    taken = {file.relative_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    folder = "internal/taosink/observe/page/assets"
    assert {f"{folder}/{name}" for name in names()} <= taken
