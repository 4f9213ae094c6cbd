"""`taosink segments` on a broker: segments in, messages out, offsets held back until a message is delivered."""

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, read_all, unique
from support.mock_cluster import MockKafka
from support.segments_receiver import Receiver, receiving
from support.source_rig import wait_for

from taosbatch.fnv import partition
from taosbatch.segments import Segment, cut
from taosink.config import load
from taosink.demo.child import Child
from taosink.exits import Exit
from taosink.records.record import decode
from taosink.segments.app import Collector
from taosink.segments.forms import segment_json
from taosink.settings.segments import SegmentsSettings

pytestmark = pytest.mark.kafka
LONG = "Grüße 😀 " * 40


@pytest.fixture(scope="module")
def mock() -> Iterator[MockKafka]:
    found = MockKafka()
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class Rig:
    def __init__(self, kafka: KafkaUnderTest, receiver: Receiver, partitions: int = 1) -> None:
        self.kafka, self.receiver = kafka, receiver
        self.topic, self.group, self.readings = unique("segments"), unique("group"), unique("readings")
        kafka.create_topic(self.topic, partitions)
        kafka.create_topic(self.readings, 3)

    def put(self, *segments: Segment | bytes, partition: int = 0) -> None:
        values = [s if isinstance(s, bytes) else segment_json(s) for s in segments]
        produce(self.kafka.bootstrap, self.topic, values, partition=partition)

    def flags(self, **more: str) -> dict[str, str]:
        return {
            "kafka.brokers": self.kafka.bootstrap,
            "segments.topic": self.topic,
            "segments.group": self.group,
            "segments.readings-topic": self.readings,
            "segments.receive-url": f"{self.receiver.url}/receive",
            "segments.scan": "200ms",
            "segments.quiet": "1s",
            "stop.deadline": "10s",
            **{name.replace("_", "-").replace("--", "."): value for name, value in more.items()},
        }

    @contextmanager
    def running(self, **more: str) -> Iterator[Collector]:
        settings = load(SegmentsSettings, list(self.flags(**more).items()), environ={}).settings
        collector = Collector(settings)
        collector.start()
        try:
            yield collector
        finally:
            if collector.source.outcome is None:
                again = threading.Event()
                again.set()
                collector.stop(again)

    def committed(self) -> dict[int, int]:
        return committed(self.kafka.bootstrap, self.group, self.topic)

    def until(self, n: int) -> None:
        wait_for(lambda: len(self.receiver.bodies) >= n, what=f"{n} messages")


def segments(text: str, sender: str = "ana", sent_at: str = '"t1"') -> list[Segment]:
    pieces = cut(text)
    return [Segment(n, len(pieces), sender, sent_at, piece) for n, piece in enumerate(pieces, 1)]


def finish(collector: Collector) -> Exit:
    code = collector.stop(threading.Event())
    assert not collector.stuck
    return code


def test_messages_of_several_senders_come_whole_and_records_go_on(
    mock: MockKafka, receiver: Receiver
) -> None:
    """Out of order and twice over two partitions: texts reach the callback as they were sent, a Record its topic,
    what is no segment is passed over; then everything is committed."""
    rig = Rig(mock, receiver, partitions=2)
    record = {"DeviceID": "pump-7", "Timestamp": "2025-01-31T08:00:00.25Z", "Cols": [1.5, True, "x" * 200]}
    texts = {name: f"{name}: {LONG}" for name in ("ana", "ben", "eva")}
    texts["rec"] = json.dumps(record)
    streams = [
        [s for name in half for s in segments(texts[name], name) * 2]
        for half in (("ana", "ben"), ("eva", "rec"))
    ]
    for number, stream in enumerate(streams):
        random.Random(number).shuffle(stream)
        rig.put(*stream, b"no segment", partition=number)
    with rig.running() as collector:
        rig.until(3)
        ends = {0: len(streams[0]) + 1, 1: len(streams[1]) + 1}
        wait_for(lambda: rig.committed() == ends, what="the commit of everything")
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts() == sorted(texts[name] for name in ("ana", "ben", "eva"))
    assert {b["path"] for b in receiver.bodies} == {"/receive"}
    assert {b["send_time"] for b in receiver.bodies} == {"t1"}
    [found] = read_all(mock.bootstrap, rig.readings)
    assert decode(found.value(), "msgpack").cols == record["Cols"]
    assert (found.key(), found.partition()) == (b"pump-7", partition("pump-7", 3))


