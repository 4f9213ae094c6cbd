"""The dead-letter topics at start: they exist, and nothing that is subscribed to reads them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka.admin import AdminClient

from taosink.kafka.topics import (
    BROKERS_OWN,
    METADATA_TIMEOUT_S,
    Topic,
    admin_client,
    ensure_topic,
    topic_config,
)

log = structlog.get_logger(__name__)

SUFFIX = ".dlq"
PARTITIONS = 1
# Letters keep the timestamps of their records, so that a topic with a limited retention would delete those of
# an old backlog as they arrive. They go when somebody purges them.
TOPIC_CONFIG: Mapping[str, str] = {"retention.ms": "-1", "cleanup.policy": "delete"}
HEADERS_ROOM = 64 << 10
OPEN_END = re.compile(r"[^\\](\.|\\S|\[\^[^\]]*\])[*+]\)*\$$")


class SubscriptionMatchesDeadLettersError(Exception):
    """A subscription would read the dead letters back as records: each would become another one, for ever."""

    def __init__(self, subscribed: str, dead_letters: str) -> None:
        super().__init__(
            f"the subscription {subscribed!r} matches the dead-letter topic {dead_letters!r}: records that "
            "cannot be stored would be read again for ever; name another dead-letter topic, or end the "
            "pattern so that it does not match (^name$)"
        )
        self.subscribed, self.dead_letters = subscribed, dead_letters


def refuse_own_topics(
    subscription: Sequence[str], *, dead_letters: str = "", known_topics: Iterable[str] = ()
) -> None:
    """Raises SubscriptionMatchesDeadLettersError. `subscription` holds topics and patterns (`^...`) as the
    consumer takes them; `dead_letters` is the topic's name, empty for `<topic>.dlq`.

    Pure. What a pattern will match is judged by its text and by the topics that exist: one that matches any
    ending (`^sensor`, `^sensor-.*$`) matches the dead letters of each of its topics too.
    """
    names = [entry for entry in subscription if not entry.startswith("^")]
    known = set(known_topics)
    for entry in subscription:
        if entry.startswith("^"):
            _refuse_pattern(entry, names, dead_letters, known)
        elif entry in ({dead_letters} if dead_letters else {name + SUFFIX for name in names}):
            raise SubscriptionMatchesDeadLettersError(entry, entry)


def _refuse_pattern(pattern: str, names: Sequence[str], dead_letters: str, known: set[str]) -> None:
    try:
        matches = re.compile(pattern).match
    except re.error:
        return  # the broker's syntax is not quite Python's; it says so itself
    if dead_letters:
        own = {dead_letters}
    else:
        own = {name + SUFFIX for name in [*names, *(topic for topic in known if matches(topic))]}
        if not pattern.endswith("$") or OPEN_END.search(pattern):
            raise SubscriptionMatchesDeadLettersError(pattern, f"<topic>{SUFFIX}")
    for topic in sorted(own):
        if matches(topic):
            raise SubscriptionMatchesDeadLettersError(pattern, topic)


def dead_letter_topics(subscription: Sequence[str], *, dead_letters: str = "") -> list[str]:
    """Those that can be named at start; a pattern's come when its first letter does."""
    if dead_letters:
        return [dead_letters]
    return [entry + SUFFIX for entry in subscription if not entry.startswith("^")]


def ensure_dead_letter_topics(
    properties: Mapping[str, Any],
    topics: Sequence[str],
    *,
    origins: Iterable[str] = (),
    replication: int = BROKERS_OWN,
    timeout: float = METADATA_TIMEOUT_S,
) -> list[Topic]:
    """Checks each topic, and creates it where it is missing: kept for ever, room for the `origins`' records.

    Blocks for the broker, up to four times `timeout` a topic. Raises `topics.BrokerUnreachableError`,
    `AdminUnsupportedError` or `TopicError`.
    """
    admin = admin_client(properties)
    config = {**TOPIC_CONFIG, **_room_for(admin, origins, timeout)}
    ready = [
        ensure_topic(admin, topic, PARTITIONS, config=config, replication=replication, timeout=timeout)
        for topic in topics
    ]
    for topic in ready:
        if topic.created:
            log.info("dead_letters.topic_created", topic=topic.name, partitions=topic.partitions)
        else:
            _warn_of_retention(admin, topic.name, timeout)
    return ready


def _room_for(admin: AdminClient, origins: Iterable[str], timeout: float) -> Mapping[str, str]:
    """A letter is its record and a few headers: with the default limit, large records would go in cut."""
    found = [topic_config(admin, topic, timeout=timeout).get("max.message.bytes", "") for topic in origins]
    limits = [int(limit) for limit in found if limit.isdigit()]
    return {"max.message.bytes": str(min(max(limits) + HEADERS_ROOM, 2**31 - 1))} if limits else {}


def _warn_of_retention(admin: AdminClient, topic: str, timeout: float) -> None:
    config = topic_config(admin, topic, timeout=timeout)
    kept, policy = config.get("retention.ms", "-1"), config.get("cleanup.policy", "delete")
    if kept != "-1" or "compact" in policy:
        log.warning(
            "dead_letters.topic_forgets",
            topic=topic,
            retention_ms=kept,
            cleanup_policy=policy,
            meaning="letters carry the timestamps of their records: those of an old backlog are deleted soon",
            todo="set retention.ms=-1 and cleanup.policy=delete, and purge what has been dealt with",
        )
