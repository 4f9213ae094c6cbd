"""docs/PROTOCOL.md, replayed byte by byte against a running gateway; and the fleet and a client through it."""

import asyncio
import io
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from support.gateway_process import GatewayProcess, gateway
from support.kafka_broker import KafkaUnderTest
from support.protocol_doc import Example, examples, fits, payload

from taosdevice.client import DeviceClient
from taosdevice.framing import FrameSplitter, decode_frame
from taosdevice.outcomes import ReplacedError
from taosink.simulator.app import run_producer
from taosink.simulator.fleet import FleetSettings
from taosink.simulator.options import ProducerOptions
from taosink.simulator.through import ThroughOptions

pytestmark = pytest.mark.kafka

PATIENCE = 10.0


@pytest.fixture(scope="module")
def running(kafka: KafkaUnderTest) -> Iterator[GatewayProcess]:
    """One gateway for all: open, and without workers."""
    if not kafka.real:
        pytest.skip("needs a real Kafka: compacted topics")
    kafka.create_topic("doc-readings", 2)
    names = (
        "ingress.request-topic",
        "ingress.presence-topic",
        "ingress.commands-topic",
        "ingress.response-topics",
    )
    topics = {name: f"doc-{name.removeprefix('ingress.')}" for name in names}
    flags = {"kafka.brokers": kafka.bootstrap, "topic": "doc-readings", "ingress.auth": "open"}
    with gateway(flags | topics) as process:
        assert process.tcp
        yield process


@pytest.mark.parametrize(
    "example", [one for one in examples() if not one.shown], ids=lambda one: f"line {one.line}"
)
def test_the_gateway_answers_as_the_document_says(running: GatewayProcess, example: Example) -> None:
    """Each answer once its requests were written, whole and in order."""
    splitter = FrameSplitter(1 << 20, example.framing)
    frames: list[bytes] = []
    with socket.create_connection(running.tcp, PATIENCE) as device:
        for step in example.steps:
            if step.sent:
                device.sendall(step.wire)
                continue
            while not frames:
                data = device.recv(65_536)
                assert data, "the gateway closed the connection"
                frames += splitter.feed(data)
            expected = decode_frame(example.framing, payload(example.framing, step.wire))
            found = decode_frame(example.framing, frames.pop(0))
            assert fits(expected, found), f"{expected} is shown, {found} is said"
        assert not frames


def test_the_fleet_goes_through(running: GatewayProcess) -> None:
    """Every record is acknowledged by the broker, and the command says so."""
    host, number = running.tcp
    options = ProducerOptions(
        brokers="",
        fleet=FleetSettings(tables=20, records_per_table=50, shape="demo"),
        through=ThroughOptions(f"tcp://{host}:{number}", connections=10, batch=20),
    )
    out = io.StringIO()
    assert run_producer(options, stop=threading.Event(), out=out) == 0
    summary = json.loads(out.getvalue())
    assert (summary["produced"], summary["delivered"], summary["failed"]) == (1000, 1000, 0)


async def asks_until_its_end(client: DeviceClient) -> None:
    while True:
        await client.request("x")


def test_a_second_client_of_a_device_replaces_the_first(running: GatewayProcess) -> None:
    """The older one ends with its own error and stays away; the newer one works."""

    async def test() -> None:
        host, number = running.tcp
        url = f"tcp://{host}:{number}"
        async with asyncio.timeout(PATIENCE), DeviceClient(url, "twice") as first:
            await first.connected()
            async with DeviceClient(url, "twice") as second:
                assert (await second.send(1_700_000_000_000_000_000, [1])).ok
                with pytest.raises(ReplacedError):
                    await asks_until_its_end(first)
                assert (await second.send(1_700_000_001_000_000_000, [1])).ok

    asyncio.run(test())