def test_what_is_in_messages_never_stands_in_the_log(mock: MockKafka, receiver: Receiver) -> None:
    """Neither of one that came whole nor of one that is lost, nor of what is no segment; who sent it may."""
    rig = Rig(mock, receiver)
    rig.put(*segments("swordfish " * 20), *segments("swordfish " * 20, "ben")[1:], b'{"payload": "swordfish"')
    with capture_logs() as events, rig.running() as collector:
        rig.until(2)
        assert finish(collector) is Exit.DRAINED
    assert all("swordfish" in body["data"] for body in receiver.bodies)
    log = repr(events)
    assert "segments.message_lost" in log
    assert "segments.unreadable" in log
    assert "ben" in log
    assert "swordfish" not in log


def test_a_lost_message_is_reported_with_what_was_there_and_forgotten(
    mock: MockKafka, receiver: Receiver
) -> None:
    """Its offsets are held until then; the number that named it stays the number that was written."""
    rig = Rig(mock, receiver)
    first, second, *_ = segments(LONG, sent_at="1700000000.50")
    rig.put(first, second, *segments("whole", "ben"))
    with rig.running() as collector:
        rig.until(2)
        wait_for(lambda: rig.committed() == {0: 3}, what="the commit")
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts() == ["whole"]
    [lost] = [b for b in receiver.bodies if b["error"]]
    assert lost == {
        "path": "/receive",
        "username": "ana",
        "data": first.payload + second.payload,
        "send_time": 1700000000.5,
        "error": "lost",
    }


def test_a_busy_partition_hides_no_loss(mock: MockKafka, receiver: Receiver) -> None:
    """A message is lost in its time although segments of others never cease."""
    rig = Rig(mock, receiver)
    rig.put(segments(LONG)[0])
    sent = 0
    with rig.running() as collector:

        def lost() -> bool:
            nonlocal sent
            sent += 1
            rig.put(*segments("x", "ben", str(sent)))
            return bool(receiver.texts(error="lost"))

        wait_for(lost, 20)
        wait_for(lambda: len(receiver.texts()) == sent)
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts(error="lost") == [segments(LONG)[0].payload]


def test_a_restart_in_the_middle_of_a_message_loses_nothing(mock: MockKafka, receiver: Receiver) -> None:
    """The offsets of an incomplete message are held back, so that its next owner reads it again."""
    rig = Rig(mock, receiver)
    stream = segments(LONG)
    rig.put(*segments("before", "ben"), *stream[:2])
    with rig.running(segments__quiet="60s") as collector:
        rig.until(1)
        wait_for(lambda: collector.assembling.incomplete == 1)
        assert finish(collector) is Exit.DRAINED
    assert rig.committed().get(0, 0) <= 1
    rig.put(*stream[2:])
    with rig.running(segments__quiet="60s") as collector:
        wait_for(lambda: LONG in receiver.texts())
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts(error="lost") == []
    assert set(receiver.texts()) == {"before", LONG}
    assert rig.committed() == {0: len(stream) + 1}


