"""The gateway on real sockets: with stand-ins behind it, and whole, in a process of its own."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
import trustme
import uvloop
from support.ingress_sockets import PATIENCE, READING, device, gateway, run

from taosdevice.framing import Framing, encode_frame
from taosink.ingress.limits import Limits

LOOPS = pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@LOOPS
@pytest.mark.parametrize("framing", list(Framing))
def test_many_readings_are_answered_in_order(
    make_loop: Callable[[], asyncio.AbstractEventLoop], framing: Framing
) -> None:
    """Sent in pieces of any size, on either loop and in either framing."""

    async def scenario() -> None:
        async with gateway() as server, device(server, framing=framing) as one:
            stamp = _stamp(framing)
            frames = b"".join(
                encode_frame(
                    framing, {"action": "data", "uid": uid, "data": {"Timestamp": stamp, "Cols": [uid]}}
                )
                for uid in range(50)
            )
            for start in range(0, len(frames), 777):
                one.writer.write(frames[start : start + 777])
                await asyncio.sleep(0)
            answers = [await one.hear() for _ in range(50)]
            assert [(a["uid"], a["status"]) for a in answers] == [(uid, "ok") for uid in range(50)]

    run(scenario, make_loop)


def _stamp(framing: Framing) -> Any:
    return READING["Timestamp"] if framing is Framing.JSON_LINES else msgpack.Timestamp(1_700_000_000, 5)


@LOOPS
def test_tls_devices_connect_and_a_stranger_is_counted(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Plain bytes on a TLS listener, and a client that trusts another authority, end alone."""

    async def scenario() -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trusting, strange = ssl.create_default_context(), ssl.create_default_context()
        authority.configure_trust(trusting)
        trustme.CA().configure_trust(strange)
        async with gateway(tls=context) as server, device(server, ssl=trusting) as one:
            assert (await one.ask("data", uid=1, data=READING))["status"] == "ok"
            (session,) = server.rig.gateway.sessions
            assert session.tls
            with pytest.raises(ssl.SSLError):
                async with device(server, "pump-2", ssl=strange):
                    pass
            async with device(server, "") as plain:
                plain.writer.write(b'{"action":"ping"}\n')
                assert await plain.ended()
            await server.until(lambda: len(server.rig.gateway.sessions) == 1)
            assert server.rig.seen("closed", "tls_failed") >= 1
            assert (await one.ask("ping", uid=2)) == {"action": "pong", "uid": 2}

    run(scenario, make_loop)


