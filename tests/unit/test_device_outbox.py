"""What is sent, answered, put off and lost; and commands, remembered within a bound."""

import asyncio
import random
import time

import pytest
from support.ingress_devices import Message, Peer, scripted_gateway

from taosbatch.backoff import Backoff
from taosdevice.client import DeviceClient
from taosdevice.conversation import converse
from taosdevice.desk import ClientLimits, Desk
from taosdevice.framing import Framing
from taosdevice.link import Link, LinkError
from taosdevice.orders import Orders
from taosdevice.outbox import Entry, Outbox


def filled(count: int, **more: float) -> Outbox:
    outbox = Outbox(answer_timeout=more.get("timeout", 10.0), tries=2, backoff=Backoff(1.0, jitter=0))
    for uid in range(count):
        outbox.add(Entry(uid, b"frame"))
    return outbox


def order(outbox: Outbox) -> list[object]:
    found: list[object] = []
    while (entry := outbox.take(0.0)) is not None:
        found.append(entry.uid)
    return found


def test_what_was_on_the_wire_comes_before_what_has_waited() -> None:
    """After a lost connection the order is the one in which the requests were made."""
    outbox = filled(4)
    outbox.take(0.0)
    outbox.take(0.0)
    assert outbox.lost() == []
    assert order(outbox) == [0, 1, 2, 3]


def test_a_busy_answer_is_waited_out_longer_each_time() -> None:
    """And the request keeps its uid."""
    outbox = filled(1)
    for now, pause in ((0.0, 1.0), (100.0, 2.0)):
        assert outbox.take(now) is not None
        assert outbox.answered({"uid": 0, "status": "busy", "errorCode": "busy"}, now, 0.0) is None
        assert outbox.next_due() == now + pause
        assert outbox.take(now) is None
        assert outbox.expire(now + pause) == []
        assert repr(outbox) == "<Outbox waiting=1 wire=0 put_off=0>"


def test_an_answer_that_nobody_waits_for_is_passed_over() -> None:
    """Of another uid, of a strange type, or after the caller has given up."""
    outbox = filled(1)
    outbox.take(0.0)
    for uid in (7, [1], None, True):
        assert outbox.answered({"uid": uid, "status": "ok"}, 0.0, 0.0) is None
    outbox.drop(0)
    assert outbox.answered({"uid": 0, "status": "ok"}, 0.0, 0.0) is None
    assert len(outbox) == 0


def test_orders_are_bounded_in_what_waits_and_in_what_is_remembered() -> None:
    """One beyond the bound is not remembered, so that it is done when it is delivered again."""
    orders = Orders(memory=2, waiting=1)
    one, two = ({"uid": uid, "data": 1, "answer": True} for uid in ("a", "b"))
    assert orders.take(one) is None
    assert orders.take(two) is None
    first = orders.next()
    assert first is not None
    assert orders.next() is None
    result = orders.done(first, "did")
    assert result is not None
    assert orders.take(one) == result
    assert orders.take(two) is None
    assert orders.next() is not None
    assert repr(orders) == "<Orders to_do=0 known=2>"
    assert orders.take({"uid": "c"}) is None
    assert orders.take({"uid": 5}) is None
    assert "known=2" in repr(orders)


def test_no_more_is_on_the_wire_than_the_gateway_takes() -> None:
    """The others wait, however many there are."""

    async def mute(_: Peer, message: Message) -> bool:
        return bool(message["action"] == "data")

    async def test() -> None:
        async with scripted_gateway(mute) as gateway:
            gateway.limits = {"maxInFlight": 2}
            async with DeviceClient(gateway.url, "d", limits=ClientLimits(keepalive=0.01)) as client:
                sends = [asyncio.create_task(client.send(at, [1])) for at in range(20)]
                await gateway.until(lambda: len(gateway.of("ping")) >= 2)
                assert len(gateway.of("data")) == 2
                for send in sends:
                    send.cancel()
                await asyncio.wait(sends)

    asyncio.run(test())


class LateLink(Link):
    """Writing has failed already, and the reason is still on its way."""

    def __init__(self) -> None:
        self.last_heard = time.monotonic()

    async def send(self, frame: bytes) -> None:
        raise LinkError(f"the connection was lost before {len(frame)} bytes")

    async def receive(self) -> Message:
        await asyncio.sleep(0.01)
        return {"action": "replaced", "errorCode": "replaced"}


def test_the_reason_of_an_end_is_read_after_writing_has_failed() -> None:
    """Else a device that was replaced would come back, and the two would take turns."""

    async def test() -> None:
        limits = ClientLimits(keepalive=100)
        desk = Desk(Framing.MSGPACK, limits, Backoff(), time.monotonic, random.random)
        desk.outbox.add(Entry(1, b"frame"))
        with pytest.raises(LinkError) as caught:
            await converse(LateLink(), desk)
        assert caught.value.code == "replaced"

    asyncio.run(test())