def test_a_receiver_that_is_down_holds_the_offsets_back(mock: MockKafka, receiver: Receiver) -> None:
    """Nothing is committed while it fails, a stop says that work is left, and the next run delivers it."""
    rig = Rig(mock, receiver)
    rig.put(*segments(LONG))
    receiver.status = 503
    with rig.running(stop__deadline="1s") as collector:
        wait_for(lambda: len(receiver.refused) >= 2, what="a second try")
        assert finish(collector) is Exit.ABANDONED
    assert rig.committed().get(0, 0) == 0
    with rig.running() as collector:
        wait_for(lambda: collector.courier.failing)
        receiver.status = 200
        rig.until(1)
        wait_for(lambda: rig.committed() == {0: len(segments(LONG))}, what="the commit")
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts() == [LONG]


def test_a_message_that_the_receiver_refuses_is_ended(mock: MockKafka, receiver: Receiver) -> None:
    """A 4xx is an answer: it is not offered again, and holds up nobody."""
    rig = Rig(mock, receiver)
    receiver.status = 422
    rig.put(*segments("bad"))
    with rig.running() as collector:
        wait_for(lambda: rig.committed() == {0: 1}, what="the commit")
        assert finish(collector) is Exit.DRAINED
    assert len(receiver.refused) == 1


def test_a_way_out_that_is_full_makes_no_message_lost(mock: MockKafka, receiver: Receiver) -> None:
    """While the receiver is down reading stands still; what is unread then is not taken for silence."""
    rig = Rig(mock, receiver)
    halves = [segments(f"{n} " + "x" * 100, f"sender{n}") for n in range(150)]
    rig.put(*(a for a, _ in halves), *segments("first", "ben"), *segments("second", "ben"))
    receiver.status = 503
    with rig.running(segments__receive_queue="1KiB", segments__quiet="500ms") as collector:
        wait_for(lambda: len(receiver.refused) >= 2)
        rig.put(*(b for _, b in halves))
        until = time.monotonic() + 1.5  # three times the silence after which a message is lost
        wait_for(lambda: time.monotonic() > until)
        receiver.status = 200
        rig.until(152)
        assert finish(collector) is Exit.DRAINED
    assert receiver.texts(error="lost") == []


class Process(Child):
    def __init__(self, flags: dict[str, str]) -> None:
        given = [f"--{name}={value}" for name, value in flags.items()]
        super().__init__(
            "segments", [sys.executable, "-m", "taosink_cli", "segments", "--log.format=json", *given]
        )


def test_two_members_on_a_real_broker_lose_nothing_when_one_is_killed(
    real_kafka: KafkaUnderTest, receiver: Receiver
) -> None:
    """Four partitions, segments out of order, kill -9 of one member in the middle, SIGTERM of the other."""
    rig = Rig(real_kafka, receiver, partitions=4)
    texts = {f"sender{n}": f"{n}: {LONG}" for n in range(80)}
    streams: list[list[Segment]] = [[] for _ in range(4)]
    for n, (sender, text) in enumerate(texts.items()):
        streams[n % 4] += segments(text, sender)
    for stream in streams:
        random.Random(1).shuffle(stream)
    flags = rig.flags(segments__quiet="30s", segments__max_age="90s", kafka__session_timeout="6s")
    first, second = Process(flags), Process(flags)
    try:
        for number, stream in enumerate(streams):
            rig.put(*stream[: len(stream) // 2], partition=number)
        wait_for(lambda: "segments.stats" in first.events or "segments.stats" in second.events, 60)
        wait_for(lambda: {"segments.stats", "kafka.assigned"} <= first.events.keys(), 30, "segments")
        first.process.kill()
        for number, stream in enumerate(streams):
            rig.put(*stream[len(stream) // 2 :], partition=number)
        wait_for(lambda: set(receiver.texts()) == set(texts.values()), 75, "every message")
        ends = {n: len(stream) for n, stream in enumerate(streams)}
        wait_for(lambda: rig.committed() == ends, 30, "the commit of everything")
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(30) == Exit.DRAINED
    finally:
        first.stop(signal.SIGKILL)
        second.stop(signal.SIGKILL)
    assert receiver.texts(error="lost") == []
