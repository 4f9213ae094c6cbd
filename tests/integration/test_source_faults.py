"""Brokers that fail: the source waits, says what is wrong, and stops in time."""

import time
from contextlib import suppress
from typing import Any

import pytest
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, unique
from support.kafka_jars_broker import SASL_PASSWORD, SASL_USER, JarKafka
from support.mock_cluster import MockKafka
from support.source_rig import running, wait_for

from taosink.kafka import closing
from taosink.kafka.client import security_properties
from taosink.kafka.options import GroupProtocol, SourceOptions

pytestmark = pytest.mark.kafka
PROTOCOLS = pytest.mark.parametrize("protocol", ["consumer", "classic"])


def options(brokers: str, topic: str, group: str, protocol: GroupProtocol = "consumer") -> SourceOptions:
    return SourceOptions(brokers, group, (topic,), group_protocol=protocol, commit_interval=0.1)


def test_a_broker_that_is_restarted_costs_nothing(own_kafka: KafkaUnderTest) -> None:
    """Killed and started again under flow: reported once, cleared, and every record is read and committed."""
    topic, group = unique(), unique("group")
    own_kafka.create_topic(topic, partitions=2)
    produce(own_kafka.bootstrap, topic, [b"before"] * 500)
    with running(options(own_kafka.bootstrap, topic, group)) as rig:
        wait_for(lambda: len(rig.values) == 500)
        own_kafka.kill()
        wait_for(lambda: rig.source.fault is not None)
        assert rig.source.fault is not None
        assert rig.source.fault.kind == "brokers_down"
        own_kafka.start()
        produce(own_kafka.bootstrap, topic, [b"after"] * 500)
        wait_for(lambda: rig.values.count(b"after") >= 500, 60)
        wait_for(lambda: rig.source.fault is None)
        wait_for(lambda: sum(committed(own_kafka.bootstrap, group, topic).values()) == 1_000)


@PROTOCOLS
def test_a_stop_without_brokers_is_quick(protocol: GroupProtocol) -> None:
    """With the brokers gone and something to be committed no commit is begun, and the outcome says so."""
    broker = MockKafka()
    try:
        broker.create_topic("t")
        produce(broker.bootstrap, "t", [b"x"] * 100)
        with running(options(broker.bootstrap, "t", "g", protocol), closed=True) as rig:
            wait_for(lambda: rig.tracker.pending_records == 100)
            broker.stop()
            wait_for(lambda: rig.source.fault is not None)
            rig.gate.set()
            wait_for(lambda: rig.tracker.pending_records == 0)
            began = time.monotonic()
            rig.drain()
            assert time.monotonic() - began < 8.0
            outcome = rig.source.outcome
            assert outcome is not None
            assert not outcome.committed
    finally:
        broker.close()


def test_a_stop_under_a_frozen_broker_is_quick(own_kafka: JarKafka) -> None:
    """A coordinator that is connected and answers nothing: neither the last commit nor the close is waited for,
    and the outcome says that the process must not wait for the client either."""
    own_kafka.create_topic("t")
    produce(own_kafka.bootstrap, "t", [b"x"] * 100)
    with running(options(own_kafka.bootstrap, "t", "g"), closed=True) as rig:
        wait_for(lambda: rig.tracker.pending_records == 100)
        own_kafka.freeze()
        try:
            rig.gate.set()
            wait_for(lambda: rig.tracker.pending_records == 0)
            began = time.monotonic()
            rig.drain()
            assert time.monotonic() - began < 8.0
            outcome = rig.source.outcome
            assert outcome is not None
            assert (outcome.committed, outcome.closed) == (False, False)
        finally:
            own_kafka.thaw()
    # The close that was left behind may have ended by now, since the broker answers again.
    kept: Any = closing._KEPT.pop()
    with suppress(RuntimeError):
        kept.close()


def test_brokers_that_are_down_at_the_start_are_waited_for() -> None:
    """Nothing answers yet: it is said, a stop is quick, and reading begins when one answers."""
    broker = MockKafka()
    try:
        broker.create_topic("t")
        produce(broker.bootstrap, "t", [b"x"] * 100)
        broker.stop()
        with running(options(broker.bootstrap, "t", "g")) as rig:
            wait_for(lambda: rig.source.fault is not None)
            assert rig.source.fault is not None
            assert rig.source.fault.kind == "brokers_down"
            assert not rig.source.answered
            broker.start()
            wait_for(lambda: len(rig.values) == 100, 60)
            wait_for(lambda: rig.source.fault is None)
            assert rig.source.answered
    finally:
        broker.close()


def login(broker: JarKafka, password: str) -> SourceOptions:
    return SourceOptions(
        broker.sasl_bootstrap,
        "g",
        ("t",),
        commit_interval=0.1,
        security=security_properties(
            protocol="SASL_PLAINTEXT", mechanism="PLAIN", user=SASL_USER, password=password
        ),
    )


def test_a_wrong_password_is_told_from_a_right_one(own_kafka: JarKafka) -> None:
    """A refused login is a fault of its own kind, without the password in it; the right one reads."""
    own_kafka.create_topic("t")
    produce(own_kafka.bootstrap, "t", [b"x"])
    wrong = login(own_kafka, "not-the-password")
    assert "not-the-password" not in repr(wrong)
    with running(wrong) as rig:
        wait_for(lambda: rig.source.fault is not None)
        assert rig.source.fault is not None
        assert rig.source.fault.kind == "authentication"
        assert not rig.source.answered
        assert "not-the-password" not in str(rig.source.fault)
    with running(login(own_kafka, SASL_PASSWORD)) as rig:
        wait_for(lambda: rig.values == [b"x"])
