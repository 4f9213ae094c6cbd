"""The admin listener: commands, devices, health, metrics, and who may ask."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from support.http_rig import Listener, Well, metrics, serving

from taosink.ingress.http.admin import AdminDeps, make_admin
from taosink.ingress.http.desk import CommandRefusedError, Holder, NewCommand
from taosink.ingress.http.guard import is_loopback_name
from taosink.ingress.ports import SessionView
from taosink.observe.expose import exposition, registry

TOKEN = "an-operators-token-of-some-length"


class Desk:
    """Commands in a dict; `refuse` is raised by the next put."""

    def __init__(self) -> None:
        self.commands: dict[str, Mapping[str, Any]] = {}
        self.refuse: CommandRefusedError | None = None

    async def put(self, command: NewCommand) -> Mapping[str, Any]:
        if self.refuse is not None:
            raise self.refuse
        view = {
            "id": command.id or f"c{len(self.commands)}",
            "deviceUid": command.device,
            "clientId": command.client,
            "data": command.data,
            "answer": command.answer,
            "ttlMs": command.ttl_ms,
            "state": "queued",
        }
        self.commands[view["id"]] = view
        return view

    def view(self, command: str) -> Mapping[str, Any] | None:
        return self.commands.get(command)

    def views_of(self, device: str) -> Sequence[Mapping[str, Any]]:
        return [view for view in self.commands.values() if view["deviceUid"] == device]


class Holders:
    """Devices d000.. on two gateways, and one with a slash."""

    def __init__(self) -> None:
        self.all = sorted(
            [
                Holder(f"d{i:03}", f"s{i % 2}", f"c{i}", 1000 + i, "http://other" if i % 2 else "")
                for i in range(250)
            ]
            + [Holder("a/b ü", "s0", "cx", 5)],
            key=lambda holder: holder.device,
        )

    def holder(self, device: str) -> Holder | None:
        return next((holder for holder in self.all if holder.device == device), None)

    def holders(self, after: str, limit: int) -> Sequence[Holder]:
        return [holder for holder in self.all if holder.device > after][:limit]


class Sessions:
    """Every device that is here speaks JSON."""

    def __len__(self) -> int:
        return 1

    def views(self) -> Sequence[SessionView]:
        raise NotImplementedError

    def view_of(self, device: str) -> SessionView | None:
        return SessionView("c", device, "10.0.0.1", 1.0, True, "json_lines")


class Rig:
    def __init__(self, *, token: str = "", loopback: bool = True) -> None:
        self.desk, self.health, self.metrics = Desk(), Well(), metrics()
        self.reasons: list[str] = []
        self.fault = ""
        found = registry()
        found.register(self.metrics)
        self.deps = AdminDeps(
            server_id="s0",
            desk=self.desk,
            presence=Holders(),
            directory=Sessions(),
            health=self.health,
            reasons=lambda: self.reasons,
            fault=lambda: self.fault,
            exposition=lambda accept: exposition(found, accept),
            metrics=self.metrics,
            token=token,
            loopback=loopback,
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def listener(rig: Rig) -> Iterator[Listener]:
    with serving(lambda: make_admin(rig.deps)) as found:
        yield found


def test_a_command_is_put_and_seen(rig: Rig, listener: Listener) -> None:
    """202 with its id and state; then by its id and among the device's, for a device that was never seen too."""
    body = json.dumps({"data": {"name": "reboot"}, "answer": True, "ttlMs": 5000, "id": "k1"}).encode()
    assert listener.post("/devices/never-seen/commands", body)[:2] == (202, {"id": "k1", "state": "queued"})
    found = json.loads(listener.get("/commands/k1")[1])
    assert found == rig.desk.commands["k1"]
    assert (found["data"], found["answer"], found["ttlMs"]) == ({"name": "reboot"}, True, 5000)
    assert json.loads(listener.get("/devices/never-seen/commands")[1])["commands"] == [found]
    assert listener.get("/commands/no-such")[0] == 404


