"""The device client, against a gateway that does what each test says."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme
from support.ingress_devices import Message, Peer, Script, ScriptedGateway, scripted_gateway

from taosbatch.backoff import Backoff
from taosdevice.client import DeviceClient
from taosdevice.desk import ClientLimits
from taosdevice.framing import Framing
from taosdevice.orders import Command
from taosdevice.outcomes import ClientClosedError, DeviceClientError, RefusedError, ReplacedError
from taosdevice.protocol import answer, closing, command, goodbye

SOON = Backoff(0.01, max=0.02)


def client_of(gateway: ScriptedGateway, device: str = "d1", **more: Any) -> DeviceClient:
    return DeviceClient(gateway.url, device, **{"backoff": SOON, "busy_backoff": SOON} | more)


def within(seconds: float, test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(seconds):
            await test()

    asyncio.run(run())


def first_time(action: str, do: Callable[[Peer, Message], None]) -> Script:
    """A script that acts on the first message of an action, and leaves the others to the gateway."""
    done: list[int] = []

    async def script(peer: Peer, message: Message) -> bool:
        if message["action"] != action or done:
            return False
        done.append(1)
        do(peer, message)
        return True

    return script


@pytest.mark.parametrize("framing", list(Framing))
def test_readings_batches_and_requests_are_answered(framing: Framing) -> None:
    """In both framings, with the token, and with the acknowledgement that was asked for."""

    async def test() -> None:
        async with scripted_gateway() as gateway, client_of(gateway, framing=framing, token="t") as client:
            assert (await client.send(1_500_000_000, [1, "x"], ack="stored")).ok
            batch = await client.send_batch([(0, [1]), (1, [2])])
            assert (batch.ok, batch.accepted, batch.rejected) == (True, 2, ())
            told = await client.request("valve", {"open": True})
            assert told.data == {"open": True}
        connect, data, many, valve = gateway.seen
        assert (connect["deviceUid"], connect["token"], connect["version"]) == ("d1", "t", 1)
        assert (data["ack"], "ack" in many, "ack" in valve) == ("stored", False, False)
        assert data["data"]["Cols"] == [1, "x"]
        assert len({message["uid"] for message in gateway.requests}) == 3

    within(10, test)


def test_what_was_not_acknowledged_is_sent_again_with_the_same_uid() -> None:
    """A connection that is reset in between costs nothing but time, and the others keep their order."""

    async def test() -> None:
        script = first_time("data", lambda peer, _: peer.drop())
        async with scripted_gateway(script) as gateway, client_of(gateway) as client:
            outcomes = await asyncio.gather(*(client.send(at, [at]) for at in range(5)))
            assert [outcome.ok for outcome in outcomes] == [True] * 5
            assert client.connects == 2
        again = [message["uid"] for message in gateway.requests if message["action"] == "data"]
        assert again[-5:] == [1, 2, 3, 4, 5]
        assert again[0] == 1
        assert outcomes[0].sent == 2

    within(10, test)


def test_a_request_that_must_not_be_repeated_is_unknown_instead() -> None:
    """Only once on the wire, and the caller is told that nobody knows."""

    async def test() -> None:
        script = first_time("open", lambda peer, _: peer.drop())
        async with scripted_gateway(script) as gateway, client_of(gateway) as client:
            outcome = await client.request("open", resend=False)
            assert (outcome.status, outcome.code) == ("unknown", "unknown_outcome")
            assert len(gateway.of("open")) == 1

    within(10, test)


@pytest.mark.parametrize("code", ["busy", "rate_limited", "too_many_in_flight", "shutting_down"])
def test_a_busy_gateway_is_asked_again(code: str) -> None:
    """After a while, with the same uid, on the same connection."""

    async def test() -> None:
        script = first_time("data", lambda p, m: p.say(answer("data", m["uid"], "busy", code=code)))
        async with scripted_gateway(script) as gateway, client_of(gateway) as client:
            outcome = await client.send(0, [1])
            assert (outcome.ok, outcome.sent) == (True, 2)
            assert [message["uid"] for message in gateway.requests] == [1, 1]
            assert client.connects == 1

    within(10, test)


def test_silence_is_unknown_after_the_tries() -> None:
    """A request that is never answered is sent as often as was asked, and then given back."""

    async def mute(_: Peer, message: Message) -> bool:
        return bool(message["action"] == "data")

    async def test() -> None:
        limits = ClientLimits(answer_timeout=0.05, tries=2)
        async with scripted_gateway(mute) as gateway, client_of(gateway, limits=limits) as client:
            outcome = await client.send(0, [1])
            assert (outcome.status, outcome.sent) == ("unknown", 2)
            assert len(gateway.requests) == 2
            assert (await client.request("ask")).ok

    within(10, test)


def test_a_rejected_record_is_an_outcome_and_is_not_sent_again() -> None:
    """With its code, its text, and for a batch the places of the bad ones."""

    async def refuse(peer: Peer, message: Message) -> bool:
        if message["action"] == "batch":
            entry = {"index": 1, "errorCode": "record_rejected", "errorMessage": "no"}
            peer.say(answer("batch", message["uid"], "partial", data={"accepted": 1, "rejected": [entry]}))
        elif message["action"] == "data":
            peer.say(answer("data", message["uid"], "rejected", code="record_rejected", text="no"))
        return message["action"] in ("batch", "data")

    async def test() -> None:
        async with scripted_gateway(refuse) as gateway, client_of(gateway) as client:
            one, many = await client.send(0, [1]), await client.send_batch([(0, [1]), (0, [2])])
            assert (one.status, one.code, one.text) == ("rejected", "record_rejected", "no")
            assert (many.status, many.accepted, [bad.index for bad in many.rejected]) == ("partial", 1, [1])
            assert len(gateway.requests) == 2

    within(10, test)


def test_a_goodbye_is_honoured() -> None:
    """The client stays away as long as it was asked to, and a little longer, by its own chance."""
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def test() -> None:
        script = first_time("data", lambda peer, _: peer.leave(goodbye(4000)))
        async with (
            scripted_gateway(script) as gateway,
            client_of(gateway, sleep=sleep, rand=lambda: 0.5) as client,
        ):
            assert (await client.send(0, [1])).ok
        assert waits[0] == 4.0 * 1.25

    within(10, test)


def test_a_client_that_was_replaced_does_not_fight() -> None:
    """It ends with an error of its own type, for what waits and for what comes."""

    async def test() -> None:
        script = first_time("data", lambda peer, _: peer.leave(closing("replaced", "newer")))
        async with scripted_gateway(script) as gateway, client_of(gateway) as client:
            for _ in range(2):
                with pytest.raises(ReplacedError):
                    await client.send(0, [1])
            assert len(gateway.peers) == 1

    within(10, test)


@pytest.mark.parametrize("code", ["unauthorized", "wrong_device"])
def test_a_client_that_is_refused_ends(code: str) -> None:
    """A wrong token stays wrong: it is not tried for ever."""

    async def refuse(peer: Peer, message: Message) -> bool:
        peer.say(answer("connect", message["uid"], "error", code=code, text="no"))
        return True

    async def test() -> None:
        async with scripted_gateway(refuse) as gateway, client_of(gateway) as client:
            with pytest.raises(RefusedError) as caught:
                await client.connected()
            assert caught.value.code == code
            with pytest.raises(RefusedError):
                await client.send(0, [1])

    within(10, test)


def test_an_expired_token_is_renewed_where_it_can_be() -> None:
    """A function is asked for a token at each connect."""
    tokens = iter(["old", "new"])

    async def check(peer: Peer, message: Message) -> bool:
        if message.get("token") == "old":
            peer.say(answer("connect", message["uid"], "error", code="token_expired"))
            return True
        return False

    async def test() -> None:
        async with (
            scripted_gateway(check) as gateway,
            client_of(gateway, token=lambda: next(tokens)) as client,
        ):
            assert (await client.send(0, [1])).ok

    within(10, test)


def test_a_token_that_cannot_be_had_ends_the_client() -> None:
    """Nobody waits for ever on a client that has failed."""

    def broken() -> str:
        raise KeyError("no token")

    async def test() -> None:
        async with scripted_gateway() as gateway, client_of(gateway, token=broken) as client:
            with pytest.raises(DeviceClientError, match="no token"):
                await client.send(0, [1])

    within(10, test)


def test_a_command_is_done_once_however_often_it_is_delivered() -> None:
    """Also over two connections; its result is said each time, since the first may have been lost."""
    done: list[Any] = []

    async def handler(ordered: Command) -> Any:
        done.append((ordered.id, ordered.data))
        return {"did": ordered.data}

    async def test() -> None:
        async def deliver(peer: Peer, message: Message) -> bool:
            if message["action"] == "connect":
                peer.server.reply(peer, message)
                for _ in range(2):
                    peer.say(command("k1", 7, expects_result=True))
                peer.say(command("k2", 8, expects_result=False))
                return True
            return False

        async with scripted_gateway(deliver) as gateway, client_of(gateway, on_command=handler):
            await gateway.until(lambda: len(gateway.of("command.result")) == 1)
            gateway.peers[0].drop()
            await gateway.until(lambda: len(gateway.of("command.result")) >= 2)
            await gateway.until(lambda: len(gateway.peers) == 2)
        assert done == [("k1", 7), ("k2", 8)]
        for result in gateway.of("command.result"):
            assert (result["uid"], result["status"], result["data"]) == ("k1", "ok", {"did": 7})

    within(10, test)


def test_a_handler_that_fails_is_a_result() -> None:
    """What it raised is told, and the next command is done."""

    async def handler(ordered: Command) -> Any:
        if ordered.data == 1:
            raise RuntimeError("stuck")
        return object() if ordered.data == 2 else "fine"

    async def test() -> None:
        async with scripted_gateway() as gateway, client_of(gateway, on_command=handler) as client:
            await client.connected()
            for number in (1, 2, 3):
                gateway.peers[0].say(command(f"k{number}", number, expects_result=True))
            await gateway.until(lambda: len(gateway.of("command.result")) == 3)
        first, second, third = gateway.of("command.result")
        assert (first["status"], first["errorMessage"]) == ("error", "stuck")
        assert second["status"] == "error"
        assert (third["status"], third["data"]) == ("ok", "fine")

    within(10, test)


def test_a_gateway_that_has_gone_without_a_word_is_noticed() -> None:
    """Silence after a ping ends the connection, and the next one goes on."""

    async def deaf(peer: Peer, message: Message) -> bool:
        return bool(peer.number == 0 and message["action"] != "connect")

    async def test() -> None:
        limits = ClientLimits(keepalive=0.05, keepalive_grace=0.05)
        async with scripted_gateway(deaf) as gateway, client_of(gateway, limits=limits) as client:
            assert (await client.send(0, [1])).ok
            assert client.connects == 2
            assert gateway.of("ping")
            assert "nothing was heard" in client.last_error

    within(10, test)


def test_a_connection_that_is_alive_is_kept() -> None:
    """Pings are answered, and nothing is reconnected."""

    async def test() -> None:
        limits = ClientLimits(keepalive=0.02, keepalive_grace=5)
        async with scripted_gateway() as gateway, client_of(gateway, limits=limits) as client:
            await gateway.until(lambda: len(gateway.of("ping")) >= 3)
            assert client.connects == 1

    within(10, test)


def test_sending_waits_for_room_and_no_more_than_allowed_is_on_the_wire() -> None:
    """Both bounds hold: what is held, and what the gateway said it takes at once."""
    most = 0
    held: list[Message] = []

    async def late(peer: Peer, message: Message) -> bool:
        nonlocal most
        if message["action"] != "data":
            return False
        held.append(message)
        most = max(most, len(held))
        if len(held) == 2:
            for waiting in held:
                peer.server.reply(peer, waiting)
            held.clear()
        return True

    async def test() -> None:
        limits = ClientLimits(pending=4, in_flight=50)
        async with scripted_gateway(late) as gateway:
            gateway.limits = {"maxInFlight": 2}
            async with client_of(gateway, limits=limits) as client:
                sends = [asyncio.create_task(client.send(at, [1])) for at in range(20)]
                await gateway.until(lambda: bool(gateway.requests))
                assert len(client._desk.outbox) <= 4
                assert all(outcome.ok for outcome in await asyncio.gather(*sends))
        assert most == 2

    within(10, test)


def test_what_the_gateway_would_close_on_is_not_sent() -> None:
    """A request beyond the frame limit is refused at once, and one that has become too large later too."""

    async def test() -> None:
        async with scripted_gateway() as gateway:
            gateway.limits = {"maxFrame": 200}
            async with client_of(gateway) as client:
                early = asyncio.create_task(client.send(0, ["x" * 1000]))  # before the limit is known
                outcome = await early
                assert (outcome.status, outcome.code) == ("rejected", "frame_too_large")
                with pytest.raises(ValueError, match="gateway takes 200"):
                    await client.send(0, ["x" * 1000])
                with pytest.raises(ValueError, match="NUL"):
                    await client.send(0, ["\0"])
                assert gateway.requests == []

    within(10, test)


def test_closing_ends_what_waits_and_a_caller_that_gives_up_leaves_nothing() -> None:
    """No task hangs on a client that is closed."""

    async def mute(_: Peer, message: Message) -> bool:
        return bool(message["action"] == "data")

    async def test() -> None:
        async with scripted_gateway(mute) as gateway:
            async with client_of(gateway) as client:
                gone, waits = (asyncio.create_task(client.send(at, [1])) for at in range(2))
                await gateway.until(lambda: len(gateway.requests) == 2)
                gone.cancel()
                await asyncio.wait([gone])
                assert len(client._desk.outbox) == 1
            with pytest.raises(ClientClosedError):
                await waits

    within(10, test)


def test_an_unreachable_gateway_is_waited_for_with_growing_pauses() -> None:
    """The pauses follow the backoff, and the client goes on by itself."""
    waits: list[float] = []

    async def test() -> None:
        async with scripted_gateway() as gateway:
            url = gateway.url
        stop = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 4:
                stop.set()
                await asyncio.Event().wait()

        backoff = Backoff(1.0, max=4.0, jitter=0)
        async with DeviceClient(url, "d", backoff=backoff, sleep=sleep) as client:
            await stop.wait()
            assert "no connection" in client.last_error
        assert waits == [1.0, 2.0, 4.0, 4.0]

    within(10, test)


def test_tls_is_spoken_and_a_gateway_that_cannot_prove_itself_gets_nothing() -> None:
    """A certificate of another authority ends the connection before anything is said."""
    good, other = trustme.CA(), trustme.CA()
    mine, theirs = (ssl.create_default_context() for _ in range(2))
    good.configure_trust(mine)
    other.configure_trust(theirs)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good.issue_cert("127.0.0.1").configure_cert(server)
    tried = asyncio.Event()

    async def sleep(_: float) -> None:
        tried.set()
        await asyncio.Event().wait()

    async def test() -> None:
        async with scripted_gateway(ssl=server) as gateway:
            async with client_of(gateway, tls=mine) as client:
                assert (await client.send(0, [1])).ok
            seen = len(gateway.seen)
            async with client_of(gateway, tls=theirs, token="secret", sleep=sleep) as client:
                await tried.wait()
                assert "CERTIFICATE_VERIFY_FAILED" in client.last_error
            assert len(gateway.seen) == seen

    within(10, test)


@pytest.mark.parametrize("url", ["http://h:1", "tcp://h", "h:1", "tcp://u@h:1", "tcp://h:1/x", "tcp://:1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At once, not at the first connect."""
    with pytest.raises(ValueError, match="address"):
        DeviceClient(url, "d")


def test_a_gateway_that_speaks_something_else_is_left() -> None:
    """Garbage ends the connection with its reason."""

    async def garbage(peer: Peer, _: Message) -> bool:
        peer.writer.write(b"\xff" * 10)
        return True

    async def test() -> None:
        async with scripted_gateway(garbage) as gateway, client_of(gateway) as client:
            await gateway.until(lambda: len(gateway.peers) >= 2)
            assert "does not speak" in client.last_error

    within(10, test)
