"""Presence and commands as gateways work with them, on one topic that each reads at once, by a clock of the test."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from support.ingress_rig import Sockets

from taosink.ingress.broker.command_service import CommandService
from taosink.ingress.broker.commands import CommandRecord, encode
from taosink.ingress.broker.desk import Desk, Holders
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outbox import Outbox
from taosink.ingress.broker.presence import Claim
from taosink.ingress.broker.presence import encode as encode_claim
from taosink.ingress.broker.presence_service import PresenceService
from taosink.ingress.broker.worker_messages import CommandWish
from taosink.ingress.http.desk import CommandRefusedError, NewCommand
from taosink.ingress.ports import Failures

HOUR = 3600.0


class World:
    """The topics, the time, and whether the broker answers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.log: list[tuple[str, bytes, bytes | None]] = []
        self.gateways: list[Gateway] = []
        self.down = False

    def own(
        self, topic: str, key: bytes, value: bytes | None, partition: int, done: Callable[[Failures], None]
    ) -> bool:
        del partition
        if self.down:
            done({0: "_MSG_TIMED_OUT"})
            return True
        self.log.append((topic, key, value))
        done({})
        return True

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            for gateway in self.gateways:
                gateway.commands.tick()
                gateway.presence.tick()
                self.settle()

    def settle(self) -> None:
        while any(g.read < len(self.log) for g in self.gateways):
            for gateway in self.gateways:
                gateway.read_one()

    def states(self, command: str) -> list[str]:
        return [getattr(g.commands.state.get(command), "state", "") for g in self.gateways]


class Gateway:
    def __init__(self, world: World, server: str, **changes: Any) -> None:
        options = BrokerOptions({}, server, "readings", **changes)
        self.world, self.read, self.sockets = world, 0, Sockets()
        wall: Callable[[], int] = lambda: round(world.now * 1000)  # noqa: E731  # one clock for both
        self.presence = PresenceService(
            options, world, self.sockets, self.sockets, clock=lambda: world.now, wall_ms=wall
        )
        self.commands = CommandService(
            options, world, self.sockets, self.sockets, self.presence, wall_ms=wall, chance=lambda: 0.5
        )
        self.desk = Desk(self.commands, Holders(self.presence, clock=lambda: world.now), wall_ms=wall)
        world.gateways.append(self)
        while self.read < len(world.log):
            self.read_one()
        self.presence.caught_up()
        self.commands.caught_up()
        self.presence.tick()
        world.settle()

    def read_one(self) -> None:
        if self.read < len(self.world.log):
            topic, key, value = self.world.log[self.read]
            self.read += 1
            part = self.presence if topic == "taosink_presence" else self.commands
            part.apply(key, value)

    def connect(self, device: str, client: str) -> None:
        self.sockets.sessions[device] = client
        self.presence.claim(device, client)
        self.commands.connected(device, client)
        self.world.settle()

    def disconnect(self, device: str) -> None:
        self.presence.gone(device, self.sockets.sessions.pop(device))
        self.world.settle()

    def put(self, name: str, device: str = "d", *, answer: bool = True, ttl: float = 60.0) -> None:
        now = round(self.world.now * 1000)
        wish = CommandWish(name, device, None, {"do": name}, answer, round(ttl * 1000), now)
        self.world.log.append(("taosink_commands", name.encode(), encode(self.commands.new(wish, device))))
        self.world.settle()

    @property
    def delivered(self) -> list[tuple[str, str]]:
        return [(command, client) for _, command, client in self.sockets.commands]


def test_a_socket_that_cannot_take_it_holds_up_those_behind_it() -> None:
    """And gets all of them in order, once each, when it can."""
    world = World()
    a = Gateway(world, "a")
    a.connect("d", "a1")
    a.sockets.full = True
    a.put("x")
    a.sockets.full = False
    a.put("y")
    assert a.delivered == [("x", "a1"), ("y", "a1")]
    a.sockets.refused = {"z"}
    a.put("z")
    a.put("behind")
    world.pass_time(3)
    assert len(a.delivered) == 2
    a.sockets.refused = set()
    world.pass_time(2)
    assert a.delivered == [("x", "a1"), ("y", "a1"), ("z", "a1"), ("behind", "a1")]


