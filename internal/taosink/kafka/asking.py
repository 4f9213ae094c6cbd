"""What the source asks brokers at an assignment, each call bounded by one deadline."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from taosbatch.offsets import Lane
from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.start import LaneFacts, Start, TopicFacts, first_partitions

log = structlog.get_logger(__name__)

LONGEST_CALL = 2.0
_BEGINNING, _END = -2, -1
_MOCK_CLUSTER = "mockCluster"


class Broker:
    """Asks on behalf of one Consumer; used by the thread that owns it.

    Metadata are asked for by a client of its own: within a callback `Consumer.list_topics` and `cluster_id`
    take away the state that the next callback of the same poll needs, and the process aborts (an assertion in
    confluent-kafka). Every method blocks until its timeout or `deadline` (of `clock`) at most and raises
    KafkaException where an answer is missing; single partitions that failed are left out.
    """

    def __init__(
        self,
        consumer: Consumer,
        admin_properties: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        # Its log lines would pile up in a queue that nobody reads, if they were asked for.
        self._admin = AdminClient({**admin_properties, "log_level": 0})
        self._tells_topic_ids: bool | None = None
        self._clock = clock

    def _left(self, deadline: float) -> float:
        return min(LONGEST_CALL, max(0.05, deadline - self._clock()))

    def reach(self, timeout: float) -> None:
        """Returns when any broker has answered."""
        self._admin.list_topics("__consumer_offsets", timeout=timeout)

    def partitions(self, topic: str, timeout: float) -> int | None:
        """How many partitions a topic has; None where there is no such topic."""
        found = self._admin.list_topics(topic, timeout=timeout).topics[topic]
        return len(found.partitions) if found.error is None and found.partitions else None

    def facts(
        self, lanes: Mapping[Lane, int | None], start: Start, *, pattern: bool, deadline: float
    ) -> dict[Lane, tuple[LaneFacts, TopicFacts]]:
        """What `decide` needs for these lanes; the mapping's values are positions delivered up to."""
        topics, commits = {}, {}
        for name in {lane.topic for lane in lanes}:
            count = self.partitions(name, self._left(deadline))
            if count is not None:
                commits[name] = self._committed([Lane(name, p) for p in range(count)], deadline)
                topics[name] = self._topic(name, count, commits[name], pattern=pattern, deadline=deadline)
        known = [lane for lane in lanes if lane.topic in topics]
        low = self._offsets(known, _BEGINNING, deadline)
        high = self._offsets(known, _END, deadline)
        at_time = self._offsets(known, start.value, deadline) if start.at == "time" else {}
        found = {}
        for lane in known:
            # A missing answer about a time would be taken for "no record so late", which means the end.
            if lane in low and lane in high and (start.at != "time" or lane in at_time):
                committed, metadata = commits[lane.topic].get(lane.partition, (None, None))
                time_offset = at_time.get(lane, -1)
                facts = LaneFacts(
                    lane.partition,
                    low[lane],
                    high[lane],
                    committed,
                    metadata,
                    lanes[lane],
                    time_offset if time_offset >= 0 else None,
                )
                found[lane] = facts, topics[lane.topic]
        return found

    def _committed(
        self, lanes: Iterable[Lane], deadline: float
    ) -> dict[int, tuple[int, CommitMetadata | None]]:
        asked = [TopicPartition(*lane) for lane in lanes]
        answer = self._consumer.committed(asked, timeout=self._left(deadline))
        for tp in answer:
            if tp.error is not None:
                raise KafkaException(tp.error)
        return {tp.partition: (tp.offset, decode(tp.metadata)) for tp in answer if tp.offset >= 0}

    def _offsets(self, lanes: Iterable[Lane], timestamp: int, deadline: float) -> dict[Lane, int]:
        """One request per leader for all lanes: watermarks one by one would cost two each."""
        asked = [TopicPartition(*lane, timestamp) for lane in lanes]
        if not asked:
            return {}
        answer = self._consumer.offsets_for_times(asked, timeout=self._left(deadline))
        return {Lane(tp.topic, tp.partition): tp.offset for tp in answer if tp.error is None}

    def _topic(
        self,
        name: str,
        count: int,
        commits: Mapping[int, tuple[int, CommitMetadata | None]],
        *,
        pattern: bool,
        deadline: float,
    ) -> TopicFacts:
        first = first_partitions({p: metadata for p, (_, metadata) in commits.items()})
        later = first is None and pattern and self._group_is_at_work(name, deadline)
        return TopicFacts(count, self._topic_id(name, deadline), first, later)

    def _group_is_at_work(self, but: str, deadline: float) -> bool:
        """Whether the group has committed anything of another topic: then `but` came later than the group."""
        metadata = self._admin.list_topics(timeout=self._left(deadline))
        others = [
            Lane(name, p)
            for name, topic in metadata.topics.items()
            if name != but and not name.startswith("__")
            for p in topic.partitions
        ]
        return bool(others and self._committed(others, deadline))

    def begin_topic_ids(self, topics: Iterable[str], timeout: float) -> "dict[str, Future[Any]]":
        """Begins to ask; each answer has a `topic_id`. Nothing where the broker is known not to tell."""
        names = list(topics)
        if not names or self._tells_topic_ids is False:
            return {}
        return self._admin.describe_topics(TopicCollection(names), request_timeout=timeout)

    def _topic_id(self, topic: str, deadline: float) -> str:
        """Empty where the broker does not tell: offsets are then accepted for any topic of that name."""
        left = self._left(deadline)
        try:
            if self._tells_topic_ids is None:
                # librdkafka's mock never answers that call.
                self._tells_topic_ids = not self._admin.cluster_id(timeout=left).startswith(_MOCK_CLUSTER)
            for asked in self.begin_topic_ids([topic], left).values():
                return id_of(asked.result(left))
        except (KafkaException, TimeoutError) as error:
            log.info("kafka.topic_id_unknown", topic=topic, reason=str(error) or "no answer in time")
        return ""


def id_of(description: Any) -> str:
    return "" if description.topic_id is None else str(description.topic_id)
