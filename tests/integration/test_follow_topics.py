"""Topics that come late, grow, or are made again while somebody follows them, on a real broker."""

import uuid

from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined] # re-exported there
from support.following import Heard, follower, put
from support.kafka_broker import KafkaUnderTest, admin


def test_a_topic_is_followed_through_its_lives(real_kafka: KafkaUnderTest) -> None:
    """Missing, made, grown, made again with less in it than was read, and with more."""
    topic = f"lives-{uuid.uuid4().hex[:8]}"
    heard = Heard()
    reader = follower(real_kafka.bootstrap, [topic], heard)
    real_kafka.create_topic(topic, 2)
    put(real_kafka.bootstrap, topic, b"a", b"b")
    heard.until(lambda: heard.values == [b"a", b"b"] and heard.caught_up_at == [2])
    client = admin(real_kafka.bootstrap)
    client.create_partitions([NewPartitions(topic, 3)])[topic].result(20)
    put(real_kafka.bootstrap, topic, b"c", partition=2)
    heard.until(lambda: heard.values[2:] == [b"c"])
    for life in (1, 5):
        heard.values.clear()
        real_kafka.delete_topic(topic)
        real_kafka.create_topic(topic, 3)
        values = [b"%d-%d" % (life, n) for n in range(life)]
        put(real_kafka.bootstrap, topic, *values)
        heard.until(lambda values=values: heard.values[-len(values) :] == values)  # type: ignore[misc]  # bound now
    # Twice, or once more where the broker still told the old id for a moment.
    assert heard.restarts in ([topic] * 2, [topic] * 3, [topic] * 4)
    assert heard.caught_up_at == [2]
    reader.close()


def test_from_the_end_a_topic_that_comes_later_is_read_from_its_beginning(real_kafka: KafkaUnderTest) -> None:
    """All that is in it was written after the start; it does not hold up the caught up."""
    topic = f"later-{uuid.uuid4().hex[:8]}"
    heard = Heard()
    reader = follower(real_kafka.bootstrap, [topic], heard, "end")
    heard.until(lambda: heard.caught_up_at == [0])
    real_kafka.create_topic(topic, 1)
    put(real_kafka.bootstrap, topic, b"first")
    heard.until(lambda: heard.values == [b"first"])
    reader.close()
