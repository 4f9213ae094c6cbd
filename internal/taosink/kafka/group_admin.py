"""Looks at a group from outside, and sets its offsets: for operators' tools. The group is never joined."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)

from taosbatch.offsets import Lane
from taosink.kafka.topics import BrokerUnreachableError, TopicError, admin_client, failure

TIMEOUT = 5.0
_BEGINNING, _END = -2, -1
_MOCK_CLUSTER = "mockCluster"
"""librdkafka's own broker: it never answers the question for a topic's id."""
_COORDINATOR_COMING = (
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError._WAIT_COORD,
)
_IN_USE = (
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
)

T = TypeVar("T")


class GroupError(Exception):
    """The group could not be looked at, or changed. `code` and `name` are the Kafka client's own."""

    def __init__(self, group: str, code: int, name: str, reason: str) -> None:
        super().__init__(f"group {group!r}: {reason} ({name})")
        self.group, self.code, self.name, self.reason = group, code, name, reason


class GroupUnsupportedError(GroupError):
    """The broker has no such call (the embedded one does not tell who is in a group)."""


class GroupInUseError(GroupError):
    """The group has members: its offsets are theirs."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`brokers` are the addresses (host, port) that a client is sent to; `topics` the partition counts."""

    id: str
    brokers: tuple[tuple[str, int], ...]
    topics: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Member:
    client_id: str
    host: str
    partitions: tuple[Lane, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupState:
    """`state` is Kafka's word in lower case (`empty`, `stable`, ...; `dead` for a group that does not exist);
    `protocol` is `classic` or `consumer`, empty where the broker does not tell."""

    state: str
    members: tuple[Member, ...] = ()
    protocol: str = ""
    assignor: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a group has committed of one partition; `metadata` as it stands there."""

    offset: int
    metadata: str = ""


class GroupClient:
    """One group, asked and changed by one thread, in a `with`. Every call blocks for `timeout` seconds at most
    and raises `topics.TopicError` or GroupError; the constructor raises TopicError for refused properties."""

    def __init__(self, properties: Mapping[str, Any], group: str, *, timeout: float = TIMEOUT) -> None:
        self.group = group
        self._timeout = timeout
        self._complaint: KafkaError | None = None
        self._tells_ids: bool | None = None
        own = {"group.id": group, "enable.auto.commit": False, "error_cb": self._heard}
        try:
            self._consumer = Consumer({"log_level": 2, **properties, **own})
        except KafkaException as error:
            raise failure("*", error) from error
        self._admin = admin_client(properties)

    def __repr__(self) -> str:
        return f"<GroupClient {self.group}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._consumer.close()

    def cluster(self) -> Cluster:
        """Who the brokers are, by the addresses that they tell clients, and every topic that may be seen."""
        # Asking for one by name makes it where the broker creates topics by itself.
        try:
            found = self._consumer.list_topics(timeout=self._timeout)
        except KafkaException as error:
            raise self._failure("*", error) from error
        self._tells_ids = not (found.cluster_id or "").startswith(_MOCK_CLUSTER)
        return Cluster(
            found.cluster_id or "",
            tuple(sorted((b.host, b.port) for b in found.brokers.values())),
            {name: len(topic.partitions) for name, topic in found.topics.items()},
        )

    def topics(self) -> dict[str, int]:
        """Every topic that may be seen, and how many partitions it has."""
        return dict(self.cluster().topics)

    def committed(self, lanes: Sequence[Lane]) -> dict[Lane, Commit]:
        """What the group has committed, of those of these partitions of which it has."""
        asked = [TopicPartition(*lane) for lane in lanes]
        answer = self._patiently(lambda left: self._consumer.committed(asked, timeout=left))
        for tp in answer:
            if tp.error is not None:
                raise self._group_failure(KafkaException(tp.error))
        return {
            Lane(tp.topic, tp.partition): Commit(tp.offset, tp.metadata or "")
            for tp in answer
            if tp.offset >= 0
        }

    def extents(self, lanes: Sequence[Lane]) -> dict[Lane, tuple[int, int]]:
        """The first offset of each partition that can be read, and the one behind the last."""
        low, high = self._offsets(lanes, _BEGINNING), self._offsets(lanes, _END)
        return {lane: (low[lane], high[lane]) for lane in lanes}

    def at_time(self, lanes: Sequence[Lane], moment_ms: int) -> dict[Lane, int]:
        """The first offset stamped at or after the moment; partitions without one are left out."""
        return {lane: offset for lane, offset in self._offsets(lanes, moment_ms).items() if offset >= 0}

    def state(self) -> GroupState:
        """Who is in the group. Raises GroupUnsupportedError where the broker does not tell."""
        try:
            asked = self._admin.describe_consumer_groups([self.group], request_timeout=self._timeout)
            found = asked[self.group].result(self._timeout + 1)
        except FutureTimeoutError:
            raise self._no_answer() from None
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return GroupState("dead")
            raise self._group_failure(error) from error
        members = tuple(_member(member) for member in found.members)
        kind = getattr(found, "type", None)
        protocol = kind.name.lower() if kind is not None else ""
        return GroupState(
            found.state.name.lower(),
            members,
            protocol if protocol in {"classic", "consumer"} else "",
            found.partition_assignor or "",
        )

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """The id that tells a topic from a later one of its name; empty where the broker does not say."""
        names = list(topics)
        if self._tells_ids is None:
            self.cluster()
        if not names or not self._tells_ids:
            return {}
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=self._timeout)
        return {name: self._id(future) for name, future in asked.items()}

    def set_offsets(self, offsets: Mapping[Lane, Commit]) -> None:
        """Commits these in the group's name. Raises GroupInUseError where it has members, whose offsets the
        broker then leaves as they were."""
        wanted = [
            TopicPartition(*lane, commit.offset, metadata=commit.metadata) for lane, commit in offsets.items()
        ]
        request = [ConsumerGroupTopicPartitions(self.group, wanted)]
        try:
            asked = self._admin.alter_consumer_group_offsets(request, request_timeout=self._timeout)
            answer = asked[self.group].result(self._timeout + 1)
        except FutureTimeoutError:
            raise self._no_answer() from None
        except KafkaException as error:
            raise self._group_failure(error) from error
        for tp in answer.topic_partitions:
            if tp.error is not None:
                raise self._group_failure(KafkaException(tp.error))

    def _offsets(self, lanes: Sequence[Lane], timestamp: int) -> dict[Lane, int]:
        """One request per leader for all of them."""
        if not lanes:
            return {}
        asked = [TopicPartition(*lane, timestamp) for lane in lanes]
        try:
            answer = self._consumer.offsets_for_times(asked, timeout=self._timeout)
        except KafkaException as error:
            raise self._failure(lanes[0].topic, error) from error
        for tp in answer:
            if tp.error is not None:
                raise self._failure(tp.topic, KafkaException(tp.error))
        return {Lane(tp.topic, tp.partition): tp.offset for tp in answer}

    def _patiently(self, ask: Callable[[float], T]) -> T:
        """A broker's first group waits until the topic of the offsets has been made."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return ask(max(0.1, deadline - time.monotonic()))
            except KafkaException as error:
                if error.args[0].code() not in _COORDINATOR_COMING or time.monotonic() >= deadline:
                    raise self._group_failure(error) from error
                time.sleep(0.05)

    @staticmethod
    def _id(future: Any) -> str:
        try:
            found = future.result(TIMEOUT).topic_id
        except (KafkaException, FutureTimeoutError):
            return ""
        return "" if found is None else str(found)

    def _heard(self, error: KafkaError) -> None:
        # The telling one is often not the last: "all brokers down" comes behind a refused login.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._complaint is None:
            self._complaint = error

    def _failure(self, topic: str, error: KafkaException) -> TopicError:
        found = failure(topic, error)
        if not isinstance(found, BrokerUnreachableError):
            return found
        # What the client has to say, of a refused login for one, is heard in a poll alone.
        self._consumer.poll(0.05)
        said = self._complaint
        return found if said is None else BrokerUnreachableError(topic, said.code(), said.name(), said.str())

    def _group_failure(self, error: KafkaException) -> GroupError | TopicError:
        cause = error.args[0]
        code, name = cause.code(), cause.name()
        if code == KafkaError._UNSUPPORTED_FEATURE:
            return GroupUnsupportedError(self.group, code, name, "not supported by this broker")
        if code in _IN_USE:
            return GroupInUseError(self.group, code, name, "it has members; stop them first")
        found = self._failure("*", error)
        if isinstance(found, BrokerUnreachableError):
            return found
        return GroupError(self.group, code, name, cause.str())

    def _no_answer(self) -> GroupError:
        reason = f"no answer in {self._timeout:g} s"
        return GroupError(self.group, KafkaError._TIMED_OUT, "_TIMED_OUT", reason)


def _member(found: Any) -> Member:
    assigned = found.assignment.topic_partitions if found.assignment is not None else ()
    lanes = tuple(sorted(Lane(tp.topic, tp.partition) for tp in assigned))
    return Member(str(found.client_id), str(found.host).lstrip("/"), lanes)
