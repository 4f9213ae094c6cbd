"""Commits of what has ended: asynchronous while reading goes on, synchronous where a partition is given
up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.observer import SourceObserver
from taosink.observe import places
from taosink.observe.repeats import Repeats

log = structlog.get_logger(__name__)

UNANSWERED = 2.0
"""Seconds after which a commit without an answer means that the coordinator is out of reach: another one, or
a close, would block for up to the session timeout (45 s with KIP-848)."""
LEASE = 2.0
"""Seconds for which a commit that the broker took proves the membership. A member that was frozen, or cut off, may
have been given up; KIP-848 tells it at its next heartbeat only, and what it writes until then stands over what the
next owner has written. Below every session timeout."""
SAY_AGAIN = 30.0
"""Seconds between two lines about the same refusal."""
FORGET = 120.0
"""Seconds after which an unanswered commit no longer holds back others."""


@dataclass(slots=True)
class Committer:
    """Owned by the polling thread. `metadata` is what goes beside the offset of each lane."""

    consumer: Consumer
    tracker: OffsetTracker
    observer: SourceObserver
    clock: Callable[[], float]
    interval: float
    metadata: dict[Lane, str] = field(default_factory=dict)
    confirmed: float = float("-inf")
    """When the last commit began that the broker took."""
    _next: float = 0.0
    _next_proof: float = 0.0
    _since: float | None = None
    _said: Repeats = field(default_factory=lambda: Repeats(SAY_AGAIN))

    def holds(self) -> bool:
        """Whether the broker has lately taken this process for a member. Thread-safe."""
        return self.clock() - self.confirmed < LEASE

    @property
    def outstanding(self) -> bool:
        return self._since is not None

    @property
    def unanswered(self) -> bool:
        """Whether a commit has been out for so long that no further one should be begun."""
        return self._since is not None and self.clock() - self._since > UNANSWERED

    def hasten(self) -> None:
        """The next `tick` commits, whatever the interval says."""
        self._next = 0.0

    def tick(self, now: float) -> None:
        """Begins a commit where one is due, something is to be committed and none is out. Does not block."""
        if self._since is not None and now - self._since > FORGET:
            self._since = None
        unproven = self.tracker.pending_records > 0 and now - self.confirmed > LEASE / 2
        if self._since is not None or (now < self._next and not (unproven and now >= self._next_proof)):
            return
        self._next = now + self.interval
        self._next_proof = now + LEASE / 4
        offsets = self._partitions(self.tracker.committable() or (self._standing() if unproven else {}))
        if not offsets:
            return
        try:
            self.consumer.commit(offsets=offsets, asynchronous=True)
            self._since = now
        except KafkaException as error:
            self._failed(error.args[0], offsets, revoking=False)

    def answered(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """librdkafka's callback for an asynchronous commit, within poll; never raises."""
        begun, self._since = self._since, None
        if error is not None:
            self._failed(error, partitions, revoking=False)
        elif self._acknowledged(partitions, revoking=False) and begun is not None:
            self.confirmed = begun

    def now(self) -> bool:
        """Commits synchronously; true where nothing is left to be committed. May block while a coordinator is
        out of reach, so it is not begun where one is known to be."""
        begun = self.clock()
        offsets = self._partitions(self.tracker.committable() or ({} if self.holds() else self._standing()))
        if not offsets:
            return True
        if self.unanswered:
            self._failed(KafkaError(KafkaError._WAIT_COORD), offsets, revoking=True)
            return False
        try:
            done = self._acknowledged(
                self.consumer.commit(offsets=offsets, asynchronous=False), revoking=True
            )
            self.confirmed = begun if done else self.confirmed
            return done
        except KafkaException as error:
            self._failed(error.args[0], offsets, revoking=True)
            return False

    def _standing(self) -> dict[Lane, int]:
        """What is committed already, to be committed once more."""
        found = self.tracker.lanes().items()
        return {lane: state.committable for lane, state in found if state.committable is not None}

    def _partitions(self, committable: Mapping[Lane, int]) -> list[TopicPartition]:
        return [
            TopicPartition(*lane, offset, metadata=self.metadata.get(lane, ""))
            for lane, offset in committable.items()
        ]

    def _acknowledged(self, partitions: list[TopicPartition], *, revoking: bool) -> bool:
        done = []
        for tp in partitions:
            if tp.error is None:
                lane = Lane(tp.topic, tp.partition)
                self.tracker.committed(lane, tp.offset)
                done.append(lane)
            else:
                self._failed(tp.error, [tp], revoking=revoking)
        if done:
            self.observer.committed(done)
        return len(done) == len(partitions)

    def _failed(self, error: KafkaError, partitions: Sequence[TopicPartition], *, revoking: bool) -> None:
        """Not fatal: what is not committed now is committed next time, or written again by the next owner."""
        unsaid = self._said.due(error.name(), self.clock())
        if unsaid is not None:
            log.warning(
                "kafka.commit_failed",
                error=error.name(),
                detail=error.str(),
                revoking=revoking,
                offsets=places.offsets((Lane(tp.topic, tp.partition), tp.offset) for tp in partitions),
                unsaid=unsaid,
                meaning="nothing is lost: they are committed next time, or written again by the next owner",
            )
        self.observer.commit_failed(error.name(), revoking=revoking)
