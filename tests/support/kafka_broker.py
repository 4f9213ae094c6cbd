"""The Kafka that tests run on: found once a session, in a fixed order, and able to be stopped and killed.

TAOSINK_TEST_KAFKA (bootstrap servers), a container where a Docker engine answers, Apache Kafka's own jars
where java and mvn are there, else librdkafka's mock cluster.
"""

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Literal, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported there

START_SECONDS = 90.0
"""A broker starts in 2 s on an idle machine and took 16 s on one with a load of 16."""

Kind = Literal["external", "container", "jars", "mock"]


class KafkaMissingError(RuntimeError):
    """This way to a broker is closed here; the message says why."""


class KafkaUnderTest(Protocol):
    """A broker under test. `real` is False for the mock; `controllable` says whether stop and kill work."""

    kind: Kind
    description: str
    bootstrap: str
    real: bool
    controllable: bool

    def create_topic(self, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
        """Returns when the topic's metadata can be read."""
        ...

    def delete_topic(self, topic: str) -> None: ...

    def stop(self) -> None:
        """SIGTERM, and waits for the end."""
        ...

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        ...

    def start(self) -> None:
        """Starts again on the same address and the same data; returns when it answers."""
        ...

    def close(self) -> None:
        """Ends it and removes its data. Idempotent."""
        ...


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def wait_until_ready(bootstrap: str, deadline: float) -> bool:
    """True when metadata is answered before `deadline` (time.monotonic)."""
    client = admin(bootstrap)
    while time.monotonic() < deadline:
        try:
            if client.list_topics(timeout=1).brokers:
                return True
        except KafkaException:
            time.sleep(0.05)
    return False


class AdminTopics:
    """Topics by AdminClient, for brokers that take admin calls."""

    bootstrap: str

    def create_topic(self, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
        client = admin(self.bootstrap)
        new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config or {})
        client.create_topics([new], operation_timeout=30)[topic].result(timeout=30)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = client.list_topics(topic, timeout=5).topics[topic]
            leaders = [p.leader for p in found.partitions.values()]
            if found.error is None and len(leaders) == partitions and min(leaders) >= 0:
                return
            time.sleep(0.02)
        raise TimeoutError(f"topic {topic} has no leaders after 30 s")

    def delete_topic(self, topic: str) -> None:
        client = admin(self.bootstrap)  # kept: its end would cancel the request
        client.delete_topics([topic], operation_timeout=30)[topic].result(timeout=30)


class ExternalKafka(AdminTopics):
    """Somebody's broker, named by TAOSINK_TEST_KAFKA: used, never stopped."""

    kind: Kind = "external"
    real = True
    controllable = False

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.description = f"Apache Kafka (TAOSINK_TEST_KAFKA) at {bootstrap}"
        if not wait_until_ready(bootstrap, time.monotonic() + START_SECONDS):
            raise KafkaMissingError(f"TAOSINK_TEST_KAFKA={bootstrap} does not answer")

    def stop(self) -> None:
        raise NotImplementedError("an external broker is not stopped by tests")

    kill = stop
    start = stop

    def close(self) -> None:
        """Nothing of it is ours."""


def required() -> bool:
    """Is a real broker promised on this machine? Then its absence fails the run."""
    return os.environ.get("TAOSINK_TEST_REQUIRE_KAFKA", "") not in {"", "0"}


def expected() -> str:
    """Which broker a session would take, told without starting any."""
    if named := os.environ.get("TAOSINK_TEST_KAFKA"):
        return f"TAOSINK_TEST_KAFKA at {named}"
    ways = ["container if a Docker engine answers"] if shutil.which("docker") else []
    if shutil.which("java") and shutil.which("mvn"):
        ways.append("Apache Kafka's jars from Maven")
    return ", else ".join([*ways, "librdkafka's mock cluster"])


def find_kafka(work: Path) -> KafkaUnderTest:
    """Starts the first broker of the order that this machine can have; `work` is a directory for its data.

    A named one that does not answer is an error, never passed over; so is the mock where a real one is
    required.
    """
    from support.kafka_container import ContainerKafka
    from support.kafka_jars_broker import JarKafka
    from support.mock_cluster import MockKafka

    if named := os.environ.get("TAOSINK_TEST_KAFKA"):
        return ExternalKafka(named)
    reasons = []
    for way in (ContainerKafka, JarKafka):
        try:
            return way(work / way.__name__)
        except KafkaMissingError as missing:
            reasons.append(f"{way.__name__}: {missing}")
    if required():
        raise KafkaMissingError(
            "a real Kafka is required (TAOSINK_TEST_REQUIRE_KAFKA): " + "; ".join(reasons)
        )
    return MockKafka()
