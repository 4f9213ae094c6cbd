"""The fleet through a gateway: every reading arrives, and the account says so."""

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.ingress_devices import Message, Peer, ScriptedGateway, scripted_gateway

from taosdevice.framing import Framing
from taosdevice.protocol import answer, batch_answer, rejected_entry
from taosink.ingress.auth.tokens import check_token, parse_keys
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.passes import tokens_by_key, tokens_of_file
from taosink.simulator.through import GatewayUnreachableError, Passage, ThroughOptions

KEY = "k1: " + "s" * 32
FLEET = FleetSettings(tables=7, records_per_table=10, shape="demo")


def passage(url: str, fleet: FleetSettings = FLEET, **more: Any) -> Passage:
    own = {name: more.pop(name) for name in list(more) if name in ThroughOptions.__dataclass_fields__}
    return Passage(
        Fleet(fleet),
        ThroughOptions(url, **{"connections": 3, "batch": 4} | own),
        **{"stop": threading.Event(), "abandon": threading.Event()} | more,
    )


def stored(gateway: ScriptedGateway) -> dict[str, list[list[Any]]]:
    """Columns of each device, in the order in which they came."""
    found: dict[str, list[list[Any]]] = {}
    for message in gateway.of("batch"):
        found.setdefault(message["device"], []).extend(one["Cols"] for one in message["data"])
    return found


async def note_device(peer: Peer, message: Message) -> bool:
    message["device"] = peer.device
    return False


@pytest.mark.parametrize("framing", list(Framing))
def test_every_reading_of_every_device_arrives_in_order(framing: Framing) -> None:
    """Over no more connections at a time than allowed, each device by its own name."""

    async def test() -> None:
        most = 0

        async def watch(peer: Peer, message: Message) -> bool:
            nonlocal most
            most = max(most, sum(not one.writer.is_closing() for one in gateway.peers))
            return await note_device(peer, message)

        async with scripted_gateway(watch) as gateway:
            run = passage(gateway.url, framing=framing)
            await run.run(5)
        assert (run.counts.produced, run.counts.delivered, run.counts.refused) == (70, 70, 0)
        fleet = Fleet(FLEET)
        expected = {fleet.device_name(d): [cols for _, cols in fleet.device_rows(d)] for d in range(7)}
        assert stored(gateway) == expected
        assert most <= 3 + 1  # one may be closing while the next opens

    asyncio.run(test())


def test_each_answer_is_told_with_the_time_that_it_took() -> None:
    """Also that of a request which was refused."""

    async def script(peer: Peer, message: Message) -> bool:
        if message["action"] != "batch" or peer.device != "tb1":
            return False
        rejected = [rejected_entry(n, "record_rejected", "") for n in range(len(message["data"]))]
        peer.say(batch_answer(message["uid"], 0, rejected))
        return True

    async def test() -> None:
        answers: list[tuple[str, float]] = []
        async with scripted_gateway(script) as gateway:
            run = passage(gateway.url, on_answer=lambda outcome, took: answers.append((outcome.status, took)))
            await run.run(5)
        assert len(answers) == len(gateway.of("batch")) == 7 * 3
        assert Counter(status for status, _ in answers) == {"ok": 6 * 3, "rejected": 3}
        assert all(0 < took < 5 for _, took in answers)

    asyncio.run(test())


def test_a_device_whose_batches_are_too_large_sends_smaller_ones() -> None:
    """The gateway's limit decides, whatever the setting."""

    async def test() -> None:
        async with scripted_gateway(note_device) as gateway:
            gateway.limits = {"maxFrame": 300}
            run = passage(gateway.url, batch=1000)
            await run.run(5)
        assert run.counts.delivered == 70
        assert max(len(message["data"]) for message in gateway.of("batch")) < 10

    asyncio.run(test())


def test_what_is_rejected_or_refused_is_not_counted_as_delivered() -> None:
    """A rejected record, a device that is not let in: the run says that not everything arrived."""

    async def script(peer: Peer, message: Message) -> bool:
        if message["action"] == "connect" and message["deviceUid"] == "tb2":
            peer.say(answer("connect", message["uid"], "error", code="unauthorized"))
            return True
        if message["action"] == "batch" and peer.device == "tb1":
            peer.say(
                batch_answer(
                    message["uid"], len(message["data"]) - 1, [rejected_entry(0, "record_rejected", "")]
                )
            )
            return True
        return False

    async def test() -> None:
        async with scripted_gateway(script) as gateway:
            run = passage(gateway.url, FleetSettings(tables=3, records_per_table=8, shape="demo"))
            await run.run(5)
        assert run.counts.delivered == 8 + 6
        assert run.counts.refused == 2 + 1
        assert run.counts.produced > run.counts.delivered

    asyncio.run(test())


def test_a_stop_ends_it_and_what_is_on_its_way_is_waited_for_until_the_deadline() -> None:
    """A gateway that does not answer holds the run no longer than that."""

    async def mute(_: Peer, message: Message) -> bool:
        return bool(message["action"] == "batch")

    async def test() -> None:
        stop = threading.Event()
        async with scripted_gateway(mute) as gateway:
            run = passage(gateway.url, stop=stop, stop_deadline=0.1)
            task = asyncio.create_task(run.run(5))
            await gateway.until(lambda: bool(gateway.of("batch")))
            stop.set()
            async with asyncio.timeout(5):
                await task
        assert run.counts.delivered == 0
        assert run.counts.produced > 0

    asyncio.run(test())


def test_no_gateway_at_the_start_is_said_at_once() -> None:
    """Later it would be waited for."""

    async def test() -> None:
        async with scripted_gateway() as gateway:
            url = gateway.url
        with pytest.raises(GatewayUnreachableError, match="no gateway at tcp://"):
            await passage(url).run(5)

    asyncio.run(test())


def test_devices_get_tokens_of_their_own(tmp_path: Path) -> None:
    """Signed by the gateway's key, or read from what `taosink token` printed."""
    keys, tokens = tmp_path / "keys", tmp_path / "tokens"
    keys.write_text(KEY)
    tokens.write_text("# those of the plant\ntb0\tt0\ntb1:s:1\n")
    assert check_token(parse_keys(KEY), tokens_by_key(keys)("tb7"), "tb7", now=0, leeway=0).device == "tb7"
    given = tokens_of_file(tokens)
    assert (given("tb0"), given("tb1")) == ("t0", "s:1")
    with pytest.raises(KeyError):
        given("tb9")
    tokens.write_text("tb0")
    with pytest.raises(ValueError, match="line 1"):
        tokens_of_file(tokens)

    async def test() -> None:
        async with scripted_gateway(note_device) as gateway:
            await passage(gateway.url, token=tokens_by_key(keys)).run(5)
            for message in gateway.of("connect"):
                check_token(parse_keys(KEY), message["token"], message["deviceUid"], now=0, leeway=0)

    asyncio.run(test())
