"""Dead letters on the embedded broker: what is acknowledged is done, what is not stays pending."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import structlog
from confluent_kafka import KafkaError
from support.letters import REJECT, Done, Source, headers_of, messages_of
from support.mock_faults import INIT_PRODUCER_ID, PRODUCE, fail_next, heal, set_up

from taosbatch.backoff import Backoff
from taosink.embedded.librdkafka import MockCluster
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.publish import PublishError

SOON = Backoff(first=0.05, factor=1.0, max=0.05)


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"test.dlq": 1}) as cluster:
        yield cluster


@contextmanager
def letters_to(
    broker: MockCluster, *, max_letters: int = 100, max_bytes: int = 1 << 20, **properties: object
) -> Iterator[KafkaDeadLetters]:
    found = KafkaDeadLetters(
        {"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 0, **properties},
        consumer="me",
        max_letters=max_letters,
        max_bytes=max_bytes,
        backoff=SOON,
    )
    try:
        yield found
    finally:
        found.close(0.0)


def told(message_headers: Sequence[tuple[str, bytes | None]]) -> DeadLetterInfo:
    info = DeadLetterInfo.decode(message_headers)
    assert info is not None
    return info


def until(happened: Callable[[], bool], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_letter_is_the_record_and_its_story(broker: MockCluster) -> None:
    """Value, key, headers and timestamp are the record's own; `done` comes once, from the publisher."""
    done = Done()
    with letters_to(broker) as letters:
        assert letters.publish(Source(raw_headers=[("trace", b"1")]), REJECT, done)
        done.wait()
        assert letters.flush(0) == 0
        assert (letters.state().published, letters.state().unacknowledged_bytes) == (1, 0)
    (message,) = messages_of(broker.bootstrap, "test.dlq")
    assert (message.value(), message.key(), message.timestamp()[1]) == (b"value", b"tb0", 1_700_000_000_123)
    assert headers_of(message)[0] == ("trace", b"1")
    info = told(headers_of(message))
    assert (info.topic, info.partition, info.offset, info.device) == ("test", 3, 41, "tb0")
    assert (info.reason, info.cls, info.message, info.consumer) == (
        "bad_value",
        "unstorable",
        "column 2 is NaN",
        "me",
    )
    assert abs(info.time_ms / 1000 - time.time()) < 60
    assert (done.calls, done.threads) == (1, {"taosink-dead-letters"})


def test_a_flush_ends_after_the_last_done(broker: MockCluster) -> None:
    """Whoever commits after a flush must find every letter's ticket told."""
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        inside.set()
        go_on.wait(20)

    with letters_to(broker) as letters:
        letters.publish(Source(), REJECT, slow)
        assert inside.wait(20)
        assert letters.flush(0.1) == 1
        go_on.set()
        assert letters.flush(20) == 0


def test_a_done_that_raises_costs_no_room(broker: MockCluster) -> None:
    """The letter counts as published, and those behind it are told."""

    def broken() -> None:
        raise RuntimeError("done")

    done = Done()
    with letters_to(broker) as letters:
        letters.publish(Source(), REJECT, broken)
        letters.publish(Source(), REJECT, done)
        assert letters.flush(20) == 0
        assert (letters.state().published, done.calls) == (2, 1)


def test_many_threads_publish_at_once(broker: MockCluster) -> None:
    """Each letter is told once and stands in the topic once, whatever the bound refuses in between."""
    done = Done()

    def work(start: int) -> None:
        for offset in range(start, start + 200):
            while not letters.publish(Source(at_offset=offset), REJECT, done):
                time.sleep(0.001)

    with letters_to(broker, max_letters=50) as letters:
        threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert letters.flush(20) == 0
    assert done.calls == 800
    offsets = [told(headers_of(m)).offset for m in messages_of(broker.bootstrap, "test.dlq")]
    assert sorted(offsets) == [1000 * n + offset for n in range(4) for offset in range(200)]


def test_a_given_topic_is_used_for_every_origin(broker: MockCluster) -> None:
    """One topic for all where the operator names one."""
    broker.create_topic("broken", 1)
    letters = KafkaDeadLetters({"bootstrap.servers": broker.bootstrap}, topic="broken", consumer="me")
    letters.publish(Source(), REJECT, Done())
    assert letters.close(20) == 0
    assert len(messages_of(broker.bootstrap, "broken")) == 1


@pytest.mark.parametrize(("refusals", "kept", "cut"), [(1, 16_384, "value"), (2, 512, "value,key,headers")])
def test_what_is_too_large_goes_in_cut(broker: MockCluster, refusals: int, kept: int, cut: str) -> None:
    """With length and hash of the whole; its neighbours are not concerned."""
    whole = b"v" * 50_000
    fail_next(broker, PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE] * refusals)
    done = Done()
    with letters_to(broker) as letters:
        letters.publish(Source(raw=whole), REJECT, done)
        done.wait()
        letters.publish(Source(raw=b"small"), REJECT, done)
        done.wait(2)
        assert letters.state().cut == 1
        assert letters.state().blocked == {}
    first, second = messages_of(broker.bootstrap, "test.dlq")
    info = told(headers_of(first))
    assert first.value() == whole[:kept]
    assert (info.cut, info.size, info.sha256) == (cut, 50_000, hashlib.sha256(whole).hexdigest())
    assert second.value() == b"small"
    assert told(headers_of(second)).cut == ""


