"""What strangers and broken devices send on real sockets: an answer or a counted close, and nobody else notices."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.ingress_parts import Rig
from support.ingress_sockets import PATIENCE, READING, Device, Server, device, gateway, run

from taosdevice.framing import Framing, encode_frame
from taosink.ingress.auth.authenticators import TokenAuth, Watched
from taosink.ingress.auth.tokens import make_token, parse_keys
from taosink.ingress.limits import Limits
from taosink.ingress.ports import WorkerAnswer
from taosink.records.record import decode

KEYS = "k1: " + "s" * 40
LIMITS = Limits(rate=0)


def packed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


@asynccontextmanager
async def beside_a_good_one(
    limits: Limits = LIMITS, **options: Any
) -> AsyncIterator[tuple[Server, Device, Device]]:
    """A gateway, a device that goes on whatever happens, and a connection that is to be the bad one."""
    async with (
        gateway(limits, **options) as server,
        device(server, "good") as good,
        device(server, "") as bad,
    ):
        yield server, good, bad
        assert (await good.ask("data", uid="after", data=READING))["status"] == "ok"


def closed(server: Server) -> dict[str, int]:
    return {reason: n for (kind, reason), n in server.rig.counts.seen.items() if kind == "closed"}


async def words(bad: Device) -> bytes:
    """All that it is told until the gateway closes."""
    found = b""
    try:
        while piece := await asyncio.wait_for(bad.reader.read(65_536), PATIENCE):
            found += piece
    except ConnectionError:
        pass
    return found


@asynccontextmanager
async def bare(server: Server, *messages: dict[str, Any]) -> AsyncIterator[socket.socket]:
    """A socket that has sent these; at the end it is reset, as by a device that lost its power and came back."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", server.number))
        for message in messages:
            await loop.sock_sendall(raw, encode_frame(Framing.JSON_LINES, message))
        yield raw
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


CONNECT = {"action": "connect", "deviceUid": "bad", "uid": 1}
DATA = {"action": "data", "uid": 2, "data": READING}

FATAL = {
    "garbage": (bytes(range(0x80, 0x90)), "garbage"),
    "an HTTP request": (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "http"),
    "a 4 GB length": (struct.pack(">I", 0xFFFF_FFFF), "garbage"),
    "the largest length that begins as one": (struct.pack(">I", 0x00FF_FFFF), "frame_too_large"),
    "a MessagePack bomb of lists": (packed(b"\x91" * 60_000), "bad_frame"),
    "a MessagePack bomb of maps": (packed(b"\x81\xa1a" * 20_000), "bad_frame"),
    "a MessagePack length that lies": (packed(b"\xdf\xff\xff\xff\xff"), "bad_frame"),
    "a JSON bomb": (b'{"action":"data","data":' + b"[" * 60_000 + b"\n", "bad_frame"),
    "invalid UTF-8 in JSON": (b'{"action":"pi\xff"}\n', "bad_frame"),
    "invalid UTF-8 in MessagePack": (packed(b"\x81\xa6action\xa2\xff\xfe"), "bad_frame"),
    "a key twice in JSON": (b'{"action":"ping","action":"data"}\n', "bad_frame"),
    "a key twice in MessagePack": (packed(b"\x82" + b"\xa6action\xa4ping" * 2), "bad_frame"),
    "a uid of 1 MB within a frame that is too large": (
        encode_frame(Framing.JSON_LINES, {"action": "ping", "uid": "u" * 1_000_000}),
        "frame_too_large",
    ),
}


@pytest.mark.parametrize("name", FATAL)
def test_what_is_no_message_closes_with_its_reason(name: str) -> None:
    """Counted once, and told where the framing is known."""
    data, reason = FATAL[name]

    async def scenario() -> None:
        async with beside_a_good_one() as (server, _, bad):
            bad.writer.write(data)
            said = await words(bad)
            assert closed(server) == {reason: 1}
            if reason == "http":
                assert said.startswith(b"HTTP/1.1 400 ")
            elif reason != "garbage":
                assert reason.encode() in said

    run(scenario)


def test_a_uid_of_a_megabyte_is_answered_without_it() -> None:
    """Where frames may be so large."""

    async def scenario() -> None:
        limits = Limits(rate=0, max_frame=4 << 20)
        async with beside_a_good_one(limits) as (server, _, bad):
            answer = await bad.ask("connect", deviceUid="d", uid="u" * 1_000_000)
            assert answer["errorCode"] == "bad_message"
            assert "uid" not in answer
            assert not closed(server)

    run(scenario)


