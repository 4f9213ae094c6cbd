"""Topics as the product needs them: how many partitions one has, and creating one that is missing."""

import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported there
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
)

from taosink.kafka.errors import fault_of

METADATA_TIMEOUT_S = 10.0
BROKERS_OWN = -1
"""As a replication factor: the broker's default."""
FIRST_LOOK_S = 1.0
"""Seconds after which it is first looked why nobody has answered; then after twice as many, and so on."""
NEVER_FOR_ADMIN = ("group.", "auto.", "enable.", "queued.", "fetch.", "session.", "max.poll.", "partition.")

STARTING = (
    KafkaError.NOT_CONTROLLER,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
)
"""What brokers answer that are not all up yet."""
NOT_ALLOWED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


class TopicError(Exception):
    """A topic could not be read or made. `code` and `name` are the Kafka client's own."""

    def __init__(self, topic: str, code: int, name: str, reason: str) -> None:
        super().__init__(f"topic {topic!r}: {reason} ({name})")
        self.topic, self.code, self.name, self.reason = topic, code, name, reason


class BrokerUnreachableError(TopicError):
    """No broker answered in time: nothing is known of the topic, so try again."""


class AdminUnsupportedError(TopicError):
    """The broker has no such call (the embedded one has none beyond metadata and group offsets)."""


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    created: bool = False


class Admin(AdminClient):
    """Keeps what the client has to say about its connections: a call that fails tells only that nobody answered,
    whether the login was refused or the cable is out."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._complaint: KafkaError | None = None
        settings: dict[str, Any] = {"log_level": 2, **properties, "error_cb": self._heard}
        super().__init__(settings)

    def _heard(self, error: KafkaError) -> None:
        # The telling one is often not the last: "all brokers down" comes behind a refused login.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._complaint is None:
            self._complaint = error

    def why(self, error: "BrokerUnreachableError") -> "BrokerUnreachableError":
        """The same with the client's own words, where it has any; they are heard in a poll alone."""
        self.poll(0)
        said = self._complaint
        if said is None:
            return error
        fault = fault_of(said)
        reason = str(fault) if fault else said.str()
        return BrokerUnreachableError(error.topic, said.code(), said.name(), reason)


def admin_client(properties: Mapping[str, Any]) -> Admin:
    """A client for the calls below; it connects by itself. Properties of consumers are left out, since
    librdkafka prints a warning for each of them. Thread-safe. Raises TopicError for properties it refuses."""
    common = {name: value for name, value in properties.items() if not name.startswith(NEVER_FOR_ADMIN)}
    try:
        return Admin(common)
    except KafkaException as error:
        raise failure("*", error) from error


def all_topics(admin: AdminClient, *, timeout: float = METADATA_TIMEOUT_S) -> dict[str, Topic]:
    """Every topic that this client may see. Blocks and raises as `metadata`.

    One topic by name is never asked for: a broker with automatic creation would make it.
    """
    found = metadata(admin, timeout=timeout).topics
    return {name: Topic(name, len(topic.partitions)) for name, topic in found.items()}


def metadata(admin: AdminClient, *, timeout: float = METADATA_TIMEOUT_S) -> ClusterMetadata:
    """What a broker tells of all topics and brokers. Blocks up to `timeout` seconds; raises BrokerUnreachableError.

    A login or certificate that is refused is not waited for.
    """
    deadline, patience = time.monotonic() + timeout, FIRST_LOOK_S
    while True:
        left = deadline - time.monotonic()
        try:
            return admin.list_topics(timeout=max(0.05, min(patience, left)))
        except KafkaException as error:
            reason = _reason(admin, error)
            if left <= patience or not isinstance(reason, BrokerUnreachableError) or refused(reason):
                raise reason from error
        patience *= 2


def _reason(admin: AdminClient, error: KafkaException, topic: str = "*") -> TopicError:
    found = failure(topic, error)
    if isinstance(admin, Admin) and isinstance(found, BrokerUnreachableError):
        return admin.why(found)
    return found


