"""POST /records into a Kafka: what is acknowledged is there, as the consumer reads it."""

import asyncio
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from starlette.types import ASGIApp
from support.http_rig import Listener, Tokens, Well, line, metrics, serving
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import read_all, unique
from support.mock_cluster import MockKafka

from taosbatch.fnv import partition
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.publishing import LoopPublishing
from taosink.ingress.http.public import PublicDeps, make_public
from taosink.ingress.http.publish import Waits
from taosink.ingress.http.records import RecordLimits
from taosink.records.record import decode

PARTITIONS = 3
NDJSON = "application/x-ndjson"
pytestmark = pytest.mark.kafka


class Gateway:
    """The public listener over the real publishing."""

    def __init__(self, bootstrap: str, topic: str, *, delivery: float = 20.0, most: int = 50_000) -> None:
        self._options = BrokerOptions(
            properties={"bootstrap.servers": bootstrap, "log_level": 0},
            server="s1",
            readings=topic,
            max_records=most,
            delivery_timeout=delivery,
        )
        self.publishing: LoopPublishing | None = None
        self._limits = RecordLimits(rate=0, waits=Waits(room=2.0, kafka=delivery + 10))

    def make(self) -> ASGIApp:
        self.publishing = LoopPublishing(self._options, asyncio.get_running_loop())
        self.publishing.partitions = PARTITIONS
        deps = PublicDeps(
            publishing=self.publishing,
            authenticator=Tokens(anybody=True),
            metrics=metrics(),
            health=Well(),
            limits=self._limits,
        )
        return make_public(deps).app


@contextmanager
def gateway(bootstrap: str, topic: str, **options: float) -> Iterator[Listener]:
    made = Gateway(bootstrap, topic, **options)  # type: ignore[arg-type]  # numbers, each of its kind
    with serving(made.make) as listener:
        try:
            yield listener
        finally:
            assert made.publishing is not None
            made.publishing.close(5)


def test_what_is_acknowledged_is_in_kafka(kafka: KafkaUnderTest) -> None:
    """From many clients at once: every accepted record once, by its device's partition, in its order."""
    topic = unique("http")
    kafka.create_topic(topic, PARTITIONS)
    sent: dict[str, list[list[object]]] = defaultdict(list)
    requests = []
    for client in range(8):
        lines = []
        for i in range(250):
            device = f"dev-{client}-{i % 5}"
            sent[device].append([i, f"v{i}", i / 4])
            lines.append(line(DeviceID=device, Cols=[i, f"v{i}", i / 4]))
        lines.insert(100, b"{broken")
        requests.append(gzip.compress(b"\n".join(lines)))

    with gateway(kafka.bootstrap, topic) as listener, ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda body: listener.post("/records", body, NDJSON, content_encoding="gzip"), requests)
        )
    assert [(status, told["accepted"]) for status, told, _ in answers] == [(207, 250)] * 8
    assert all([one["index"] for one in told["rejected"]] == [100] for _, told, _ in answers)

    found: dict[str, list[list[object]]] = defaultdict(list)
    for message in read_all(kafka.bootstrap, topic):
        value, key = message.value(), message.key()
        assert isinstance(value, bytes)
        assert isinstance(key, bytes)
        record = decode(value)
        assert key.decode() == record.device
        assert message.partition() == partition(record.device, PARTITIONS)
        assert not message.headers()
        found[record.device].append(list(record.cols))
    assert found == sent


def test_a_dead_kafka_is_never_an_acknowledgement() -> None:
    """503 with Retry-After for every record while no broker answers; 202 again once one does."""
    kafka = MockKafka()
    try:
        kafka.create_topic("readings", PARTITIONS)
        with gateway(kafka.bootstrap, "readings", delivery=1.0) as listener:
            assert listener.post("/records", line())[0] == 202
            kafka.stop()
            status, told, headers = listener.post("/records", line())
            assert (status, told["accepted"], told["errorCode"]) == (503, 0, "unknown_outcome")
            assert "retry-after" in headers
            kafka.start()
            statuses = [listener.post("/records", line())[0] for _ in range(5)]
            assert statuses[-1] == 202
    finally:
        kafka.close()


def test_a_full_backlog_is_busy_and_not_lost(kafka: KafkaUnderTest) -> None:
    """With room for fewer records than one request has, the request waits for it, and all are in Kafka."""
    topic = unique("http-full")
    kafka.create_topic(topic, PARTITIONS)
    with gateway(kafka.bootstrap, topic, most=600) as listener:
        body = b"\n".join(line(DeviceID=f"d{i % 7}", Cols=[i]) for i in range(5000))
        status, told, _ = listener.post("/records", body, NDJSON)
    accepted = told["accepted"]
    assert status in (202, 207)
    assert len(list(read_all(kafka.bootstrap, topic))) == accepted
    assert accepted + len(told["rejected"]) == 5000
    assert all(one["errorCode"] == "busy" for one in told["rejected"]), json.dumps(told["rejected"][:3])
