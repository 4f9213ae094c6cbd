"""Requests on their way: against a gateway by script, on real sockets."""

import asyncio
import time
from collections.abc import Coroutine

from support.ingress_devices import Message, Peer, scripted_gateway

from taosdevice.link import Address
from taosdevice.protocol import CONNECT, DATA, answer
from taosink.load.fleet import Fleet
from taosink.load.options import LoadOptions
from taosink.load.run import Run
from taosink.load.traffic import Traffic

QUICK = LoadOptions(connections=5, rate=200, warmup=0.0, duration=0.5, patience=5.0, connect_rate=1000)


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def send(url: str, options: LoadOptions) -> tuple[Fleet, Traffic]:
    traffic = Traffic(options)
    fleet = Fleet(options, Address.parse(url), str.upper, traffic)
    await fleet.connect(lambda _held: None)
    try:
        if fleet.devices:
            await traffic.run(fleet.devices, options.rate)
    finally:
        await fleet.close()
    return fleet, traffic


def test_requests_go_at_their_rate_divided_among_the_devices() -> None:
    """Each is answered once, each device has connected by its own name and token."""

    async def scenario() -> None:
        async with scripted_gateway() as gateway:
            fleet, traffic = await send(gateway.url, QUICK)
            assert len(fleet.devices) == 5
            assert (traffic.sent, traffic.answers, traffic.unanswered) == (100, 100, 0)
            assert not traffic.errors
            assert traffic.latencies["kafka"].count == 100
            connects = gateway.of(CONNECT)
            assert {(c["deviceUid"], c["token"]) for c in connects} == {
                (f"bench-{n}", f"BENCH-{n}") for n in range(5)
            }
            assert len({m["uid"] for m in gateway.of(DATA)}) == 100

    run(scenario())


def test_a_gateway_that_stalls_does_not_make_its_own_figures_better() -> None:
    """No answer for 0.3 s: what was meant to go meanwhile has waited too, though it was sent and answered later."""

    async def scenario() -> None:
        stalled = False

        async def script(_peer: Peer, message: Message) -> bool:
            nonlocal stalled
            if message["action"] == DATA and not stalled:
                stalled = True
                # Blocks the loop on purpose, and with it the sender: both are held up as by one slow machine.
                time.sleep(0.3)
            return False

        async with scripted_gateway(script) as gateway:
            _, traffic = await send(gateway.url, QUICK)
            found = traffic.latencies["kafka"]
            assert (traffic.answers, found.count) == (100, 100)
            assert found.at(0.5) > 0.02
            assert found.max > 0.25

    run(scenario())


def test_answers_other_than_ok_are_counted_by_their_code() -> None:
    async def script(peer: Peer, message: Message) -> bool:
        if message["action"] != DATA:
            return False
        peer.say(answer(DATA, message["uid"], "busy", code="rate_limited"))
        return True

    async def scenario() -> None:
        async with scripted_gateway(script) as gateway:
            _, traffic = await send(gateway.url, QUICK)
            assert traffic.errors == {"rate_limited": 100}
            assert traffic.answers == traffic.unanswered == 0

    run(scenario())


def test_a_connection_that_ends_is_told_with_its_reason_and_its_requests_are_errors() -> None:
    async def script(peer: Peer, message: Message) -> bool:
        if message["action"] == DATA and peer.device == "bench-0":
            peer.leave({"action": "close", "status": "error", "errorCode": "idle"})
            return True
        return False

    async def scenario() -> None:
        async with scripted_gateway(script) as gateway:
            options = LoadOptions(connections=2, rate=200, warmup=0.0, duration=0.5, patience=0.3)
            _, traffic = await send(gateway.url, options)
            assert traffic.closed == {"idle": 1}
            lost = traffic.errors["connection_lost"] + traffic.unanswered
            assert traffic.answers == traffic.sent - lost == 50

    run(scenario())


def test_a_connect_that_is_refused_is_told_by_its_code() -> None:
    async def script(peer: Peer, _message: Message) -> bool:
        peer.say(answer(CONNECT, 0, "error", code="unauthorized"))
        return True

    async def scenario() -> None:
        async with scripted_gateway(script) as gateway:
            fleet, _ = await send(gateway.url, QUICK)
            assert not fleet.devices
            assert fleet.failed == {"unauthorized": 5}

    run(scenario())


def test_without_a_rate_a_bounded_number_is_on_its_way() -> None:
    """As many as were asked for, and the next one when one is answered."""

    async def scenario() -> None:
        most = flying = 0

        async def script(_peer: Peer, message: Message) -> bool:
            nonlocal most, flying
            if message["action"] != "batch":
                return False
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0.002)
            flying -= 1
            return False

        async with scripted_gateway(script) as gateway:
            options = LoadOptions(
                connections=8,
                mode="batch",
                batch=3,
                rate=0,
                in_flight=4,
                warmup=0.0,
                duration=0.4,
                patience=5.0,
            )
            _, traffic = await send(gateway.url, options)
            assert traffic.unanswered == 0
            assert traffic.answers == traffic.sent > 20
            assert most == 4

    run(scenario())


def test_a_whole_run_reports_what_it_did() -> None:
    """Idle devices ping twice in the gateway's idle time; both kinds of acknowledgement have figures of their own."""

    async def scenario() -> None:
        async with scripted_gateway() as gateway:
            gateway.limits = {"idleTimeoutMs": 100}
            address = Address.parse(gateway.url)
            idle = LoadOptions(connections=5, mode="idle", warmup=0.1, duration=0.4, patience=5.0)
            report = await Run(idle, address, None, 0, step=lambda *_: None, settle=0).whole()
            assert report.clean, report
            assert report.rate_asked == 100
            assert len(gateway.of("ping")) == 50
            assert report.gateway is None
            both = LoadOptions(connections=5, acks=("kafka", "stored"), rate=100, warmup=0.1, duration=0.4)
            report = await Run(both, address, None, 0, step=lambda *_: None, settle=0).whole()
            assert {ack: told["count"] for ack, told in report.latency_ms.items()} == {
                "kafka": 20,
                "stored": 20,
            }
            assert [m.get("ack") for m in gateway.of(DATA)].count("stored") == 25

    run(scenario())
