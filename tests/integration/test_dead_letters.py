"""Dead letters on the broker of this session: topics are made, letters cut only where they must be."""

import time
from collections.abc import Iterator

import pytest
import structlog
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import unique
from support.letters import REJECT, Done, Source, headers_of, messages_of

from taosbatch.backoff import Backoff
from taosink.kafka.dead_letter_topics import ensure_dead_letter_topics
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.topics import BrokerUnreachableError, admin_client, topic_config

pytestmark = pytest.mark.kafka


@pytest.fixture
def topic(kafka: KafkaUnderTest) -> str:
    name = unique("letters")
    kafka.create_topic(name, 1, {"max.message.bytes": "3000000"})
    return name


@pytest.fixture
def letters(kafka: KafkaUnderTest, topic: str) -> Iterator[KafkaDeadLetters]:
    properties = {
        "bootstrap.servers": kafka.bootstrap,
        "log_level": 0,
        "topic.metadata.propagation.max.ms": 200,
    }
    found = KafkaDeadLetters(
        properties,
        topic=f"{topic}.dlq",
        consumer="me",
        backoff=Backoff(first=0.1, max=0.1),
        create=lambda name: ensure_dead_letter_topics(properties, [name], origins=[topic]),
    )
    try:
        yield found
    finally:
        found.close(0.0)


def test_a_missing_topic_is_made_to_keep_everything(kafka: KafkaUnderTest, topic: str) -> None:
    """Kept for ever, and as roomy as its origin, so that a large record is not cut."""
    properties = {"bootstrap.servers": kafka.bootstrap}
    for created in (True, False):
        (made,) = ensure_dead_letter_topics(properties, [f"{topic}.dlq"], origins=[topic])
        assert (made.name, made.created) == (f"{topic}.dlq", created)
    config = topic_config(admin_client(properties), f"{topic}.dlq")
    if kafka.real:
        assert made.partitions == 1
        assert (config["retention.ms"], config["cleanup.policy"]) == ("-1", "delete")
        assert int(config["max.message.bytes"]) > 3_000_000
    else:
        assert config == {}


def test_a_topic_that_forgets_is_warned_of(real_kafka: KafkaUnderTest, topic: str) -> None:
    """Letters keep their records' timestamps: a limited retention deletes those of an old backlog."""
    real_kafka.create_topic(f"{topic}.dlq", 1, {"retention.ms": "86400000"})
    with structlog.testing.capture_logs() as logs:
        ensure_dead_letter_topics({"bootstrap.servers": real_kafka.bootstrap}, [f"{topic}.dlq"])
    assert [(e["event"], e["retention_ms"]) for e in logs] == [("dead_letters.topic_forgets", "86400000")]


def test_a_broker_that_is_not_there_is_an_error_to_wait_on() -> None:
    """Its own type, so that the caller can tell an outage from a refusal."""
    with pytest.raises(BrokerUnreachableError):
        ensure_dead_letter_topics(
            {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, ["x.dlq"], timeout=0.5
        )


def test_many_letters_arrive_whole(kafka: KafkaUnderTest, topic: str, letters: KafkaDeadLetters) -> None:
    """A thousand of mixed sizes, among them records larger than a broker's default limit: none is cut."""
    kafka.create_topic(f"{topic}.dlq", 1, {"max.message.bytes": "3100000"})
    done, whole = Done(), set()
    for n in range(1000):
        size = 2_000_000 if n in (100, 600) else n * 40
        value = b"%d:" % n + bytes(size)
        whole.add(value)
        while not letters.publish(Source(raw=value, at_offset=n), REJECT, done):
            time.sleep(0.01)
    assert letters.flush(60) == 0
    assert done.calls == 1000
    assert letters.state().cut == 0
    found = messages_of(kafka.bootstrap, f"{topic}.dlq")
    if kafka.real:  # the mock cluster keeps 5 MiB
        assert {m.value() for m in found} == whole


def test_only_what_the_topic_refuses_is_cut(
    real_kafka: KafkaUnderTest, topic: str, letters: KafkaDeadLetters
) -> None:
    """A real limit: the large one goes in cut, and its neighbours whole."""
    real_kafka.create_topic(f"{topic}.dlq", 1, {"max.message.bytes": "40000"})
    import random

    noise = random.Random(1).randbytes(60_000)  # does not compress below the limit
    done = Done()
    for n in range(50):
        letters.publish(Source(raw=noise if n == 25 else noise[:1500], at_offset=n), REJECT, done)
    assert letters.flush(60) == 0
    assert done.calls == 50
    infos = [DeadLetterInfo.decode(headers_of(m)) for m in messages_of(real_kafka.bootstrap, f"{topic}.dlq")]
    assert {i.offset: i.size for i in infos if i and i.cut} == {25: 60_000}
    assert sorted(i.offset for i in infos if i) == list(range(50))


def test_a_topic_that_is_missing_is_made_for_its_first_letter(
    real_kafka: KafkaUnderTest, topic: str, letters: KafkaDeadLetters
) -> None:
    """A pattern's topics are not known at start: the letter waits, the topic is made, it arrives."""
    done = Done()
    letters.publish(Source(), REJECT, done)
    done.wait(timeout=60)
    (message,) = messages_of(real_kafka.bootstrap, f"{topic}.dlq")
    assert message.value() == b"value"
    assert letters.state().blocked == {}