def test_what_was_not_answered_is_delivered_again_at_the_next_connection() -> None:
    """At whichever gateway; what asks no answer is not."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    a.connect("d", "a1")
    a.put("asks")
    a.put("told", answer=False)
    a.disconnect("d")
    a.put("waits")
    b.connect("d", "b1")
    assert a.delivered == [("asks", "a1"), ("told", "a1")]
    assert b.delivered == [("asks", "b1"), ("waits", "b1")]
    assert b.commands.result("d", "asks", 1, "ok")
    assert b.commands.result("d", "waits", {"bad": {1, 2}, "x": object()}, "ok")
    world.settle()
    assert world.states("asks") == world.states("waits") == ["answered"] * 2
    found = a.commands.state.get("waits")
    assert found is not None
    assert (found.result, found.reason) == ({"status": "ok"}, "data_has_no_json_form")


def test_a_command_expires_by_whoever_is_left() -> None:
    """The one that leads, a little after the time to live; the other where that one is dead."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    b.put("x", ttl=10)
    world.pass_time(11)
    assert world.states("x") == ["queued"] * 2
    world.pass_time(2)
    assert world.states("x") == ["expired"] * 2
    assert sum(key == b"x" for _, key, _ in world.log) == 2
    world.gateways.remove(a)
    b.connect("d", "b1")
    b.put("y", ttl=10)
    world.pass_time(20)
    assert world.states("y") == ["expired"]
    found = b.commands.state.get("y")
    assert found is not None
    assert found.reason == "not_answered"


def test_an_hour_after_its_end_a_command_is_forgotten_everywhere() -> None:
    """So is a device that has gone, and a gateway that is silent; what is held stays."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    b.connect("d", "b1")
    b.connect("e", "b2")
    b.put("x", answer=False)
    b.disconnect("e")
    world.pass_time(HOUR + 30, step=10.0)
    assert len(a.commands.state) == len(b.commands.state) == 0
    assert (len(a.presence.state), len(b.presence.state)) == (1, 1)
    world.gateways.remove(b)
    world.pass_time(HOUR + 60, step=10.0)
    assert len(a.presence.state) == 0
    assert set(a.presence.servers()) == {"a"}


def test_a_wish_is_written_once_by_who_holds_the_device() -> None:
    """By the others only where nobody has, a moment later; bounds end it as expired."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b", max_commands_per_device=1)
    b.connect("d", "b1")

    def wish(name: str, device: str | None, client: str | None = None) -> None:
        for gateway in (a, b):
            gateway.commands.wish(CommandWish(name, device, client, 1, True, None, round(world.now * 1000)))

    def written(name: str) -> int:
        return sum(key == name.encode() for _, key, _ in world.log)

    wish("held", "d")
    world.settle()
    assert b.delivered == [("held", "b1")]
    world.pass_time(10)
    assert written("held") == 2  # queued, delivered
    wish("offline", "nobody")
    assert written("offline") == 0
    world.pass_time(10)
    assert world.states("offline") == ["queued"] * 2
    wish("by client", None, "b1")
    wish("lost", None, "unknown")
    world.pass_time(10)
    assert world.states("by client") == ["expired"] * 2
    assert world.states("lost") == ["", ""]


def test_a_late_record_is_corrected_once() -> None:
    """Nothing may be left in the topic that says less than is known."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    a.connect("d", "a1")
    a.put("x")
    a.commands.result("d", "x", 5, "ok")
    world.settle()
    before = len(world.log)
    late = CommandRecord("x", "d", "expired", 0, 0, 0, reason="not_answered")
    world.log.append(("taosink_commands", b"x", encode(late)))
    world.pass_time(3)
    said = [value for topic, key, value in world.log[before + 1 :] if key == b"x"]
    assert len(said) == 1
    c = Gateway(world, "c")
    assert world.states("x") == ["answered"] * 3
    assert c.commands.state.live
    assert (
        b.sockets.counts.get(("command", "said_again"), 0)
        + a.sockets.counts.get(("command", "said_again"), 0)
        == 1
    )


def test_what_fails_in_an_outage_is_said_behind_it() -> None:
    """The last word of each device; and what others said meanwhile is not overruled by an older claim."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    a.put("x")
    world.down = True
    a.connect("d", "a1")
    a.connect("e", "a2")
    a.disconnect("e")
    assert a.delivered == [("x", "a1")]
    world.pass_time(5)
    assert b.presence.holder("d") is None
    world.down = False
    world.log.append(
        ("taosink_presence", b"d", encode_claim(Claim("b", "b1", at=round(world.now * 1000) + 1)))
    )
    world.settle()
    world.pass_time(3)
    assert world.states("x") == ["delivered"] * 2
    found = a.presence.holder("d")
    assert found is not None
    assert found.who == ("b", "b1")
    assert a.sockets.lost == [("d", "a1")]
    assert b.presence.holder("e") is None


