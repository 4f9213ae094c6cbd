"""Which topic a name stands for now: one that was deleted and made again has another id."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicCollection

from taosink.kafka.topics import admin_client

log = structlog.get_logger(__name__)

TIMEOUT = 2.0
_MOCK_CLUSTER = "mockCluster"


class TopicIds:
    """Asks by a client of its own. Used by one thread."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._admin = admin_client({**properties, "log_level": 0})
        self._told: bool | None = None

    def of(self, topics: Iterable[str]) -> dict[str, str]:
        """Blocks up to a few seconds; topics whose id is not told are left out, all where no broker answers."""
        names = list(topics)
        if not names or self._told is False:
            return {}
        try:
            if self._told is None:
                # librdkafka's mock never answers the call below.
                self._told = not self._admin.cluster_id(timeout=TIMEOUT).startswith(_MOCK_CLUSTER)
                return self.of(names)
            asked = self._admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT)
        except KafkaException as error:
            log.debug("kafka.topic_ids_unknown", reason=str(error))
            return {}
        return {name: found for name, answer in asked.items() if (found := _id_of(answer))}


def _id_of(answer: Any) -> str:
    try:
        description = answer.result(TIMEOUT + 1)
    except (KafkaException, TimeoutError):
        return ""
    return "" if description.topic_id is None else str(description.topic_id)
