"""Who gets to see the pages, by a browser's own means."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route
from support.http_rig import Listener, metrics, serving
from support.status_rig import StatusRig

from taosink.ingress.http.guard import Guard as AdminGuard
from taosink.ingress.http.routing import application
from taosink.observe.page.serving import page_routes
from taosink.observe.status.guard import Guard
from taosink.observe.status.routes import StatusCalls, make_app

TOKEN = "an-operators-token-of-some-length"


def login(password: str, user: str = "operator") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def consumer(token: str, *, loopback: bool) -> Any:
    return lambda: make_app(StatusCalls(StatusRig().looker), Guard(token, loopback))


def gateway(token: str, *, loopback: bool) -> Any:
    routes: list[Route] = page_routes("gateway")
    return lambda: application(
        "admin", routes, metrics(), lambda app: AdminGuard(app, token=token, loopback=loopback)
    )


@pytest.fixture(params=[consumer, gateway])
def guarded(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """Each process's page, beyond loopback."""
    with serving(request.param(TOKEN, loopback=False)) as found:
        yield found


@pytest.fixture(params=[consumer, gateway])
def local(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """On loopback, without a token."""
    with serving(request.param("", loopback=True)) as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/page/style.css"])
def test_a_browser_is_asked_for_its_login(guarded: Listener, path: str) -> None:
    """By a challenge that it knows, on a line of its own; no part of the page comes before that."""
    status, body, headers = guarded.get(path)
    assert status == 401
    assert b"<html" not in body
    assert any(one.startswith("Basic ") for one in headers.getlist("www-authenticate"))  # type: ignore[attr-defined]  # urllib3's own


@pytest.mark.parametrize("user", ["", "operator", "anybody at all"])
def test_the_token_is_the_password(guarded: Listener, user: str) -> None:
    """Whatever the name; as a bearer token it opens the same."""
    assert guarded.get("/", **login(TOKEN, user))[0] == 200
    assert guarded.get("/", authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "given", [login(TOKEN + "x"), login(""), {"authorization": "Basic !!!"}, {"authorization": "Basic"}]
)
def test_another_password_opens_nothing(guarded: Listener, given: dict[str, str]) -> None:
    """Nor does what is none."""
    assert guarded.get("/", **given)[0] == 401


def test_a_page_of_another_site_gets_nothing_by_the_login_that_a_browser_keeps(guarded: Listener) -> None:
    """The browser sends it along whoever asks."""
    own = f"http://{guarded.host}:{guarded.number}"
    assert guarded.get("/", origin="http://elsewhere.example", **login(TOKEN))[0] == 403
    assert guarded.get("/", origin="null", **login(TOKEN))[0] == 403
    assert guarded.get("/", origin=own, **login(TOKEN))[0] == 200


def test_on_loopback_the_page_is_there_at_once(local: Listener) -> None:
    """For this machine's own names; a name that leads here by somebody else's DNS sees nothing."""
    assert local.get("/")[0] == 200
    assert local.get("/", host="rebound.example")[0] in (403, 421)


def test_the_consumers_history_is_what_it_looked_at() -> None:
    """One column a figure, a row a look."""
    rig = StatusRig()
    made: list[StatusCalls] = []

    def make() -> Any:
        made.append(StatusCalls(rig.looker))
        return make_app(made[0], Guard("", loopback=True))

    with serving(make) as listener:
        for _ in range(3):
            rig.pass_time(1.0)
            listener.do(made[0].tick())
        found = listener.http.request("GET", "/history.json").json()
    assert found["at"] == [1_001_000, 1_002_000, 1_003_000]
    assert set(found) == {"at", "stored", "consumed", "arriving", "lag", "lag_seconds", "dead_lettered"}
    assert {len(column) for column in found.values()} == {3}
