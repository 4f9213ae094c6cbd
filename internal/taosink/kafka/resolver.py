"""Finds where the partitions of an assignment begin: asks the broker, decides, says what it found."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog
from confluent_kafka import KafkaException

from taosbatch.offsets import Lane
from taosink.kafka.asking import Broker
from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.observer import SourceObserver
from taosink.kafka.start import Begin, Blocked, LaneFacts, Start, TopicFacts, decide

log = structlog.get_logger(__name__)

SETTLE = 5.0
"""Seconds for which an end below the position may be a leader that is still catching up after an election."""


class Resolver:
    """Owned by the polling thread. `metadata` holds, per lane, what is to stand beside its commits;
    `topic_ids` the ids (empty where unknown) under which lanes are read."""

    def __init__(
        self,
        broker: Broker,
        start: Start,
        metadata: dict[Lane, str],
        observer: SourceObserver,
        *,
        pattern: bool,
        clock: Callable[[], float],
    ) -> None:
        self._broker = broker
        self._start = start
        self._metadata = metadata
        self._observer = observer
        self._pattern = pattern
        self._clock = clock
        self._beyond_since: dict[Lane, float] = {}
        self.topic_ids: dict[Lane, str] = {}

    def resolve(self, lanes: Mapping[Lane, int | None], deadline: float) -> dict[Lane, Begin | Blocked]:
        """What was found out until `deadline`; a lane that is missing has to be asked about again.

        The values are positions delivered up to, None at an assignment. Raises nothing.
        """
        try:
            facts = self._broker.facts(lanes, self._start, pattern=self._pattern, deadline=deadline)
        except KafkaException as error:
            log.info("kafka.start_unknown", partitions=len(lanes), reason=str(error.args[0].str()))
            return {}
        found = {}
        for lane, (told, topic) in facts.items():
            # With the topic the broker forgets the commit and what stands beside it: what this member read under
            # does not depend on that.
            about = (
                told if told.position is None else replace(told, metadata=self._own(lane) or told.metadata)
            )
            what = decide(self._start, about, topic)
            if isinstance(what, Begin):
                self._begin(lane, what, about, topic)
            elif what.reason == "above_high_watermark" and not self._settled(lane):
                continue
            else:
                log.error(
                    "kafka.partition_stopped", topic=lane.topic, partition=lane.partition, why=what.message
                )
            self._beyond_since.pop(lane, None)
            found[lane] = what
        return found

    def _own(self, lane: Lane) -> CommitMetadata | None:
        return decode(self._metadata.get(lane))

    def _settled(self, lane: Lane) -> bool:
        now = self._clock()
        return now - self._beyond_since.setdefault(lane, now) >= SETTLE

    def _begin(self, lane: Lane, what: Begin, about: LaneFacts, topic: TopicFacts) -> None:
        first = topic.first_partitions or topic.partitions
        topic_id = topic.topic_id or (about.metadata.topic_id if about.metadata else "")
        self.topic_ids[lane] = topic_id
        self._metadata[lane] = CommitMetadata(topic_id, first).encode()
        if what.lost:
            log.error(
                "kafka.lost_by_broker",
                topic=lane.topic,
                partition=lane.partition,
                records_at_most=what.lost,
                goes_on_from=what.offset,
                why="the broker removed them (retention) before they were read",
            )
            self._observer.lost_by_broker(lane, what.lost)
