"""The source on a broker: everything is delivered, and what has ended is committed."""

import pytest
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, committed_with_metadata, produce, unique
from support.source_rig import running, wait_for

from taosink.kafka.options import GroupProtocol, SourceOptions

pytestmark = pytest.mark.kafka


def options(kafka: KafkaUnderTest, topic: str, **more: object) -> SourceOptions:
    base = {"brokers": kafka.bootstrap, "group": unique("group"), "topics": (topic,), "commit_interval": 0.1}
    return SourceOptions(**(base | more))  # type: ignore[arg-type] # the test's own names


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_everything_is_delivered_and_committed(kafka: KafkaUnderTest, protocol: GroupProtocol) -> None:
    """Each record comes once, and in the end the group's offsets are the ends of the partitions."""
    topic = unique()
    kafka.create_topic(topic, partitions=4)
    values = [b"%d" % n for n in range(5_000)]
    produce(kafka.bootstrap, topic, values)
    with running(options(kafka, topic, group_protocol=protocol)) as rig:
        wait_for(lambda: len(rig.values) >= 5_000 and rig.source.at_end)
        rig.drain()
        assert rig.source.outcome is not None
        assert rig.source.outcome.committed
        assert rig.source.outcome.closed
    assert sorted(rig.values) == sorted(values)
    assert sum(committed(kafka.bootstrap, rig.source._options.group, topic).values()) == 5_000
    stamped = committed_with_metadata(kafka.bootstrap, rig.source._options.group, topic)
    assert all('"partitions": 4' in str(metadata) for _, metadata in stamped.values())
    assert rig.seen.failed_commits == []