def refused(error: TopicError) -> bool:
    """Whether it was a login or a certificate: waiting mends neither."""
    fault = fault_of(KafkaError(error.code))
    return fault is not None and fault.kind in ("authentication", "tls")


def partition_count(admin: AdminClient, topic: str, *, timeout: float = METADATA_TIMEOUT_S) -> int | None:
    """None where there is no such topic. Blocks up to `timeout` seconds; raises BrokerUnreachableError."""
    found = all_topics(admin, timeout=timeout).get(topic)
    return found.partitions if found else None


def create_topic(
    admin: AdminClient,
    topic: str,
    partitions: int,
    *,
    config: Mapping[str, str] | None = None,
    replication: int = BROKERS_OWN,
    timeout: float = METADATA_TIMEOUT_S,
) -> bool:
    """Creates it, by default with the broker's replication factor; False where it exists already.

    Blocks up to `timeout` seconds. Raises AdminUnsupportedError, BrokerUnreachableError or TopicError.
    """
    wanted = NewTopic(
        topic, num_partitions=partitions, replication_factor=replication, config=dict(config or {})
    )
    try:
        admin.create_topics([wanted], operation_timeout=timeout, request_timeout=timeout)[topic].result(
            timeout + 1
        )
    except FutureTimeoutError:
        raise BrokerUnreachableError(topic, KafkaError._TIMED_OUT, "_TIMED_OUT", "no answer") from None
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise _reason(admin, error, topic) from error
        return False
    return True


def auto_create(admin: AdminClient, topic: str, *, timeout: float = METADATA_TIMEOUT_S) -> int | None:
    """Asks for the topic by name, which makes it where the broker creates topics by itself; else None."""
    try:
        found = admin.list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as error:
        raise failure(topic, error) from error
    return len(found.partitions) or None


def ensure_topic(
    admin: AdminClient,
    topic: str,
    partitions: int,
    *,
    config: Mapping[str, str] | None = None,
    replication: int = BROKERS_OWN,
    timeout: float = METADATA_TIMEOUT_S,
) -> Topic:
    """The topic as it is, or as it was made. Blocks for up to four times `timeout`.

    Where the broker has no call for it, or does not allow it, its automatic creation is tried, with the
    broker's partition count.
    Raises as `create_topic`.
    """
    found = partition_count(admin, topic, timeout=timeout)
    if found is not None:
        return Topic(topic, found)
    try:
        created = create_topic(
            admin, topic, partitions, config=config, replication=replication, timeout=timeout
        )
    except TopicError as error:
        if not isinstance(error, AdminUnsupportedError) and error.code not in NOT_ALLOWED:
            raise
        made = auto_create(admin, topic, timeout=timeout)
        if made is None:
            raise
        return Topic(topic, made, created=True)
    # A broker tells of a topic a moment after it was made: whoever asks next would make it again.
    return Topic(topic, _told_of(admin, topic, timeout) or partitions, created=created)


def _told_of(admin: AdminClient, topic: str, timeout: float) -> int | None:
    """How many partitions it has, once a broker tells; None where none did in time."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        found = partition_count(admin, topic, timeout=left)
        if found is not None:
            return found
        time.sleep(0.02)
    return None


def topic_config(admin: AdminClient, topic: str, *, timeout: float = METADATA_TIMEOUT_S) -> dict[str, str]:
    """The topic's settings in force, defaults included; empty where it is not there, or is not told.

    Blocks up to `timeout` seconds; never raises: whoever asks can go on without.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=timeout)[resource].result(timeout + 1)
    except (KafkaException, FutureTimeoutError):
        return {}
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}


def failure(topic: str, error: KafkaException) -> TopicError:
    cause = error.args[0]
    kind = {
        KafkaError._TRANSPORT: BrokerUnreachableError,
        KafkaError._ALL_BROKERS_DOWN: BrokerUnreachableError,
        KafkaError._TIMED_OUT: BrokerUnreachableError,
        KafkaError._RESOLVE: BrokerUnreachableError,
        KafkaError._UNSUPPORTED_FEATURE: AdminUnsupportedError,
    }.get(cause.code(), TopicError)
    return kind(topic, cause.code(), cause.name(), cause.str())
