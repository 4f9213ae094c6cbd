"""The publisher: every record that was taken is reported once, and nobody has to help."""

import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError
from support.letters import messages_of
from support.mock_faults import INIT_PRODUCER_ID, PRODUCE, fail_next, set_up

from taosink.embedded.librdkafka import MockCluster
from taosink.kafka.publish import Publisher, PublishError


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"test": 2}) as cluster:
        yield cluster


def publisher_to(broker: MockCluster, **properties: object) -> Publisher:
    return Publisher({"bootstrap.servers": broker.bootstrap, "log_level": 0, **properties})


def test_delivered_records_are_counted_and_reported(broker: MockCluster) -> None:
    """Reports come by themselves; partition, key and headers are the caller's."""
    reports: list[tuple[object, int | None]] = []
    publisher = publisher_to(broker)
    for n in range(10):
        assert publisher.produce(
            "test",
            b"%d" % n,
            key=b"k",
            partition=1,
            headers=[("h", b"1")],
            on_delivery=lambda error, m: reports.append((error and error.code(), m.offset())),
        )
    assert publisher.flush(20) == 0
    assert reports == [(None, n) for n in range(10)]
    assert (publisher.delivered, publisher.failed, publisher.outstanding) == (10, 0, 0)
    assert publisher.close(1) == 0
    messages = messages_of(broker.bootstrap, "test")
    assert [m.value() for m in messages] == [b"%d" % n for n in range(10)]
    assert {(m.partition(), m.key(), tuple(m.headers() or ())) for m in messages} == {
        (1, b"k", (("h", b"1"),))
    }


def test_acks_and_idempotence_are_on(broker: MockCluster) -> None:
    """A retried request must not write twice: the mechanism asks for a producer id."""
    fail_next(broker, INIT_PRODUCER_ID, [KafkaError.CLUSTER_AUTHORIZATION_FAILED])
    heard = threading.Event()
    failures: list[PublishError] = []

    def on_error(error: PublishError) -> None:
        failures.append(error)
        if error.fatal:
            heard.set()

    publisher = Publisher({"bootstrap.servers": broker.bootstrap, "log_level": 0}, on_error=on_error)
    assert heard.wait(20)
    assert publisher.fatal is not None
    with pytest.raises(PublishError) as caught:
        publisher.produce("test", b"x")
    assert caught.value.fatal
    publisher.close(0)


def test_a_full_queue_waits_for_room_and_then_says_no(broker: MockCluster) -> None:
    """The caller decides how long; a record that was not taken is not counted."""
    publisher = publisher_to(broker, **{"queue.buffering.max.messages": 3})
    publisher.produce("test", b"first")
    publisher.flush(20)
    set_up(broker, False)
    taken = [publisher.produce("test", b"x") for _ in range(5)]
    assert taken == [True, True, True, False, False]
    assert publisher.outstanding == 3
    begun = time.monotonic()
    assert not publisher.produce("test", b"x", timeout=0.2)
    assert time.monotonic() - begun >= 0.2
    healer = threading.Timer(0.2, set_up, (broker, True))
    healer.start()
    assert publisher.produce("test", b"last", timeout=20)
    healer.join()
    assert publisher.flush(20) == 0
    assert publisher.delivered == 5
    publisher.close(1)


def test_a_callback_that_raises_costs_no_other_report(broker: MockCluster) -> None:
    """The reports behind it still come, and it counts as reported."""

    def broken(_error: object, _message: object) -> None:
        raise RuntimeError("callback")

    publisher = publisher_to(broker)
    for n in range(5):
        publisher.produce("test", b"x", on_delivery=broken if n == 2 else None)
    assert publisher.flush(20) == 0
    assert publisher.delivered == 5
    publisher.close(1)


def test_a_failed_record_is_reported_as_failed(broker: MockCluster) -> None:
    """The callback gets the broker's error."""
    fail_next(broker, PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    codes: list[int] = []
    publisher = publisher_to(broker)
    publisher.produce("test", b"x", on_delivery=lambda error, _m: codes.append(error.code() if error else 0))
    assert publisher.flush(20) == 0
    assert (codes, publisher.failed) == ([KafkaError.MSG_SIZE_TOO_LARGE], 1)
    publisher.close(1)


def test_close_gives_up_what_is_left_and_reports_it(broker: MockCluster) -> None:
    """In the time given: what the broker never acknowledged is a failure, and the count is returned."""
    codes: list[int] = []
    publisher = publisher_to(broker)
    publisher.produce("test", b"x")
    publisher.flush(20)
    set_up(broker, False)
    for _ in range(4):
        publisher.produce(
            "test", b"x", on_delivery=lambda error, _m: codes.append(error.code() if error else 0)
        )
    begun = time.monotonic()
    assert publisher.close(0.2) == 4
    assert time.monotonic() - begun < 5
    assert len(codes) == 4
    assert 0 not in codes
    assert publisher.close(1) == 0
    assert not publisher.produce("test", b"too late")
    assert publisher.outstanding == 0


def test_properties_that_are_none_are_refused_with_their_name() -> None:
    """One error, before anything is sent."""
    with pytest.raises(PublishError, match=r"linger\.mss"):
        Publisher({"linger.mss": 3})
