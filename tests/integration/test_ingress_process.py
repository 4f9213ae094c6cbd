"""The whole gateway in a process of its own, on an embedded broker."""

import ctypes
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
from confluent_kafka import Consumer, Message, Producer
from support.ingress_process import IngressProcess, SocketDevice, ingress

from taosbatch.fnv import fnv1a_32
from taosdevice.framing import Framing
from taosink.embedded.librdkafka import MockCluster
from taosink.records.record import decode

READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}
TOPIC, PARTITIONS = "readings", 3


class Broker(MockCluster):
    """The embedded broker, with a switch. What the gateway lacks of topics is made when it asks."""

    def __init__(self) -> None:
        super().__init__({TOPIC: PARTITIONS})
        for name in ("down", "up"):
            switch = getattr(self.library, f"rd_kafka_mock_broker_set_{name}")
            switch.argtypes = [ctypes.c_void_p, ctypes.c_int32]

    def stop(self) -> None:
        self.library.rd_kafka_mock_broker_set_down(self.pointer, 1)

    def start(self) -> None:
        self.library.rd_kafka_mock_broker_set_up(self.pointer, 1)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as found:
        yield found


def settings(broker: Any, **more: str) -> dict[str, str]:
    return {"kafka.brokers": broker.bootstrap, "topic": TOPIC, **more}


def read(broker: Any, topic: str, count: int, key: bytes | None = None) -> list[Message]:
    """The first so many messages of a topic; with `key` only those of that key."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"test-{topic}",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    found: list[Message] = []
    end = time.monotonic() + 30
    try:
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count}"
            some = [m for m in consumer.consume(count, 0.2) if m.error() is None]
            found += [m for m in some if key is None or m.key() == key]
    finally:
        consumer.close()
    return found


def test_a_session_from_connect_to_goodbye(broker: Broker) -> None:
    """Readings of both framings are plain Records in their device's partition; a stop is told and exits with 0."""
    with ingress(settings(broker)) as gateway:
        address = gateway.address()
        with SocketDevice(address) as text, SocketDevice(address, Framing.MSGPACK) as packed:
            assert text.connect("pump-1")["serverId"] == packed.connect("pump-2")["serverId"]
            assert text.ask("data", uid=1, data=READING)["status"] == "ok"
            stamp = msgpack.Timestamp(1_700_000_000, 123_456_789)
            reading = {"Timestamp": stamp, "Cols": [True, None, -5]}
            batch = packed.ask("batch", uid=2, data=[reading, {"Cols": []}])
            assert (batch["status"], batch["data"]["accepted"]) == ("partial", 1)

            gateway.process.send_signal(signal.SIGTERM)

            for device in (text, packed):
                goodbye = device.hear()
                assert goodbye["action"] == "goodbye"
                assert goodbye["data"]["reconnectAfterMs"] >= 1000
                assert device.hear()["errorCode"] == "shutting_down"
                with pytest.raises(EOFError):
                    device.hear()
        assert gateway.ended() == 0

    found = {m.key(): m for m in read(broker, TOPIC, 2)}
    records = {key: decode(m.value() or b"", "msgpack") for key, m in found.items()}
    assert records[b"pump-1"].cols == [1.5, "on"]
    assert records[b"pump-2"].timestamp_ns == 1_700_000_000_123_456_789
    assert all(m.partition() == fnv1a_32(key or b"") % PARTITIONS for key, m in found.items())
    assert all(m.headers() is None for m in found.values())
    events = [json.loads(m.value() or b"") for m in read(broker, "tcp_layer_messages", 4)]
    assert sorted(e["deviceRequest"]["action"] for e in events) == [
        "connect",
        "connect",
        "disconnect",
        "disconnect",
    ]


def test_an_application_answers_a_device_through_the_broker(broker: Broker) -> None:
    """Its request is on the request topic, the worker's answer reaches the socket it belongs to."""
    with ingress(settings(broker)) as gateway, SocketDevice(gateway.address()) as device:
        told = device.connect("pump-1")
        device.send("open.valve", uid="v", data={"n": 3})
        envelope = next(
            found
            for m in read(broker, "tcp_layer_messages", 2)
            if "event" not in (found := json.loads(m.value() or b""))
        )
        sent = {"action": "open.valve", "deviceUid": "pump-1", "uid": "v", "data": {"n": 3}}
        assert envelope["deviceRequest"] == sent
        assert (envelope["serverId"], envelope["clientId"]) == (told["serverId"], told["clientId"])
        answer = {"action": "open.valve.response", "uid": "v", "status": "ok", "data": {"open": 3}}
        worker = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        response = {"deviceResponse": answer, "serverId": told["serverId"], "clientId": told["clientId"]}
        worker.produce("workers_layer_messages", json.dumps(response).encode())
        assert worker.flush(10) == 0

        assert device.hear() == answer


