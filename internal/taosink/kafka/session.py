"""One consumer handle, from subscribe to close: the poll loop."""

from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka import pause
from taosink.kafka.asking import Broker
from taosink.kafka.assignment import Assignment
from taosink.kafka.chunks import PollSize, lanes_of
from taosink.kafka.client import admin_properties, consumer_properties, is_cooperative
from taosink.kafka.client_log import ClientLog
from taosink.kafka.closing import close_within, keep
from taosink.kafka.commit import Committer
from taosink.kafka.delivery import Delivery
from taosink.kafka.errors import beyond_help, is_out_of_range, refuses_consumer_protocol
from taosink.kafka.health import Health
from taosink.kafka.intake import Intake
from taosink.kafka.observer import SourceObserver
from taosink.kafka.options import SourceOptions
from taosink.kafka.rebalance import Rebalance
from taosink.kafka.resolver import Resolver
from taosink.kafka.start import Begin, Blocked, other_topic
from taosink.kafka.topic_watch import TopicWatch

log = structlog.get_logger(__name__)

POLL = 0.05
"""Seconds that a poll waits for its full number of records: a quiet topic's records wait so long at most."""
POLL_OVERFLOW = 0.01
RETRY_START = 1.0
PRESSURE_EVERY = 0.1
LONGEST_CLOSE = 3.0
"""Seconds for leaving the group: in a rejoin with a broker that comes back, close() was seen to hold a stop until
its deadline."""


class ProtocolRefusedError(Exception):
    """The broker does not serve the KIP-848 group protocol."""