def test_a_device_id_with_sql_in_it_is_a_text() -> None:
    """It reaches the record as it was written, and nothing reads it as anything else."""
    name = "x'; DROP TABLE test.d; --"

    async def scenario() -> None:
        async with gateway(by_hand=True) as server, device(server, name) as one:
            one.send("data", uid=1, data=READING)
            await server.until(lambda: server.rig.publishing.records)
            ((key, (value,), _, _),) = server.rig.publishing.records
            assert key == decode(value, "msgpack").device == name
            server.rig.publishing.acknowledge()
            assert (await one.hear())["status"] == "ok"

    run(scenario)


def test_a_device_that_speaks_for_another_is_refused_request_by_request() -> None:
    """In the message, and in the record; its own go through."""

    async def scenario() -> None:
        async with beside_a_good_one() as (server, _, bad):
            assert (await bad.ask("connect", deviceUid="bad", uid=1))["status"] == "ok"
            for more in ({"deviceUid": "good", "data": READING}, {"data": {**READING, "DeviceID": "good"}}):
                answer = await bad.ask("data", uid=2, **more)
                assert answer["errorCode"] == "wrong_device"
            assert (await bad.ask("data", uid=3, data=READING))["status"] == "ok"
            assert not closed(server)

    run(scenario)


@pytest.mark.parametrize(
    ("token_of", "expires_in", "code"),
    [
        ("good", 3600, "wrong_device"),
        ("bad", -3600, "token_expired"),
        ("", 0, "unauthorized"),
        ("forged", 3600, "unauthorized"),
    ],
)
def test_a_token_that_is_not_good_here_is_told_and_closes(
    tmp_path: Path, token_of: str, expires_in: int, code: str
) -> None:
    """Another device's, an expired one, none at all, one by a key that is not known."""
    path, now = tmp_path / "keys", int(time.time())
    path.write_text(KEYS)
    keys = parse_keys(KEYS)
    signing = parse_keys("k1: " + "f" * 40) if token_of == "forged" else keys
    name = "bad" if token_of == "forged" else token_of
    token = make_token(signing, name, now + expires_in) if token_of else None

    async def scenario() -> None:
        check = TokenAuth(Watched("ingress.token-key-file", path, parse_keys), leeway=0)
        async with gateway(LIMITS, authenticator=check) as server, device(server, "") as good:
            mine = make_token(keys, "good", now + 3600)
            assert (await good.ask("connect", deviceUid="good", uid=1, token=mine))["status"] == "ok"
            async with device(server, "") as bad:
                more = {"token": token} if token else {}
                assert (await bad.ask("connect", deviceUid="bad", uid=1, **more))["errorCode"] == code
                await words(bad)
            assert closed(server) == {code: 1}
            assert (await good.ask("data", uid=2, data=READING))["status"] == "ok"

    run(scenario)


def test_a_client_certificate_of_another_authority_is_refused() -> None:
    """In the handshake, with a reason of its own; so is a client without one."""

    async def scenario() -> None:
        ours, theirs = trustme.CA(), trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.issue_cert("127.0.0.1").configure_cert(context)
        ours.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

        def client(authority: trustme.CA | None) -> ssl.SSLContext:
            found = ssl.create_default_context()
            ours.configure_trust(found)
            if authority is not None:
                authority.issue_cert("pump-1").configure_cert(found)
            return found

        async with gateway(LIMITS, tls=context) as server, device(server, "good", ssl=client(ours)) as good:
            for authority in (theirs, None):
                before = sum(closed(server).values())
                try:
                    async with device(server, "", ssl=client(authority)) as bad:
                        # The client's handshake may end before the server has looked at the certificate.
                        await words(bad)
                except ssl.SSLError:
                    pass
                await server.until(lambda: sum(closed(server).values()) > before)  # noqa: B023 -- called before the loop goes on
            assert set(closed(server)) <= {"tls_certificate", "tls_failed"}
            assert closed(server)["tls_certificate"] >= 1
            assert (await good.ask("data", uid=2, data=READING))["status"] == "ok"

    run(scenario)


