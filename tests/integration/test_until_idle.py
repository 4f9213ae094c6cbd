"""`consumer --until-idle` and `write.max-rows-per-second`, as processes on the broker of this session."""

import signal
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from support.consumer_process import ConsumerProcess, consumer
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, unique

from taosink.clients import taos_driver
from taosink.embedded.database.server import running
from taosink.records.record import Record, encode_msgpack
from taosink.settings.connection import TaosSettings

pytestmark = pytest.mark.kafka
START_NS = 1_735_689_600_000_000_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as found:
        yield found


def records(count: int, device: str = "d") -> list[bytes | None]:
    return [encode_msgpack(Record(device, START_NS + i * 10**9, (float(i),))) for i in range(count)]


def made(kafka: KafkaUnderTest, partitions: int = 2) -> str:
    topic = unique("idle")
    kafka.create_topic(topic, partitions)
    kafka.create_topic(f"{topic}.dlq", 1)
    return topic


def arguments(kafka: KafkaUnderTest, topic: str, url: str, **more: str) -> dict[str, str]:
    return {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "taosuri": f"{url}/{topic.replace('-', '_')}",
        "schema.create": "true",
        "until-idle": "true",
        **{name.replace("__", ".").replace("_", "-"): value for name, value in more.items()},
    }


def rows(url: str, topic: str) -> int:
    driver = taos_driver(TaosSettings(uri=SecretStr(f"{url}/{topic.replace('-', '_')}")))
    try:
        return int(driver.query("SELECT COUNT(*) FROM stb").rows[0][0])
    finally:
        driver.close()


def last(process: ConsumerProcess) -> dict[str, object]:
    return dict(process.events["consumer.stopped"])


def test_it_ends_when_all_is_stored_and_committed(kafka: KafkaUnderTest, url: str) -> None:
    """Broken records count as ended once they are dead letters; an empty partition is read at once."""
    topic = made(kafka, partitions=3)
    produce(kafka.bootstrap, topic, [*records(3000), b"broken"], partition=0)
    produce(kafka.bootstrap, topic, records(100, "e"), partition=1)
    with consumer(arguments(kafka, topic, url)) as process:
        assert process.ended() == 0, process.last_words()
    assert {p: o for p, o in committed(kafka.bootstrap, topic, topic).items() if o} == {0: 3001, 1: 100}
    assert rows(url, topic) == 3100
    assert last(process)["dead_lettered"] == 1


def test_an_empty_topic_ends_at_once(kafka: KafkaUnderTest, url: str) -> None:
    """There is nothing to wait for."""
    topic = made(kafka)
    with consumer(arguments(kafka, topic, url)) as process:
        assert process.ended() == 0, process.last_words()


def test_a_signal_before_the_end_is_told_by_the_exit_code(kafka: KafkaUnderTest, url: str) -> None:
    """A slow writer that is stopped has drained what it had, and not read all: exit 3, and the next one goes on."""
    topic = made(kafka, partitions=1)
    produce(kafka.bootstrap, topic, records(5000), partition=0)
    small = {"min__batch__size": "100", "max__batch__size": "500", "max__queue__size": "500"}
    slow = arguments(kafka, topic, url, write__max_rows_per_second="500", **small)
    with consumer(slow) as process:
        process.until(lambda: process.stored > 0)
        assert process.stop(signal.SIGTERM) == 3, process.last_words()
        assert "consumer.drained" in process.events
    done = committed(kafka.bootstrap, topic, topic)[0]
    assert 0 < done < 5000
    with consumer(arguments(kafka, topic, url)) as process:
        assert process.ended() == 0, process.last_words()
    assert rows(url, topic) == 5000


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_who_has_no_partition_ends_with_the_others(
    real_kafka: KafkaUnderTest, url: str, protocol: str
) -> None:
    """Two members, one partition: whoever ends first, everything is stored and committed by then."""
    topic = made(real_kafka, partitions=1)
    produce(real_kafka.bootstrap, topic, records(2000), partition=0)
    more = {"kafka__group_protocol": protocol, "write__max_rows_per_second": "500"}
    both = arguments(real_kafka, topic, url, **more)
    with consumer(both) as first, consumer(both) as second:
        first.until(lambda: first.process.poll() is not None or second.process.poll() is not None)
        assert committed(real_kafka.bootstrap, topic, topic) == {0: 2000}
        assert [first.ended(), second.ended()] == [0, 0], first.last_words() + second.last_words()
    assert rows(url, topic) == 2000


def test_a_missing_topic_is_not_the_end(real_kafka: KafkaUnderTest, url: str) -> None:
    """A misspelt topic holds nothing, and that is no success: it waits, and ends once the topic is there."""
    topic = unique("later")
    with consumer(arguments(real_kafka, topic, url, kafka__group_protocol="classic")) as process:
        process.event("kafka.topic_missing")
        # Longer than the watch takes to be sure. That it did not happen has no event; that the process ended has.
        until = time.monotonic() + 2
        process.until(lambda: time.monotonic() > until or "consumer.idle" in process.events)
        assert "consumer.idle" not in process.events
        real_kafka.create_topic(topic, 1)
        produce(real_kafka.bootstrap, topic, records(5), partition=0)
        assert process.ended() == 0, process.last_words()
    assert rows(url, topic) == 5


def test_rows_are_written_at_the_rate_given(kafka: KafkaUnderTest, url: str) -> None:
    """2,000 rows at 500 a second by four workers: three seconds and more, however many partitions there are."""
    topic = made(kafka, partitions=4)
    for partition in range(4):
        produce(kafka.bootstrap, topic, records(500, f"d{partition}"), partition=partition)
    with consumer(arguments(kafka, topic, url, write__max_rows_per_second="500")) as process:
        process.event("kafka.assigned")
        began = time.monotonic()
        assert process.ended() == 0, process.last_words()
        took = time.monotonic() - began
    assert rows(url, topic) == 2000
    # The first batch goes at once: what comes behind it waits for the rows before it.
    assert 2.9 < took < 10


def test_a_member_that_was_killed_is_waited_for(real_kafka: KafkaUnderTest, url: str) -> None:
    """Until the broker gives it up it still holds the partitions: who ends before has stored nothing of them."""
    topic = made(real_kafka, partitions=1)
    produce(real_kafka.bootstrap, topic, records(3000), partition=0)
    slow = arguments(real_kafka, topic, url, write__max_rows_per_second="300")
    with consumer(slow) as process:
        process.until(lambda: process.stored > 0)
        process.process.kill()
        process.process.wait()
    assert committed(real_kafka.bootstrap, topic, topic).get(0, 0) < 3000
    with consumer(arguments(real_kafka, topic, url)) as process:
        assert process.ended() == 0, process.last_words()
    assert rows(url, topic) == 3000