def test_a_command_can_be_for_a_client(rig: Rig, listener: Listener) -> None:
    """By client id, with an id that is made."""
    status, told, _ = listener.post("/clients/c-7/commands", b'{"data":null}')
    assert (status, told["state"]) == (202, "queued")
    assert rig.desk.commands[told["id"]]["clientId"] == "c-7"


@pytest.mark.parametrize(
    "device", ["a/b", "a b", "ünï/ü", "100%", "a?b#c", "..", "x;y=1", "'; DROP TABLE d; --", "+"]
)
def test_any_device_can_be_named_in_a_path(rig: Rig, listener: Listener, device: str) -> None:
    """Percent-encoded, slashes and all; what is decoded is the device's id and nothing else."""
    path = f"/devices/{quote(device, safe='').replace('.', '%2E')}/commands"
    raw = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
    )
    answer = listener.raw(raw.encode() + b'content-length: 10\r\n\r\n{"data":1}')
    assert answer.startswith(b"HTTP/1.1 202"), answer
    assert [view["deviceUid"] for view in rig.desk.commands.values()] == [device]


@pytest.mark.parametrize(
    "path", ["/devices/%FF/commands", "/devices/%00/commands", f"/devices/{'x' * 200}/commands"]
)
def test_what_can_be_no_device_is_refused(listener: Listener, path: str) -> None:
    """400: no UTF-8, a NUL, too long."""
    assert listener.post(path, b'{"data":1}')[:1] == (400,)
    assert listener.post("/devices//commands", b'{"data":1}')[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":1,"data":2}',
        b'{"data":NaN}',
        b'{"data":1,"ttl":5}',
        b'{"data":1,"ttlMs":0}',
        b'{"data":1,"ttlMs":true}',
        b'{"data":1,"ttlMs":1.5}',
        b'{"data":1,"answer":"yes"}',
        b'{"data":1,"id":""}',
        b'{"data":1,"id":7}',
        b'{"data":1,"id":"a\\nb"}',
        b'{"data":1,"id":"' + b"x" * 200 + b'"}',
        b'{"data":36893488147419103232}',
        b'{"data":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"data":"\xff"}',
    ],
)
def test_a_body_that_is_no_command_is_refused(rig: Rig, listener: Listener, body: bytes) -> None:
    """400 that says what is wrong; nothing is put."""
    status, told, _ = listener.post("/devices/d/commands", body)
    assert (status, told["errorCode"]) == (400, "bad_request")
    assert told["errorMessage"]
    assert not rig.desk.commands


@pytest.mark.parametrize(
    ("reason", "status"), [("conflict", 409), ("too_many", 429), ("not_ready", 503), ("busy", 503)]
)
def test_what_the_desk_refuses_is_told(rig: Rig, listener: Listener, reason: Any, status: int) -> None:
    """409, 429 and 503, the last two with Retry-After."""
    rig.desk.refuse = CommandRefusedError(reason, "why")
    found, told, headers = listener.post("/devices/d/commands", b'{"data":1}')
    assert (found, told["errorCode"], told["errorMessage"]) == (status, reason, "why")
    assert ("retry-after" in headers) == (status != 409)


def test_a_command_has_a_size(listener: Listener) -> None:
    """413 beyond 64 KiB."""
    assert listener.post("/devices/d/commands", b'{"data":"' + b"x" * 70_000 + b'"}')[0] == 413


def test_devices_come_in_pages(listener: Listener) -> None:
    """Each once, in order, of all gateways; what is here with its address."""
    seen: list[dict[str, Any]] = []
    after = ""
    while True:
        told = json.loads(listener.get(f"/devices?limit=100&after={quote(after)}")[1])
        seen += told["devices"]
        if "after" not in told:
            break
        after = told["after"]
    assert [one["deviceUid"] for one in seen] == [holder.device for holder in Holders().all]
    here = {one["deviceUid"]: one for one in seen}
    assert here["d000"] | {"since": 0} == {
        "deviceUid": "d000", "serverId": "s0", "clientId": "c0", "since": 0, "here": True,
        "address": "10.0.0.1", "tls": True, "framing": "json_lines",
    }  # fmt: skip
    assert here["d001"]["url"] == "http://other"
    assert "address" not in here["d001"]
    for limit in ("0", "-1", "x", "1001", "9" * 50, "٣"):
        assert listener.get(f"/devices?limit={quote(limit)}")[0] == 400