@LOOPS
def test_a_tls_handshake_that_never_ends_is_closed(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """It is counted against its address from the first packet on."""

    async def scenario() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        limits = Limits(handshake=0.3)
        async with gateway(limits, tls=context, per_address=1) as server:
            async with device(server, "") as silent:
                silent.writer.write(b"\x16\x03")
                await server.until(lambda: server.rig.gateway.admission.count == 1)
                async with device(server, "") as second:
                    assert await second.ended()
                assert await silent.ended()
            assert server.rig.seen("refused", "too_many_of_address") == 1
            await server.until(lambda: server.rig.seen("closed", "handshake_timeout") == 1)

    run(scenario, make_loop)


@LOOPS
def test_a_device_that_never_reads_is_cut_and_others_go_on(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Its answers take at most the output bound."""

    async def scenario() -> None:
        limits = Limits(rate=0, max_output=8192, slow_after=0.5)
        async with gateway(limits) as server, device(server, "good") as good:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            with raw:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(raw, ("127.0.0.1", server.number))
                ping = encode_frame(Framing.JSON_LINES, {"action": "ping", "uid": "u" * 100}) * 500

                async def flood() -> None:
                    while not server.rig.seen("closed", "slow_reader"):
                        await loop.sock_sendall(raw, ping)

                flooding = asyncio.create_task(flood())
                await server.until(lambda: server.rig.seen("closed", "slow_reader") == 1)
                await asyncio.wait((flooding,), timeout=PATIENCE)
                flooding.cancel()
                await asyncio.wait((flooding,))
            assert (await good.ask("ping", uid=1)) == {"action": "pong", "uid": 1}

    run(scenario, make_loop)


def test_too_many_connections_of_one_address_are_refused() -> None:
    """Those that are there go on, and room is made by those that leave."""

    async def scenario() -> None:
        async with gateway(per_address=2) as server, device(server, "a") as first:
            async with device(server, "b"):
                async with device(server, "") as third:
                    assert await third.ended()
                assert server.rig.seen("refused", "too_many_of_address") == 1
            await server.until(lambda: server.rig.gateway.admission.count == 1)
            async with device(server, "c"):
                assert (await first.ask("ping"))["action"] == "pong"

    run(scenario)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "tls_on_plain"),
        (bytes(range(0x80, 0x90)), "garbage"),
        (struct.pack(">I", 0xFFFF_FFFF), None),
        (struct.pack(">I", 1 << 20), "frame_too_large"),
    ],
)
def test_strange_bytes_end_their_connection_alone(first: bytes, reason: str | None) -> None:
    """With a counted reason; an HTTP client gets an answer that it understands."""

    async def scenario() -> None:
        async with gateway() as server, device(server, "good") as good, device(server, "") as bad:
            bad.writer.write(first)
            said = await asyncio.wait_for(bad.reader.read(), PATIENCE)
            assert said.startswith(b"HTTP/1.1 400 ") is (reason == "http")
            closed = {key[1]: n for key, n in server.rig.counts.seen.items() if key[0] == "closed"}
            assert closed == {reason or "garbage": 1}
            assert (await good.ask("ping"))["action"] == "pong"

    run(scenario)


def test_a_reset_in_mid_frame_is_an_end_like_any_other() -> None:
    """Nothing of it is left."""

    async def scenario() -> None:
        async with gateway() as server:
            raw = socket.socket()
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(raw, ("127.0.0.1", server.number))
            await loop.sock_sendall(raw, b'{"action":"co')
            await server.until(lambda: len(server.rig.gateway.sessions) == 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()
            await server.until(lambda: not len(server.rig.gateway.sessions))
            assert server.rig.seen("closed", "left") == 1

    run(scenario)


def test_who_says_all_and_shuts_his_side_still_hears_his_answers() -> None:
    """As with `printf ... | nc`."""

    async def scenario() -> None:
        async with gateway() as server, device(server, "") as one:
            one.send("connect", deviceUid="pump-1", uid=1)
            one.send("data", uid=2, data=READING)
            one.writer.write_eof()
            assert [(await one.hear())["uid"] for _ in range(2)] == [1, 2]
            assert await one.ended()

    run(scenario)


@LOOPS
def test_a_full_kafka_is_felt_by_the_sender_and_memory_stays_bounded(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The socket is not read any more; once there is room everything is answered, in order."""

    async def scenario() -> None:
        async with gateway(by_hand=True) as server, device(server) as one:
            server.rig.publishing.room = 0
            frame = encode_frame(Framing.JSON_LINES, {"action": "data", "uid": 1, "data": READING})
            sending = asyncio.create_task(_send_much(one.writer, frame * 100, 1000))
            (session,) = server.rig.gateway.sessions
            await server.until(lambda: session.pauses)
            done, _ = await asyncio.wait((sending,), timeout=0.3)
            assert not done
            assert server.rig.gateway.figures()["held_bytes"] <= 65_536
            sending.cancel()
            server.rig.publishing.room = 1000
            server.rig.publishing.make_room(40)
            await server.until(lambda: len(server.rig.publishing.records) == 40)
            server.rig.publishing.acknowledge()
            assert (await one.hear())["status"] == "ok"

    run(scenario, make_loop)


async def _send_much(writer: asyncio.StreamWriter, data: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(data)
        await writer.drain()


def test_answers_of_one_turn_go_out_in_one_write() -> None:
    """Many small answers cost one system call."""

    async def scenario() -> None:
        async with gateway(by_hand=True) as server, device(server) as one:
            for uid in range(20):
                one.send("data", uid=uid, data=READING)
            await server.until(lambda: len(server.rig.publishing.records) == 20)
            (link,) = server.sockets.open
            written: list[bytes] = []
            transport: Any = link._transport

            class Watched:
                def __getattr__(self, name: str) -> Any:
                    return getattr(transport, name)

                def write(self, data: bytes) -> None:
                    written.append(data)
                    transport.write(data)

            link._transport = Watched()  # type: ignore[assignment]  # all but write is the transport's
            server.rig.publishing.acknowledge()
            answers = [await one.hear() for _ in range(20)]
            assert [a["uid"] for a in answers] == list(range(20))
            assert len(written) == 1
            link._transport = transport

    run(scenario)
