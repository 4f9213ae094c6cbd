"""The broker that tests find does what tests need of it."""

import pytest
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, read_all, unique

pytestmark = pytest.mark.kafka


def test_what_is_produced_is_read_back(kafka: KafkaUnderTest) -> None:
    """Values come back whole, partition by partition in order."""
    topic = unique()
    kafka.create_topic(topic, partitions=3)
    values = [b"%d" % n for n in range(300)]
    assert produce(kafka.bootstrap, topic, values) == 300
    assert sorted(m.value() or b"" for m in read_all(kafka.bootstrap, topic)) == sorted(values)


def test_a_new_group_has_committed_nothing(kafka: KafkaUnderTest) -> None:
    """No offset is made up for a group that never was."""
    topic = unique()
    kafka.create_topic(topic)
    assert committed(kafka.bootstrap, unique("group"), topic) == {}


def test_data_outlive_a_killed_broker(own_kafka: KafkaUnderTest) -> None:
    """A broker that is killed and started again still holds what it acknowledged."""
    topic = unique()
    own_kafka.create_topic(topic)
    produce(own_kafka.bootstrap, topic, [b"kept"])
    own_kafka.kill()
    own_kafka.start()
    assert [m.value() for m in read_all(own_kafka.bootstrap, topic)] == [b"kept"]