class Session:
    """Everything here is of the polling thread, except that `assignment` and `health` may be looked at."""

    def __init__(
        self,
        options: SourceOptions,
        protocol: str,
        tracker: OffsetTracker,
        queue: BatchQueue,
        observer: SourceObserver,
        *,
        can_finish: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._tracker = tracker
        self._queue = queue
        self._observer = observer
        self._clock = clock
        self._may_fall_back = options.group_protocol == "auto" and protocol == "consumer"
        properties = consumer_properties(options, protocol)
        self._client_log = ClientLog(show_debug="debug" in options.properties)
        self._refusal: KafkaError | None = None
        self.consumer = Consumer(
            {**properties, "error_cb": self._on_error, "on_commit": self._on_commit}, logger=self._client_log
        )
        broker = Broker(self.consumer, admin_properties(options), clock=clock)
        topics = () if options.is_pattern else options.topics
        self.health = Health(broker, topics, observer, clock)
        self.intake = Intake(
            tracker, queue, overflow_bytes=options.refill_bytes, max_ahead=options.max_ahead, clock=clock
        )
        self.assignment = Assignment(self.consumer, cooperative=is_cooperative(properties))
        self.committer = Committer(self.consumer, tracker, observer, clock, options.commit_interval)
        self.resolver = Resolver(
            broker,
            options.start,
            self.committer.metadata,
            observer,
            pattern=options.is_pattern,
            clock=clock,
        )
        self.rebalance = Rebalance(
            tracker,
            queue,
            self.intake,
            self.assignment,
            self.resolver,
            self.committer,
            self.health,
            observer,
            clock,
            options.revoke_deadline,
            can_finish,
        )
        self.delivery = Delivery(
            tracker, self.intake, self.assignment, self.rebalance, observer, max_ahead=options.max_ahead
        )
        self.watch = TopicWatch(broker, self.resolver.topic_ids)
        self._size = PollSize(options.poll_records, options.refill_bytes)
        self._next_pressure = 0.0
        self._next_start = 0.0
        self.stopping = False

    def subscribe(self) -> None:
        on = self.rebalance
        self.consumer.subscribe(
            list(self._options.topics), on_assign=on.on_assign, on_revoke=on.on_revoke, on_lost=on.on_lost
        )

    def step(self) -> None:
        """One poll and what follows from it; blocks for about POLL, in a rebalance for its deadlines.

        Raises ProtocolRefusedError and FatalClientError; anything else is a defect.
        """
        self.rebalance.poll_begins()
        timeout = POLL_OVERFLOW if self.intake.waiting else POLL
        # One poll is often of one partition: more than a lane's cap of it would crowd out the other lanes.
        share = min(self._options.refill_bytes, self._queue.lane_cap)
        messages = self.consumer.consume(self._size.ask(share), timeout)
        self._raise_what_was_kept()
        if messages:
            self._receive(messages)
        self.intake.flush()
        now = self._clock()
        self._relieve(now)
        if not self.health.brokers_down:
            self.committer.tick(now)
            self._begin_waiting(now)
            self._watch_topics(now)
        self.health.probe(now)
        self._raise_what_was_kept()

    def _raise_what_was_kept(self) -> None:
        if self._refusal is not None or (self._may_fall_back and self._client_log.unsupported):
            raise ProtocolRefusedError
        if self.health.fatal is not None:
            raise self.health.fatal
        failure = self.rebalance.failure or self._client_log.failure
        if failure is not None:
            raise failure

    def _on_error(self, error: KafkaError) -> None:
        if self._may_fall_back and refuses_consumer_protocol(error):
            self._refusal = error
        else:
            self.health.heard(error)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self.committer.answered(error, partitions)

    def _receive(self, messages: list[Message]) -> None:
        ends: list[Message] = []
        stops: dict[Lane, Blocked] = {}
        if any(map(Message.error, messages)):
            ends, stops = self._errors(messages)
            messages = [m for m in messages if m.error() is None]
        received = 0
        if not self.stopping:  # what comes during a stop stays with the group
            for lane, of_lane in lanes_of(messages).items():
                received += self.delivery.records(lane, of_lane, stops.get(lane))
        if messages:
            self._size.seen(len(messages), max(received, 1))
            self.health.well()
        for end in ends:
            lane, offset = _lane(end), end.offset()
            if offset is not None and lane not in stops and not self.stopping:
                self.delivery.end(lane, offset)
        for lane, why in stops.items():
            self.rebalance.hold(lane, why)
        self.delivery.poll_ends()

    def _errors(self, messages: list[Message]) -> tuple[list[Message], dict[Lane, Blocked]]:
        """Takes the errors of a poll, before its records. Returns the ends of partitions, which come after them, and
        the partitions that cannot be read on."""
        ends: list[Message] = []
        stops: dict[Lane, Blocked] = {}
        for message in messages:
            error = message.error()
            if error is None:
                continue
            lane = _lane(message)
            position = self.assignment.positions.get(lane)
            if error.code() == KafkaError._PARTITION_EOF:
                ends.append(message)
            elif position is not None and (why := beyond_help(error, position, message.offset())):
                stops.setdefault(lane, why)
            else:
                self._error(lane, error)
        return ends, stops

    def _error(self, lane: Lane, error: KafkaError) -> None:
        if is_out_of_range(error):
            if lane in self.assignment.positions:
                self.assignment.suspend(lane)
                self._next_start = 0.0
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._observer.client_error(error.name())
            self.watch.hasten()
            self.health.look_again([lane.topic] if lane.topic else self._options.topics)
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            self._observer.client_error(error.name())
            log.warning("kafka.max_poll_exceeded", detail=error.str())
        else:
            self._on_error(error)

    def _relieve(self, now: float) -> None:
        """Pauses what is too far ahead, resumes what is not any more."""
        if self.stopping:
            self.assignment.pause(self.assignment.lanes)
            return
        if now < self._next_pressure and not self.intake.waiting and not self.delivery.crowded:
            return
        self.delivery.crowded = False
        self._next_pressure = now + PRESSURE_EVERY
        pressure = self.intake.pressure(self.assignment.positions)
        wanted = pause.decide(pressure, self.assignment.paused)
        paused, resumed = self.assignment.pause(wanted)
        if paused or resumed:
            log.debug("kafka.pressure", paused=paused, resumed=resumed, queue=round(pressure.queue, 2))

    def _begin_waiting(self, now: float) -> None:
        waiting = self.assignment.waiting
        if not waiting or now < self._next_start:
            return
        self._next_start = now + RETRY_START
        begins: dict[Lane, int] = {}
        for lane, what in self.resolver.resolve(dict(waiting), now + RETRY_START).items():
            if isinstance(what, Begin):
                self.rebalance.enter(lane, what, waiting[lane])
                begins[lane] = what.offset
            else:
                self.assignment.block(lane, what)
        if begins:
            self.assignment.begin(begins)
            self.committer.hasten()

    def _watch_topics(self, now: float) -> None:
        for lane, new in self.watch.changed(now).items():
            if lane in self.assignment.positions:
                old = self.resolver.topic_ids[lane]
                self.rebalance.block(lane, other_topic(self.assignment.positions[lane], old, new))

    def last_commit(self, seconds: float) -> bool:
        """Commits what has ended, trying again while polling for at most `seconds`; true where nothing is
        left to be committed. Asynchronous, so that a coordinator that is out of reach cannot block it."""
        deadline = self._clock() + seconds
        while not self.health.brokers_down:
            self.committer.hasten()
            self.committer.tick(self._clock())
            if not self.committer.outstanding and not self._tracker.committable():
                return True
            if self._clock() >= deadline:
                break
            # Everything is paused; what comes all the same is not delivered, so it stays with the group.
            self.consumer.poll(0.02)
            self._raise_what_was_kept()
        return not self._tracker.committable()

    def close(self, seconds: float = LONGEST_CLOSE) -> bool:
        """Leaves the group within `seconds`; partitions are given up without a drain. False where a close blocks, as
        it can for the session timeout: the group then finds out by itself."""
        self.rebalance.leaving = True
        lanes = self.assignment.lanes
        try:
            if self.committer.outstanding and (self.health.brokers_down or self.committer.unanswered):
                keep(self.consumer)
                return False
            return close_within(self.consumer, self.consumer.close, min(seconds, LONGEST_CLOSE))
        except (KafkaException, RuntimeError) as error:
            log.warning("kafka.close_failed", detail=str(error))
            return False
        finally:
            self._tracker.end(lanes)


def _lane(message: Message) -> Lane:
    return Lane(message.topic() or "", message.partition() or 0)