def test_one_device(listener: Listener) -> None:
    """Where it is connected, else 404."""
    told = json.loads(listener.get("/devices/" + quote("a/b ü", safe=""))[1])
    assert (told["deviceUid"], told["serverId"]) == ("a/b ü", "s0")
    assert listener.get("/devices/a/b")[0] == 404
    assert listener.get("/devices/nobody")[0] == 404


def test_health_says_why(rig: Rig, listener: Listener) -> None:
    """Live, ready, and both with figures; 503 with reasons where not."""
    assert [listener.get(path)[0] for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    rig.reasons = ["presence is not read yet"]
    assert listener.get("/livez")[0] == 200
    status, body, _ = listener.get("/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["presence is not read yet"]})
    rig.reasons, rig.health.ready = [], False
    assert listener.get("/readyz")[0] == 503
    rig.fault = "fatal"
    assert json.loads(listener.get("/livez")[1]) == {"live": False, "fault": "fatal"}
    status, body, _ = listener.get("/healthz")
    assert (status, json.loads(body)["figures"]["connections"]) == (503, 3.0)


def test_metrics_are_scraped(listener: Listener) -> None:
    """Text, with the requests that were made here."""
    listener.get("/commands/x")
    status, body, headers = listener.get("/metrics", accept="text/plain")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert (
        b'taosink_ingress_http_requests_total{listener="admin",route="/commands/{id}",status="404"} 1' in body
    )


@pytest.mark.parametrize("loopback", [True, False])
def test_a_token_that_is_set_is_asked_for_everywhere(loopback: bool) -> None:
    """401 without it or with another, on every path but those of probes and metrics; refusals are counted."""
    rig = Rig(token=TOKEN, loopback=loopback)
    with serving(lambda: make_admin(rig.deps)) as listener:
        paths = [
            "/devices",
            "/devices/d",
            "/commands/x",
            "/livez/",
            "/%6divez",
            "/no/such",
        ]
        for given in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Basic {TOKEN}"}):
            for path in paths:
                status, _, headers = listener.get(path, **given)
                assert status == 401
                assert headers["www-authenticate"].startswith("Bearer")
            assert listener.post("/devices/d/commands", b'{"data":1}', **given)[0] == 401
            assert listener.post("/livez", b"{}", **given)[0] == 401
            for path in ("/livez", "/readyz", "/healthz", "/metrics"):
                assert listener.get(path, **given)[0] == 200
        assert not rig.desk.commands
        assert listener.get("/devices", authorization=f"Bearer {TOKEN}")[0] == 200
        body = listener.get("/metrics", authorization=f"bearer {TOKEN}")[1]
        assert b'route="unknown",status="401"} 24' in body


def test_web_pages_reach_nothing() -> None:
    """On loopback a foreign Host is refused (a name that resolves to it), and a form cannot put a command."""
    rig = Rig()
    with serving(lambda: make_admin(rig.deps)) as listener:
        for host in (
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "",
            "localhost.evil.example",
        ):
            assert listener.get("/devices", host=host)[0] in (400, 421)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            assert listener.post("/devices/d/commands", b'{"data":1}', kind)[0] == 415
        assert not rig.desk.commands
    beyond = Rig(token=TOKEN, loopback=False)
    with serving(lambda: make_admin(beyond.deps)) as listener:
        assert listener.get("/devices", host="gateway.example", authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:8081",
        "::1",
        "a.localhost",
        "localhost.",
    ],
)
def test_names_of_this_machine(host: str) -> None:
    """With and without a number."""
    assert is_loopback_name(host)


@pytest.mark.parametrize(
    "host", ["", "example.org", "0.0.0.0", "10.0.0.1", "[::]", "localhost.example", "notlocalhost", "[::1"]
)
def test_names_of_others(host: str) -> None:
    """Only what can be nothing else is loopback."""
    assert is_loopback_name(host) == (host == "[::1")