def test_stored_is_answered_by_the_consumers_answer_alone(broker: Broker) -> None:
    """The reading carries what a worker needs to answer; without a worker the outcome is unknown."""
    with (
        ingress(settings(broker, **{"ingress.stored-timeout": "2s"})) as gateway,
        SocketDevice(gateway.address()) as device,
    ):
        told = device.connect("pump-1")
        device.send("data", uid=7, data=READING, ack="stored")
        (message,) = read(broker, TOPIC, 1)
        headers = dict(message.headers() or [])
        assert headers["taosink.reply.client"] == told["clientId"].encode()
        said = {
            "clientId": told["clientId"],
            "uid": json.loads(headers["taosink.reply.uid"] or b""),
            "status": "ok",
        }
        worker = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        answers = {"serverId": told["serverId"], "answers": [said]}
        worker.produce("workers_layer_messages", json.dumps(answers).encode())
        assert worker.flush(10) == 0
        assert device.hear() == {"action": "data.response", "uid": 7, "status": "ok"}

        unknown = device.ask("data", uid=8, data=READING, ack="stored")

        assert (unknown["uid"], unknown["status"]) == (8, "unknown")


def test_the_newer_connection_wins_at_another_gateway(broker: Broker) -> None:
    """The older is told, wherever it is."""
    with (
        ingress(settings(broker)) as first,
        ingress(settings(broker)) as second,
        SocketDevice(first.address()) as older,
        SocketDevice(second.address()) as newer,
    ):
        older.connect("pump-1")
        # The topic's order decides: the first claim has to be there before the second is made.
        read(broker, "taosink_presence", 1, key=b"pump-1")
        newer.connect("pump-1")

        assert older.hear()["errorCode"] == "replaced"
        with pytest.raises(EOFError):
            older.hear()
        assert newer.ask("data", uid=1, data=READING)["status"] == "ok"


def test_a_broker_that_is_away_makes_devices_wait_and_then_busy(broker: Broker) -> None:
    """Nothing is acknowledged meanwhile; what had found room is answered when the broker is back."""
    bounds = {"ingress.max-unacknowledged": "1", "ingress.busy-after": "300ms", "ingress.events": "false"}
    with ingress(settings(broker, **bounds)) as gateway, SocketDevice(gateway.address()) as device:
        device.connect("pump-1")
        assert device.ask("data", uid=0, data=READING)["status"] == "ok"
        broker.stop()
        device.send("data", uid=1, data=READING)
        busy = device.ask("data", uid=2, data=READING)
        assert (busy["uid"], busy["status"], busy["errorCode"]) == (2, "busy", "busy")

        broker.start()

        assert device.hear() == {"action": "data.response", "uid": 1, "status": "ok"}
        assert device.ask("data", uid=3, data=READING)["status"] == "ok"


def test_a_second_signal_abandons(broker: Broker) -> None:
    """With a request in flight that no broker acknowledges: the exit code says that work was left."""
    with ingress(settings(broker, **{"stop.deadline": "25s"})) as gateway:
        with SocketDevice(gateway.address()) as device:
            device.connect("pump-1")
            broker.stop()
            device.send("data", uid=1, data=READING)
            device.send("ping", uid=2)
            assert device.hear() == {"action": "pong", "uid": 2}
            gateway.process.send_signal(signal.SIGTERM)
            assert device.hear()["action"] == "goodbye"
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.ended() == 3
        broker.start()


def test_settings_that_cannot_work_end_at_once(broker: Broker) -> None:
    """With one line that says what to give, and exit code 1."""
    refused_by_the_client = {"kafka.properties": "fetch.min.bytes=0"}
    for wrong in ({"ingress.auth": ""}, {"ingress.admin-listen": "0.0.0.0:0"}, refused_by_the_client):
        process = IngressProcess(settings(broker, **wrong))
        try:
            assert process.ended() == 1
            assert "exit_code" in process.last_words()
            assert "Traceback" not in process.last_words()
        finally:
            process.stop()


@pytest.mark.kafka
def test_a_session_on_a_real_broker(real_kafka: Any) -> None:
    """Topics are created, a reading is acknowledged, the stop is clean."""
    topic = f"ingress-{time.time_ns()}"
    names = {
        "topic": topic,
        "ingress.request-topic": f"{topic}-q",
        "ingress.response-topics": f"{topic}-a",
        "ingress.presence-topic": f"{topic}-p",
        "ingress.commands-topic": f"{topic}-c",
    }
    real_kafka.create_topic(topic, PARTITIONS)
    with ingress({"kafka.brokers": real_kafka.bootstrap, **names}) as gateway:
        with SocketDevice(gateway.address()) as device:
            device.connect("pump-1")
            assert device.ask("data", uid=1, data=READING)["status"] == "ok"
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.ended() == 0
    (message,) = read(real_kafka, topic, 1)
    assert decode(message.value() or b"", "msgpack").device == "pump-1"
