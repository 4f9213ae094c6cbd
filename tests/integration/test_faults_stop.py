"""SIGTERM at the worst moments: the deadline holds, and the exit code says whether work was left."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported there
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from support.chaos.stage import Stage, stage
from support.consumer_process import ConsumerProcess
from support.kafka_broker import KafkaUnderTest, admin
from support.kafka_data import committed, produce

pytestmark = pytest.mark.kafka
DRAINED, ABANDONED = 0, 3
DEADLINE = 3.0
MARGIN = 3.0
"""Seconds beyond the deadline: the watchdog waits for one, and machines are slow."""


@pytest.fixture(name="stage")
def own_stage(kafka: KafkaUnderTest, tmp_path: Path) -> Iterator[Stage]:
    with stage(kafka, tmp_path) as found:
        yield found


def stopped(process: ConsumerProcess, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
    """Exit code, and the seconds that it took."""
    begun = time.monotonic()
    code = process.stop(how)
    return code, time.monotonic() - begun


def test_a_full_queue_is_drained(stage: Stage) -> None:
    """More is read than a slow database takes: what was read is stored and committed, and the rest is not read
    again by itself but by the next."""
    stage.send(4000)
    with stage.consumer(
        max__queue__size="1000", min__batch__size="1", max__batch__size="200", worker="1"
    ) as process:
        process.until(lambda: stage.stored > 0)
        stage.proxy.delay = 0.05
        process.until(lambda: process.events.get("consumer.stats", {}).get("queue_fill", 0) >= 0.9)
        code, seconds = stopped(process)
    assert code == DRAINED, process.last_words()
    assert seconds < DEADLINE + MARGIN
    assert 0 < stage.committed == stage.stored < 8000
    assert process.events["consumer.stopped"]["stored"] == stage.stored


def test_a_database_that_is_down_leaves_work_pending(stage: Stage) -> None:
    """Nothing can end: exit 3 within the deadline, nothing committed that is not stored, nothing dead-lettered;
    the next consumer stores it."""
    with stage.consumer() as process:
        stage.send(50)
        process.until(lambda: stage.committed == 100)
        stage.proxy.cut()
        stage.send(50)
        process.event("write.waiting")
        code, seconds = stopped(process)
        assert code == ABANDONED, process.last_words()
        assert seconds < DEADLINE + MARGIN
    assert stage.committed == 100
    assert stage.letters() == []
    stage.proxy.restore()
    with stage.consumer() as process:
        process.until(lambda: stage.all_stored)
        assert process.stop() == DRAINED


def test_a_database_that_does_not_answer_is_left_at_the_deadline(stage: Stage) -> None:
    """A statement is on the wire and nothing comes back: the thread in that call is left behind."""
    with stage.consumer(taos__timeout="60s") as process:
        stage.send(50)
        process.until(lambda: stage.committed == 100)
        stage.proxy.freeze()
        stage.send(50)
        process.until(lambda: process.events["consumer.stats"]["total"] == 200)
        code, seconds = stopped(process)
    assert code == ABANDONED, process.last_words()
    assert seconds < DEADLINE + MARGIN
    assert stage.committed == 100


def test_a_second_signal_abandons_at_once(stage: Stage) -> None:
    """Whoever asks twice does not want to wait for the deadline."""
    with stage.consumer(stop__deadline="60s") as process:
        stage.send(50)
        process.until(lambda: stage.committed == 100)
        stage.proxy.cut()
        stage.send(50)
        process.event("write.waiting")
        process.process.send_signal(signal.SIGTERM)
        process.event("consumer.stopping")
        code, seconds = stopped(process)
    assert code == ABANDONED
    assert seconds < 10


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_stop_during_start_up_is_quick(stage: Stage, way: str) -> None:
    """Before the first connection to the database, which refuses or says nothing: nothing is pending, exit 0."""
    if way == "refused":
        stage.proxy.cut()
    else:
        stage.proxy.freeze()
    with stage.consumer(taos__timeout="60s") as process:
        process.until(lambda: way == "refused" or stage.proxy.connections > 0)
        if way == "refused":
            process.event("taos.not_ready")
        code, seconds = stopped(process)
    assert code == DRAINED, process.last_words()
    assert seconds < DEADLINE + MARGIN


def test_brokers_that_are_down_leave_the_commit(own_kafka: KafkaUnderTest, tmp_path: Path) -> None:
    """What is stored cannot be committed: exit 3 within the deadline, although a commit or a close may block for
    45 s; the next one writes it again."""
    with stage(own_kafka, tmp_path) as found:
        with found.consumer() as process:
            found.send(50)
            process.until(lambda: found.committed == 100)
            found.proxy.freeze()
            found.send(50)
            process.until(lambda: process.events["consumer.stats"]["total"] == 200)
            own_kafka.kill()
            process.event("kafka.brokers_down")
            found.proxy.restore()
            process.until(lambda: found.all_stored)
            code, seconds = stopped(process)
        assert code == ABANDONED, process.last_words()
        assert seconds < DEADLINE + MARGIN
        own_kafka.start()
        assert found.committed == 100


def test_a_blocked_partition_holds_back_no_other(real_kafka: KafkaUnderTest, tmp_path: Path) -> None:
    """Its dead letter is not taken: that prefix stays uncommitted and the log says so, all others go on; when the
    topic takes letters again, it goes on too."""
    with stage(real_kafka, tmp_path) as found:
        letters = f"{found.topic}.dlq"
        takes(real_kafka, letters, 50)
        with found.consumer() as process:
            produce(real_kafka.bootstrap, found.topic, [b"\xc1 broken"], partition=0)
            found.send(500)
            process.until(lambda: found.all_stored)
            process.event("dead_letters.blocked")
            process.until(lambda: committed(real_kafka.bootstrap, found.topic, found.topic).get(1) == 500)
            assert committed(real_kafka.bootstrap, found.topic, found.topic)[0] == 0
            takes(real_kafka, letters, 1_000_000)
            process.until(lambda: found.committed == 1001)
        assert [(letter.partition, letter.offset) for letter in found.letters()] == [(0, 0)]


def takes(kafka: KafkaUnderTest, topic: str, size: int) -> None:
    """The largest batch that the topic takes; no letter fits into 50 bytes."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(kafka.bootstrap)  # kept: its end would cancel the request
    for done in client.incremental_alter_configs([resource]).values():
        done.result(30)