def test_what_failed_is_not_said_again_behind_a_later_word() -> None:
    """The failure of a claim is heard after the device has gone."""
    said: list[tuple[bytes | None, Callable[[Failures], None]]] = []

    class Records:
        def own(
            self,
            topic: str,
            key: bytes,
            value: bytes | None,
            partition: int,
            done: Callable[[Failures], None],
        ) -> bool:
            del topic, key, partition
            said.append((value, done))
            return True

    outbox = Outbox(Records(), "t")
    outbox.say("k", b"first", 0, lambda: b"first again")
    outbox.say("k", b"second", 0, lambda: b"second again")
    said[0][1]({0: "_MSG_TIMED_OUT"})
    outbox.retry()
    assert len(said) == 2
    said[1][1]({0: "_MSG_TIMED_OUT"})
    outbox.retry()
    said[2][1]({})
    assert [value for value, _ in said] == [b"first", b"second", b"second again"]
    assert len(outbox) == 0


def test_a_topic_that_is_made_anew_is_filled_again() -> None:
    """By everybody with what he holds."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    a.connect("d", "a1")
    for gateway in (a, b):
        gateway.presence.restart()
        gateway.commands.restart()
    assert b.presence.holder("d") is None
    world.pass_time(2)
    found = b.presence.holder("d")
    assert found is not None
    assert found.who == ("a", "a1")


def test_a_gateway_takes_back_what_it_held_before_it_was_killed() -> None:
    """Where it keeps its name its heartbeats would keep those claims alive."""
    world = World()
    a, b = Gateway(world, "a"), Gateway(world, "b")
    a.connect("d", "a1")
    world.gateways.remove(a)
    again = Gateway(world, "a")
    assert again.presence.holder("d") is None
    assert b.presence.holder("d") is None
    again.presence.farewell()
    world.settle()
    assert set(b.presence.servers()) == {"b"}


def put_at(gateway: Gateway, name: str, **more: Any) -> str:
    """Through the desk, which returns when the broker has it; nobody has read it then."""
    command = NewCommand({"do": name}, device=more.pop("device", "d"), id=name, **more)
    return str(asyncio.run(gateway.desk.put(command))["state"])


def seen(gateway: Gateway, name: str) -> str:
    return str((gateway.desk.view(name) or {}).get("state", ""))


def test_a_command_is_seen_right_behind_its_put() -> None:
    """As queued, by its id and among its device's, before the gateway has read its own record back; from then on the
    topic alone counts."""
    world = World()
    a = Gateway(world, "a")
    assert put_at(a, "x", answer=True) == "queued"
    put_at(a, "y", device="e")
    assert world.states("x") == [""]
    assert (seen(a, "x"), seen(a, "y"), seen(a, "z")) == ("queued", "queued", "")
    assert [view["id"] for view in a.desk.views_of("d")] == ["x"]
    world.settle()
    assert [view["id"] for view in a.desk.views_of("d")] == ["x"]
    a.connect("d", "a1")
    assert seen(a, "x") == "delivered"
    world.log.append(("taosink_commands", b"x", None))
    world.settle()
    assert seen(a, "x") == ""


def test_the_same_id_is_the_same_command_before_it_was_read() -> None:
    """One record is written for both; another content is refused."""
    world = World()
    a = Gateway(world, "a")
    before = len(world.log)
    assert put_at(a, "x") == put_at(a, "x") == "queued"
    assert len(world.log) == before + 1
    with pytest.raises(CommandRefusedError) as refused:
        put_at(a, "x", answer=True)
    assert refused.value.reason == "conflict"


def test_what_kafka_did_not_take_is_not_seen() -> None:
    """Its sender was told so."""
    world = World()
    a = Gateway(world, "a")
    world.down = True
    with pytest.raises(CommandRefusedError) as refused:
        put_at(a, "x")
    assert refused.value.reason == "busy"
    assert seen(a, "x") == ""


def test_commands_that_are_not_read_yet_count_against_the_bounds() -> None:
    """So a reader that stands still lets nobody fill the memory; what never comes back is forgotten in the end."""
    world = World()
    a = Gateway(world, "a", max_commands=3, max_commands_per_device=2)
    for name, device, taken in (("x", "d", 1), ("y", "d", 1), ("z", "d", 0), ("v", "e", 1), ("w", "e", 0)):
        with nullcontext() if taken else pytest.raises(CommandRefusedError, match="too many"):
            put_at(a, name, device=device)
    assert len(a.commands._unread) == 3
    world.now += HOUR + 1
    a.commands.tick()
    assert len(a.commands._unread) == 0
    assert seen(a, "x") == ""


def test_a_topic_that_is_made_anew_has_nothing_that_was_put_before() -> None:
    """What was not read of the old one never will be."""
    world = World()
    a = Gateway(world, "a")
    put_at(a, "x")
    a.commands.restart()
    assert seen(a, "x") == ""
