"""The producer against a broker: what it says was delivered is what the topic holds."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from structlog.testing import capture_logs
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import unique
from support.letters import messages_of
from support.mock_faults import set_up

from taosbatch.fnv import partition
from taosink.embedded.librdkafka import MockCluster
from taosink.records.record import RecordError, decode
from taosink.simulator.app import run_producer
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.options import ProducerOptions

FLEET = FleetSettings(shape="demo", tables=17, records_per_table=60, poison=23)


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"test": 10}) as cluster:
        yield cluster


def run(bootstrap: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Exit code, and the summary that is its last line."""
    out = io.StringIO()
    options = {"fleet": FLEET, **options, "properties": {"log_level": 0, **options.get("properties", {})}}
    stop = options.pop("stop", None) or threading.Event()
    code = run_producer(ProducerOptions(bootstrap, **options), stop=stop, out=out)
    lines = out.getvalue().splitlines()
    return code, json.loads(lines[-1]) if lines else {}


@pytest.mark.kafka
@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_the_topic_holds_what_the_fleet_is(kafka: KafkaUnderTest, codec: str) -> None:
    """Every reading once, by its device's partition and in its device's order, with the device as key."""
    topic = unique("fleet")
    kafka.create_topic(topic, 10)
    code, summary = run(kafka.bootstrap, topic=topic, codec=codec)
    assert code == 0
    assert (summary["produced"], summary["delivered"], summary["failed"], summary["poison"]) == (
        1020,
        1020,
        0,
        23,
    )
    assert summary["partitions"] == 10
    found: dict[str, list[tuple[int, list[object]]]] = {}
    broken = 0
    for message in messages_of(kafka.bootstrap, topic):
        device = (message.key() or b"").decode()
        assert message.partition() == partition(device, 10)
        try:
            record = decode(message.value() or b"")
        except RecordError:
            broken += 1
            continue
        if not record.device.startswith("tb"):  # readable, but no name for a table
            broken += 1
            continue
        found.setdefault(device, []).append((record.timestamp_ns, list(record.cols)))
    fleet = Fleet(FLEET)
    whole = {fleet.device_name(d): list(fleet.device_rows(d)) for d in range(17)}
    extra = sum(len(found[name]) - len(rows) for name, rows in whole.items())
    assert broken + extra == 23
    for name, rows in whole.items():
        assert [reading for reading in found[name] if reading in rows] == rows


@pytest.mark.kafka
def test_a_missing_topic_is_made(kafka: KafkaUnderTest) -> None:
    """With ten partitions, or as many as asked for, where the broker has a call for it."""
    if not kafka.real:
        pytest.skip("the mock cluster makes topics by itself, with its own partition count")
    for asked, made in ((None, 10), (3, 3)):
        code, summary = run(kafka.bootstrap, topic=unique("made"), partitions=asked)
        assert (code, summary["partitions"], summary["delivered"]) == (0, made, 1020)


def test_devices_can_be_divided_among_fewer_partitions(broker: MockCluster) -> None:
    """As an older producer with a fixed count did; the others stay empty."""
    assert run(broker.bootstrap, partitions=4)[0] == 0
    assert {m.partition() for m in messages_of(broker.bootstrap, "test")} == set(range(4))


def test_more_partitions_than_there_are_is_an_error_at_the_start(broker: MockCluster) -> None:
    """Nothing is produced."""
    assert run(broker.bootstrap, partitions=11) == (1, {})
    assert messages_of(broker.bootstrap, "test") == []


def test_bad_properties_and_an_absent_broker_end_with_one_line(broker: MockCluster) -> None:
    """Exit code 1 before anything was produced."""
    assert run(broker.bootstrap, properties={"linger.mss": 1}) == (1, {})
    set_up(broker, False)
    with capture_logs() as logs:
        assert run(broker.bootstrap, connect_timeout=0.5) == (1, {})
    (refusal,) = logs
    assert refusal["error"].startswith(f"no broker answered within 0.5 s at {broker.bootstrap}")
    assert "kafka.brokers" in refusal["todo"]