def test_frames_that_never_end_are_closed_and_hold_little() -> None:
    """A byte now and then, from many at once: each costs what it has sent, until its time is over."""
    count = 40

    async def scenario() -> None:
        limits = Limits(rate=0, frame=0.6, handshake=30.0)
        async with beside_a_good_one(limits) as (server, good, _), AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(device(server, f"slow-{i}")) for i in range(count)]
            for one in slow:
                one.writer.write(b'{"action":"data","uid":1,"data":"')
            # Not to the end: a byte that meets a closed socket resets it, and what was answered is thrown away.
            half = time.monotonic() + limits.frame / 2
            while closed(server).get("slow_frame", 0) < count:
                for one in slow:
                    if time.monotonic() < half:
                        one.writer.write(b"x")
                assert (await good.ask("ping", uid=1))["action"] == "pong"
                held = sum(s._splitter.buffered for s in server.rig.gateway.sessions)
                assert held <= count * 4096
                await asyncio.sleep(0.02)
            assert all([b'"slow_frame"' in await words(one) for one in slow])

    run(scenario)


def test_a_thousand_connections_of_one_address_are_cut_down_to_its_share() -> None:
    """Those beyond it are refused and counted; those within go on."""
    share, crowd = 100, 1000

    async def scenario() -> None:
        async with gateway(LIMITS, per_address=share) as server, device(server, "good") as good:
            loop = asyncio.get_running_loop()
            found: list[socket.socket] = []
            try:
                for _ in range(crowd):
                    raw = socket.socket()
                    raw.setblocking(False)
                    found.append(raw)
                    await loop.sock_connect(raw, ("127.0.0.1", server.number))
                refused = crowd - share + 1
                await server.until(lambda: server.rig.seen("refused", "too_many_of_address") == refused)
                assert server.rig.gateway.admission.count == share
                assert len(server.rig.gateway.sessions) == len(server.sockets.open) == share
                assert (await good.ask("data", uid=1, data=READING))["status"] == "ok"
            finally:
                for raw in found:
                    raw.close()

    run(scenario)


def test_a_reset_in_mid_frame_leaves_nothing() -> None:
    """Neither its session nor its bytes, nor a message of half its frame."""

    async def scenario() -> None:
        async with gateway(LIMITS) as server, device(server, "good") as good:
            async with bare(server, CONNECT) as raw:
                half = encode_frame(Framing.JSON_LINES, DATA)[:-9]
                await asyncio.get_running_loop().sock_sendall(raw, half)
                await server.until(lambda: any(s._splitter.buffered for s in server.rig.gateway.sessions))
            await server.until(lambda: len(server.rig.gateway.sessions) == 1)
            assert closed(server) == {"left": 1}
            assert not server.rig.publishing.records
            assert (await good.ask("data", uid=1, data=READING))["status"] == "ok"

    run(scenario)


def test_an_answer_for_a_socket_that_is_gone_is_counted() -> None:
    """The broker's, a worker's and an application's: none reaches whoever came after it."""

    async def scenario() -> None:
        async with gateway(by_hand=True) as server, device(server, "good") as good:
            rig: Rig = server.rig
            async with bare(server, CONNECT, DATA, {**DATA, "uid": 3, "ack": "stored"}):
                await server.until(lambda: len(rig.publishing.records) == 2)
                session = rig.gateway.sessions.by_device("bad")
                assert session is not None
            await server.until(lambda: len(rig.gateway.sessions) == 1)
            rig.publishing.acknowledge()
            rig.downlink.stored([WorkerAnswer(session.client_id, uid, "ok") for uid in (3, 99)])
            assert rig.seen("event", "stored_for_nobody") == 2
            response = {"action": "open.response", "uid": 1, "status": "ok"}
            assert not rig.downlink.respond(session.client_id, None, response)
            assert not rig.downlink.respond(None, "bad", response)
            assert rig.seen("event", "response_for_nobody") == 2
            assert not len(rig.owed)
            assert (await good.ask("ping", uid=7)) == {"action": "pong", "uid": 7}

    run(scenario)


def test_a_client_that_never_reads_holds_no_more_than_its_bound() -> None:
    """It is cut when its answers pile up; what waited for it is gone with it."""

    async def scenario() -> None:
        limits = Limits(rate=0, max_output=8192, slow_after=0.5)
        async with beside_a_good_one(limits) as (server, _, bad):
            raw = bad.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            bad.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a stream has no other way
            most = 0
            ping = encode_frame(Framing.JSON_LINES, {"action": "ping", "uid": "u" * 100}) * 200
            while not closed(server):
                if not bad.writer.is_closing() and bad.writer.transport.get_write_buffer_size() < 1 << 20:
                    bad.writer.write(ping)
                most = max([most, *(link.unread for link in server.sockets.open)])
                await asyncio.sleep(0)
            assert closed(server) == {"slow_reader": 1}
            # One turn's answers may stand above the bound before it is looked at.
            assert most <= 8192 + 65_536 * 2

    run(scenario)
