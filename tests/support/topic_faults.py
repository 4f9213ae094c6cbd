"""What brokers and their operators do to a topic that is being read."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported there
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from support.chaos.stage import Stage
from support.consumer_process import LAUNCHER
from support.kafka_broker import KafkaUnderTest, admin
from support.kafka_data import produce, read_all, unique

PATIENCE = 60.0


def delete_before(kafka: KafkaUnderTest, topic: str, offset: int) -> None:
    """What retention does: the low watermark of partition 0 moves up to `offset`."""
    client = admin(kafka.bootstrap)  # kept: its end would cancel the request
    for future in client.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result(30)


def add_partitions(kafka: KafkaUnderTest, topic: str, total: int) -> None:
    client = admin(kafka.bootstrap)
    for future in client.create_partitions([NewPartitions(topic, total)]).values():
        future.result(30)
    until(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == total)


def make_anew(kafka: KafkaUnderTest, topic: str, values: Iterable[bytes]) -> None:
    """Deletes the topic and creates it again with one partition and these records."""
    kafka.delete_topic(topic)
    client = admin(kafka.bootstrap)
    until(lambda: topic not in client.list_topics(timeout=10).topics)
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, values)


def transactions(kafka: KafkaUnderTest, topic: str, *runs: tuple[bool, Iterable[bytes]]) -> None:
    """Each run is one transaction, committed or aborted; each leaves a marker behind its records."""
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("tx"), "log_level": 0}
    )
    producer.init_transactions(30)
    for commits, values in runs:
        producer.begin_transaction()
        for n, value in enumerate(values):
            producer.produce(topic, value, key=unique(str(n)), partition=0)
        producer.flush(30)
        (producer.commit_transaction if commits else producer.abort_transaction)(30)


def configure(kafka: KafkaUnderTest, topic: str, **config: str) -> None:
    """Settings of a topic, an underscore standing for a dot."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()
    ]
    client = admin(kafka.bootstrap)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for done in client.incremental_alter_configs([resource]).values():
        done.result(30)


def compacted(kafka: KafkaUnderTest, topic: str, values: Iterable[bytes], last: bytes) -> None:
    """Produces `values` under one key and `last` behind them, and waits until the broker has removed all but
    two records. How soon that is depends on how often its cleaner looks."""
    configure(
        kafka,
        topic,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.01",
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, key="one", partition=0)
    assert producer.flush(30) == 0
    time.sleep(0.2)  # past segment.ms: the next record begins a segment, and only closed ones are compacted
    producer.produce(topic, last, key="two", partition=0)
    assert producer.flush(30) == 0
    until(lambda: len(read_all(kafka.bootstrap, topic)) == 2)


def until(done: Callable[[], object]) -> None:
    """Waits for a condition; AssertionError when patience ends."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {done}"
        time.sleep(0.05)


def audit(stage: Stage) -> tuple[int, dict[str, Any]]:
    """`taosink audit` of the stage's topic, in a process of its own: its exit code and report."""
    names = ("kafka.brokers", "topic", "taosuri")
    flags = [f"--{name}={value}" for name, value in stage.arguments().items() if name in names]
    run = subprocess.run(
        [*LAUNCHER, "audit", "--json", *flags], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.stdout, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return run.returncode, report