def test_records_without_an_acknowledgement_are_an_error(broker: MockCluster) -> None:
    """The exit code says so, and the account counts them."""
    cut = threading.Timer(1.5, set_up, (broker, False))
    cut.start()
    code, summary = run(broker.bootstrap, rate=300, properties={"message.timeout.ms": 300})
    cut.join()
    set_up(broker, True)
    assert code == 3
    assert summary["failed"] == summary["produced"] - summary["delivered"] > 0
    assert len(messages_of(broker.bootstrap, "test")) >= summary["delivered"] > 0


def test_rate_and_duration_bound_a_run(broker: MockCluster) -> None:
    """400 a second for half a second is 200 records, give or take what a busy machine does to a clock."""
    code, summary = run(broker.bootstrap, rate=400, duration=0.5)
    assert code == 0
    assert 100 <= summary["produced"] <= 210
    assert len(messages_of(broker.bootstrap, "test")) == summary["produced"]


def test_a_signal_ends_a_run_in_order(broker: MockCluster) -> None:
    """What was produced by then is delivered; the last line is the account; exit code 0."""
    program = (
        "import sys; from taosink.simulator.app import *; from taosink.simulator.fleet import *;"
        "from taosink.simulator.options import *;"
        "f = FleetSettings(shape='demo', tables=10, records_per_table=100000);"
        "sys.exit(run_producer(ProducerOptions(sys.argv[1], fleet=f, rate=500)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, broker.bootstrap],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until(lambda: len(messages_of(broker.bootstrap, "test")) > 0)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    summary = json.loads(out.splitlines()[-1])
    assert process.returncode == 0
    assert summary["stopped"]
    assert len(messages_of(broker.bootstrap, "test")) == summary["delivered"] == summary["produced"] > 0


def until(happened: Callable[[], bool], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_the_backlog_of_a_group_bounds_the_producer(broker: MockCluster) -> None:
    """It stops at the bound while nobody commits, goes on as the group does, and nothing is dropped."""
    total, bound = 60_000, 1 << 20
    fleet = FleetSettings(shape="metrics", columns=10, bytes_per_column=40, tables=10, records_per_table=6000)
    stop = threading.Event()
    answer: list[tuple[int, dict[str, Any]]] = []
    producing = threading.Thread(
        target=lambda: answer.append(
            run(
                broker.bootstrap,
                fleet=fleet,
                partitions=2,
                wait_for_group="readers",
                max_backlog_bytes=bound,
                properties={"compression.type": "none"},
                stop=stop,
            )
        )
    )
    group = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "readers", "log_level": 0})
    try:
        producing.start()
        high = settle(group)
        assert 0 < high[0] * 400 <= bound
        assert producing.is_alive()
        seen = 0
        while seen < total:
            offsets = [TopicPartition("test", p, ends(group, p)[1]) for p in range(2)]
            assert all(ends(group, p)[0] <= tp.offset for p, tp in enumerate(offsets))
            group.commit(offsets=offsets, asynchronous=False)
            seen = sum(tp.offset for tp in offsets)
            # nobody is further ahead than the bound, so what is not committed is still there
            assert all(ends(group, p)[0] <= offsets[p].offset for p in range(2))
            time.sleep(0.02)
        producing.join(30)
        assert answer[0][0] == 0
        assert answer[0][1]["delivered"] == total
    finally:
        stop.set()
        producing.join(30)
        group.close()


def ends(consumer: Consumer, number: int) -> tuple[int, int]:
    found = consumer.get_watermark_offsets(TopicPartition("test", number), timeout=20)
    assert found is not None
    return found


def settle(consumer: Consumer) -> tuple[int, int]:
    """The high watermarks once they stand still."""
    before, now = (-1, -1), (0, 0)
    while before != now or now[0] == 0:
        before = now
        time.sleep(0.5)
        now = (ends(consumer, 0)[1], ends(consumer, 1)[1])
    return now
