"""Topics that keep the last record of each key."""

from collections.abc import Mapping

import structlog
from confluent_kafka.admin import AdminClient

from taosink.kafka.topics import (
    BROKERS_OWN,
    METADATA_TIMEOUT_S,
    Topic,
    ensure_topic,
    partition_count,
    topic_config,
)

log = structlog.get_logger(__name__)

# Small segments, since the active one is never compacted and is read whole by everybody who starts. The lag leaves
# records together that belong together: what came late, and its correction a moment later.
COMPACTED: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "segment.ms": "600000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
    "min.compaction.lag.ms": "600000",
}


def ensure_compacted(
    admin: AdminClient,
    topic: str,
    partitions: int,
    *,
    create: bool,
    replication: int = BROKERS_OWN,
    timeout: float = METADATA_TIMEOUT_S,
) -> Topic | None:
    """The topic as it is, or as it was made, by default with the broker's replication factor; None where it is
    missing and is not to be created. Blocks and raises as `topics.ensure_topic`. One that is not compacted is told
    in the log."""
    found = ensure(
        admin, topic, partitions, create=create, config=COMPACTED, replication=replication, timeout=timeout
    )
    if found is None:
        return None
    policy = topic_config(admin, topic, timeout=timeout).get("cleanup.policy", "")
    if policy and "compact" not in policy:
        log.warning(
            "kafka.topic_not_compacted",
            topic=topic,
            cleanup_policy=policy,
            meaning="it grows, or forgets what is still in force",
            todo="set cleanup.policy=compact on it",
        )
    return found


def ensure(
    admin: AdminClient,
    topic: str,
    partitions: int,
    *,
    create: bool,
    config: Mapping[str, str] | None = None,
    replication: int = BROKERS_OWN,
    timeout: float = METADATA_TIMEOUT_S,
) -> Topic | None:
    """As `topics.ensure_topic` where it may `create`, else the topic as it is, None where it is missing."""
    if create:
        made = ensure_topic(admin, topic, partitions, config=config, replication=replication, timeout=timeout)
        if made.created:
            log.info("kafka.topic_created", topic=topic, partitions=made.partitions)
        return made
    count = partition_count(admin, topic, timeout=timeout)
    return Topic(topic, count) if count else None