def test_what_the_client_itself_finds_too_large_goes_in_cut(broker: MockCluster) -> None:
    """The refusal may come before anything is sent."""
    done = Done()
    with letters_to(broker, max_bytes=1000, **{"message.max.bytes": 20_000}) as letters:
        assert letters.publish(Source(raw=b"v" * 50_000), REJECT, done)
        done.wait()
    (message,) = messages_of(broker.bootstrap, "test.dlq")
    assert told(headers_of(message)).size == 50_000


def test_a_refused_timestamp_moves_into_a_header(broker: MockCluster) -> None:
    """The letter is dated by now, and still says when its record was."""
    fail_next(broker, PRODUCE, [KafkaError.INVALID_TIMESTAMP])
    done = Done()
    with letters_to(broker) as letters:
        letters.publish(Source(at_ms=77), REJECT, done)
        done.wait()
    (message,) = messages_of(broker.bootstrap, "test.dlq")
    assert message.value() == b"value"
    assert told(headers_of(message)).timestamp_ms == 77
    assert abs(message.timestamp()[1] / 1000 - time.time()) < 60


def test_a_topic_that_takes_nothing_blocks_and_says_so(broker: MockCluster) -> None:
    """Nothing is done while it is blocked, ERROR is logged once, and everything arrives whole after it."""
    fail_next(broker, PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 1000)
    done = Done()
    with structlog.testing.capture_logs() as logs, letters_to(broker) as letters:
        for offset in range(5):
            assert letters.publish(Source(raw=b"%d" % offset, at_offset=offset), REJECT, done)
        until(lambda: "test.dlq" in letters.state().blocked)
        assert letters.flush(0.3) == 5
        assert done.calls == 0
        heal(broker, PRODUCE)
        assert letters.flush(20) == 0
        assert letters.state().blocked == {}
    assert done.calls == 5
    assert sorted(m.value() or b"" for m in messages_of(broker.bootstrap, "test.dlq")) == [
        b"%d" % n for n in range(5)
    ]
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["dead_letters.blocked"]
    assert "TOPIC_AUTHORIZATION_FAILED" in next(e["error"] for e in logs if e["log_level"] == "error")


@pytest.mark.parametrize("bound", [{"max_letters": 3}, {"max_bytes": 3 * (512 + 8)}])
def test_the_bound_refuses_and_makes_room_again(broker: MockCluster, bound: dict[str, int]) -> None:
    """While the broker is away letters are held up to the bound; the next one is told to come later."""
    done = Done()
    with letters_to(broker, **bound) as letters:
        letters.publish(Source(), REJECT, done)
        done.wait()  # the producer has its id: what follows depends on connections alone
        set_up(broker, False)
        taken = [letters.publish(Source(), REJECT, done) for _ in range(5)]
        assert taken == [True, True, True, False, False]
        assert letters.state().unacknowledged == 3
        set_up(broker, True)
        done.wait(4)
        assert letters.publish(Source(), REJECT, done)
        done.wait(5)
    assert len(messages_of(broker.bootstrap, "test.dlq")) == 5


def test_an_outage_turns_into_a_blocked_topic_and_heals(broker: MockCluster) -> None:
    """The client gives a letter up after its own timeout; it is tried again all the same."""
    done = Done()
    with letters_to(broker, **{"message.timeout.ms": 200}) as letters:
        letters.publish(Source(raw=b"first"), REJECT, done)
        done.wait()
        set_up(broker, False)
        letters.publish(Source(raw=b"second"), REJECT, done)
        until(lambda: "_MSG_TIMED_OUT" in letters.state().blocked.get("test.dlq", ""))
        assert done.calls == 1
        set_up(broker, True)
        done.wait(2)
        assert letters.state().blocked == {}
    assert {m.value() for m in messages_of(broker.bootstrap, "test.dlq")} == {b"first", b"second"}


def test_what_is_given_up_at_the_stop_is_never_done(broker: MockCluster) -> None:
    """Its record is read again by the next owner; the count says how many there are."""
    done = Done()
    with letters_to(broker) as letters:
        letters.publish(Source(), REJECT, done)
        done.wait()
        set_up(broker, False)
        for _ in range(3):
            letters.publish(Source(), REJECT, done)
        begun = time.monotonic()
        assert letters.close(0.2) == 3
        assert time.monotonic() - begun < 5
        assert not letters.publish(Source(), REJECT, done)
        assert done.calls == 1


def test_a_dead_client_is_reported_and_nothing_is_done(broker: MockCluster) -> None:
    """A fatal error is the owner's to act on; the letters stay pending."""
    fail_next(broker, INIT_PRODUCER_ID, [KafkaError.CLUSTER_AUTHORIZATION_FAILED] * 10)
    heard: list[PublishError] = []
    done = Done()
    letters = KafkaDeadLetters(
        {"bootstrap.servers": broker.bootstrap, "log_level": 0}, consumer="me", on_error=heard.append
    )
    try:
        letters.publish(Source(), REJECT, done)
        until(lambda: any(error.fatal for error in heard))
        assert letters.close(0.1) == 1
        assert done.calls == 0
    finally:
        letters.close(0.0)
