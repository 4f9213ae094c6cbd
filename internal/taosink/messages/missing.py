"""A topic that is not there: said in one line, with the one that was probably meant."""

from collections.abc import Iterable, Mapping
from typing import Any

from taosink.kafka.topics import BrokerUnreachableError, TopicError, admin_client, all_topics
from taosink.settings.nearest import hint


def no_such_topic(topic: str, topics: Iterable[str]) -> str:
    """The line. Kafka's own topics are not meant."""
    others = [name for name in topics if not name.startswith("__")]
    return f"there is no topic {topic!r}" + (hint(topic, others, "'{}'") if others else ", nor any other")


def ask_for(properties: Mapping[str, Any], topic: str, timeout: float) -> str:
    """The line for a topic that was found missing. Blocks up to `timeout` seconds."""
    try:
        return no_such_topic(topic, all_topics(admin_client(properties), timeout=timeout))
    except TopicError:
        return no_such_topic(topic, ())


def told(error: TopicError) -> str:
    """What was wrong, without naming a topic where no broker answered."""
    if error.name == "_RESOLVE" and "advertised" in error.reason:
        return error.reason
    if isinstance(error, BrokerUnreachableError):
        return f"no broker answers: {error.reason} ({error.name}); check kafka.brokers and the network"
    return str(error)
