"""The processes of the demo and their addresses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from taosink.demo.child import Child, ChildError
from taosink.demo.options import DemoOptions
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.topic_reader import read_topic

TOPIC = "test"
DEAD_LETTERS = f"{TOPIC}.dlq"
DATABASE = "test"
GROUP = TOPIC
SUPERTABLE = "stb"
BACKLOG_BYTES = 2 * 1024 * 1024
"""Of one partition: the embedded broker keeps 5 MiB and drops older data unseen, so the producer stays below."""


@dataclass(slots=True)
class Cluster:
    """Started in order, stopped in the opposite one. Consumers can be added and ended while it runs."""

    options: DemoOptions
    broker: Child = field(init=False)
    database: Child = field(init=False)
    brokers: str = field(init=False)
    database_url: str = field(init=False)
    consumers: list[Child] = field(default_factory=list)
    producer: Child | None = None
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Blocks until broker and database say where they listen; raises ChildError where one does not."""
        partitions = self.options.partitions
        self.broker = self._spawn(
            "broker",
            ["embedded", "broker", "--topic", f"{TOPIC}:{partitions}", "--topic", f"{DEAD_LETTERS}:1"],
        )
        self.database = self._spawn("database", ["embedded", "database", "--listen", "127.0.0.1:0"])
        self.brokers = self.broker.first_line()
        self.database_url = self.database.first_line()

    @property
    def taosuri(self) -> str:
        found = urlsplit(self.database_url)
        return f"http://root:taosdata@{found.hostname}:{found.port}/{DATABASE}"

    def add_consumer(self) -> Child:
        name = f"consumer-{len(self.consumers) + 1}"
        arguments = [
            "consumer",
            *("--kafka.brokers", self.brokers),
            *("--topic", TOPIC),
            *("--taosuri", self.taosuri),
            "--schema.create",
            *("--log.format", "json"),
        ]
        child = self._spawn(name, arguments)
        self.consumers.append(child)
        return child

    def start_producer(self) -> Child:
        fleet = self.options.fleet
        start = datetime.fromtimestamp(fleet.start_ns // 1_000_000_000, UTC).isoformat()
        self.producer = self._spawn(
            "producer",
            [
                "producer",
                *("--kafka.brokers", self.brokers),
                *("--topic", TOPIC),
                *("--shape", fleet.shape),
                *("--sim.tables", str(fleet.tables)),
                *("--sim.records-per-table", str(fleet.records_per_table)),
                *("--sim.seed", str(fleet.seed)),
                *("--sim.start", start),
                *("--records", str(fleet.records)),
                *("--poison", str(fleet.poison)),
                *("--backlog.group", GROUP),
                *("--backlog.bytes", str(BACKLOG_BYTES)),
                *("--log.format", "json"),
            ],
        )
        return self.producer

    @property
    def produced(self) -> int:
        return int(stats_of(self.producer).get("produced", 0)) if self.producer else 0

    @property
    def dead_lettered_by_consumers(self) -> int:
        """By their own count, which is quick to ask; the verdict counts the topic's letters."""
        return sum(int(stats_of(c).get("dead_lettered", 0)) for c in self.consumers)

    def dead_lettered(self) -> int:
        """Distinct origins in the dead-letter topic: a letter that was published twice counts once."""
        letters = read_topic({"bootstrap.servers": self.brokers}, DEAD_LETTERS)
        infos = [DeadLetterInfo.decode(letter.headers()) for letter in letters]
        origins = {(info.topic, info.partition, info.offset) for info in infos if info is not None}
        return len(origins)

    def errors(self) -> list[str]:
        """What consumers reported as needing an operator: it explains what an audit finds missing."""
        return [
            f"{child.name}: {event['event']}: {event.get('cause') or event.get('meaning') or ''}"
            for child in self.consumers
            for event in child.events.values()
            if event.get("level") in ("error", "critical")
        ]

    def check(self) -> None:
        """Raises ChildError where a process ended that should not have; one that was killed is no surprise."""
        for child in self._children:
            code = child.process.poll()
            server = child in (self.broker, self.database)
            if code is not None and (server or code > 0):
                raise ChildError(f"{child.name} ended in mid-run: {child.last_words()}")

    def stop_clients(self) -> None:
        """Producer and consumers, which commit as they stop."""
        for child in [c for c in (self.producer, *self.consumers) if c is not None]:
            child.stop()

    def stop(self) -> None:
        """Everything, servers last. Idempotent."""
        self.stop_clients()
        for child in reversed(self._children):
            child.stop()

    def _spawn(self, name: str, arguments: Sequence[str]) -> Child:
        child = Child(name, [*self.options.launcher, *arguments])
        self._children.append(child)
        return child


def stats_of(child: Child) -> dict[str, Any]:
    """The last counts that a consumer or producer logged; empty before the first."""
    for event in ("consumer.stopped", "consumer.stats", "producer.done", "producer.progress"):
        if event in child.events:
            return child.events[event]
    return {}
