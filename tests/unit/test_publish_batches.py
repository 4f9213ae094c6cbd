"""Records handed over together: one report, which tells those that the broker does not have."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message
from support.letters import messages_of

from taosink.embedded.librdkafka import MockCluster
from taosink.kafka.batch_report import BatchReport, Failed, Headers
from taosink.kafka.publish import Publisher


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"test": 4}) as cluster:
        yield cluster


class Ends:
    """What `on_end` was told, in order."""

    def __init__(self) -> None:
        self.told: list[list[tuple[int, int]]] = []
        self.came = threading.Event()

    def __call__(self, failed: Failed) -> None:
        self.told.append([(place, error.code()) for place, error in failed])
        self.came.set()


def publisher_to(broker: MockCluster, **properties: object) -> Publisher:
    return Publisher({"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 5, **properties})


def test_a_batch_goes_to_its_partition_in_order_and_ends_once(broker: MockCluster) -> None:
    """Also before the client knows the topic, when the partition must not be chosen anew."""
    rounds: list[int] = []
    publisher = Publisher(
        {"bootstrap.servers": broker.bootstrap, "log_level": 0}, on_served=lambda: rounds.append(1)
    )
    ends = Ends()
    assert publisher.produce_batch("test", [b"%d" % n for n in range(50)], key=b"d", partition=2, on_end=ends)
    assert publisher.flush(20) == 0
    assert ends.told == [[]]
    assert rounds
    assert (publisher.delivered, publisher.failed) == (50, 0)
    publisher.close(1)
    found = messages_of(broker.bootstrap, "test")
    assert [(m.partition(), m.key(), m.value()) for m in found] == [(2, b"d", b"%d" % n) for n in range(50)]


def test_a_record_that_is_too_large_costs_one(broker: MockCluster) -> None:
    """Its neighbours are delivered, and the report names its place."""
    publisher = publisher_to(broker, **{"message.max.bytes": 2000})
    ends = Ends()
    values = [b"a", b"x" * 5000, b"b", b"y" * 5000, b"c"]
    assert publisher.produce_batch("test", values, key=b"d", partition=0, on_end=ends)
    assert publisher.flush(20) == 0
    assert ends.told == [[(1, KafkaError.MSG_SIZE_TOO_LARGE), (3, KafkaError.MSG_SIZE_TOO_LARGE)]]
    assert (publisher.delivered, publisher.failed) == (3, 2)
    publisher.close(1)
    assert [m.value() for m in messages_of(broker.bootstrap, "test")] == [b"a", b"b", b"c"]


def test_a_batch_of_which_nothing_is_taken_ends_too(broker: MockCluster) -> None:
    """A partition that does not exist is told by the first metadata, or at once where those are known."""
    publisher = publisher_to(broker)
    for _ in range(2):
        ends = Ends()
        assert publisher.produce_batch("test", [b"1", b"2"], key=b"d", partition=9, on_end=ends)
        assert ends.came.wait(20)
        assert ends.told == [[(0, KafkaError._UNKNOWN_PARTITION), (1, KafkaError._UNKNOWN_PARTITION)]]
    assert publisher.outstanding == 0
    publisher.close(1)


def test_equal_values_that_fail_are_each_told_once() -> None:
    """No broker: all of them run out of time, and every place is named."""
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "delivery.timeout.ms": 300})
    ends = Ends()
    assert publisher.produce_batch("test", [b"a", b"b", b"a", b"a"], key=b"d", partition=0, on_end=ends)
    assert ends.came.wait(20)
    assert sorted(ends.told[0]) == [(n, KafkaError._MSG_TIMED_OUT) for n in range(4)]
    publisher.close(0)


def test_a_record_that_was_refused_does_not_stand_for_its_equal() -> None:
    """Of equal values one was never taken and one was lost: those two are named, and the third is not."""

    class Lost:
        def value(self) -> bytes:
            return b"v"

    told: list[object] = []
    report = BatchReport([b"v", b"v", b"x", b"v"], lambda records, failed: told.append((records, failed)))
    error = KafkaError(KafkaError._MSG_TIMED_OUT)
    lost = cast("Message", Lost())
    report(error, lost)
    report(None, lost)
    report(None, lost)
    report.refuse([(0, error)])
    assert told == [(4, [(0, error), (1, error)])]


def test_a_closed_publisher_takes_nothing(broker: MockCluster) -> None:
    """Nothing is left outstanding by the attempt."""
    publisher = publisher_to(broker)
    publisher.close(1)
    assert not publisher.produce_batch("test", [b"1"], key=b"d", partition=0, on_end=Ends())
    assert publisher.outstanding == 0


@pytest.mark.parametrize("headers", [(), [[("h", b"1")]]], ids=["plain", "headers"])
def test_a_single_record_goes_the_way_of_many(broker: MockCluster, headers: list[Headers]) -> None:
    """To its partition, told once, also where the client refuses it at once or the broker does not have it."""
    publisher = publisher_to(broker, **{"message.max.bytes": 2000})
    fine, large, nowhere, again = Ends(), Ends(), Ends(), Ends()

    def hand_over(value: bytes, partition: int, ends: Ends) -> bool:
        return publisher.produce_batch(
            "test", [value], key=b"d", partition=partition, headers=headers, on_end=ends
        )

    assert hand_over(b"a", 3, fine)
    assert hand_over(b"x" * 5000, 3, large)
    assert hand_over(b"b", 9, nowhere)
    assert publisher.flush(20) == 0
    assert hand_over(b"c", 9, again)
    assert publisher.flush(20) == 0
    assert fine.told == [[]]
    assert large.told == [[(0, KafkaError.MSG_SIZE_TOO_LARGE)]]
    assert nowhere.told == again.told == [[(0, KafkaError._UNKNOWN_PARTITION)]]
    assert (publisher.delivered, publisher.failed) == (1, 3)
    publisher.close(1)
    (found,) = messages_of(broker.bootstrap, "test")
    assert (found.partition(), found.key(), found.value()) == (3, b"d", b"a")
    assert (found.headers() or []) == (headers[0] if headers else [])


def test_a_single_record_for_which_the_queue_has_no_room_ends_too() -> None:
    """It is told by the thread that tells the others, and holds up none of them."""
    publisher = Publisher(
        {
            "bootstrap.servers": "127.0.0.1:1",
            "log_level": 0,
            "delivery.timeout.ms": 300,
            "queue.buffering.max.messages": 1,
        }
    )
    first, second = Ends(), Ends()
    assert publisher.produce_batch("test", [b"1"], key=b"d", partition=0, on_end=first)
    assert publisher.produce_batch("test", [b"2"], key=b"d", partition=0, on_end=second)
    assert publisher.flush(20) == 0
    assert second.told == [[(0, KafkaError._QUEUE_FULL)]]
    assert first.told == [[(0, KafkaError._MSG_TIMED_OUT)]]
    publisher.close(0)


def test_threads_that_hand_over_at_once_lose_no_count(broker: MockCluster) -> None:
    """Whoever waits for the last record waits for just those that were sent."""
    publisher = publisher_to(broker)
    ends: list[Failed] = []

    def send() -> None:
        for _ in range(500):
            publisher.produce_batch("test", [b"v"], key=b"d", partition=0, on_end=ends.append)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert publisher.flush(20) == 0
    assert (len(ends), publisher.delivered, publisher.outstanding) == (2000, 2000, 0)
    publisher.close(1)
