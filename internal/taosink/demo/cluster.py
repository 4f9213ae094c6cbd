"""The processes of the demo and their addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from taosink.demo.child import Child, ChildError
from taosink.demo.devices import make_keys
from taosink.demo.options import DemoOptions
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.kafka.topic_reader import read_topic

TOPIC = "test"
DEAD_LETTERS = f"{TOPIC}.dlq"
DATABASE = "test"
GROUP = TOPIC
SUPERTABLE = "stb"
GATEWAY_TOPICS = ("tcp_layer_messages", "workers_layer_messages", "taosink_presence", "taosink_commands")
"""As the gateway and the consumers call them where they are told nothing else."""
STORED_TIMEOUT = "10s"
"""Until a device sends again what a consumer that died has not answered; the usual time is for slower databases."""
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
    gateway: Child | None = None
    _secrets: TemporaryDirectory[str] | None = None
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Blocks until broker and database say where they listen; raises ChildError where one does not."""
        topics = [f"{TOPIC}:{self.options.partitions}", f"{DEAD_LETTERS}:1"]
        if self.options.devices:
            topics += [f"{name}:1" for name in GATEWAY_TOPICS]
        flags = [flag for topic in topics for flag in ("--topic", topic)]
        self.broker = self._spawn("broker", ["embedded", "broker", *flags])
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
            *(["--ingress.replies"] if self.options.devices else []),
            *("--log.format", "json"),
        ]
        child = self._spawn(name, arguments)
        self.consumers.append(child)
        return child

    def start_gateway(self) -> Child:
        """On free places of loopback, with tokens that only the demo can sign; `gateway_at` says when it is there."""
        self._secrets = TemporaryDirectory(prefix="taosink-demo-")
        make_keys(self.keys)
        self.gateway = self._spawn(
            "gateway",
            [
                "ingress",
                *("--kafka.brokers", self.brokers),
                *("--topic", TOPIC),
                *("--ingress.tcp-listen", "127.0.0.1:0"),
                *("--ingress.http-listen", "127.0.0.1:0"),
                *("--ingress.admin-listen", "127.0.0.1:0"),
                *("--ingress.auth", "token"),
                *("--ingress.token-key-file", str(self.keys)),
                *("--ingress.stored-timeout", STORED_TIMEOUT),
                *("--log.format", "json"),
            ],
        )
        return self.gateway

    @property
    def keys(self) -> Path:
        """The gateway's file of keys; there from its start on."""
        assert self._secrets is not None  # noqa: S101 - the gateway was started
        return Path(self._secrets.name) / "keys"

    @property
    def gateway_at(self) -> Mapping[str, str]:
        """Its addresses by listener (tcp, http, admin); empty until it listens."""
        if self.gateway is None:
            return {}
        event = self.gateway.events.get("ingress.listening", {})
        return {name: str(event[name]) for name in ("tcp", "http", "admin") if name in event}

    @property
    def status_pages(self) -> Mapping[str, str]:
        """Of the consumers that run."""
        running = [c for c in self.consumers if c.process.poll() is None]
        found = {c.name: c.events.get("status.listening", {}).get("url", "") for c in running}
        return {name: url for name, url in found.items() if url}

    @property
    def pages(self) -> Mapping[str, str]:
        """Where what runs can be watched in a browser, by name."""
        found = {name: f"{url}/" for name, url in self.status_pages.items()}
        if admin := self.gateway_at.get("admin"):
            found["gateway"] = f"http://{admin}/"
        return found

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

    def dead_letters(self) -> list[str]:
        """The device of each distinct origin in the dead-letter topic (empty where the record names none): a letter
        that was published twice counts once."""
        letters = read_topic({"bootstrap.servers": self.brokers}, DEAD_LETTERS)
        infos = [DeadLetterInfo.decode(letter.headers()) for letter in letters]
        origins = {
            (info.topic, info.partition, info.offset): info.device for info in infos if info is not None
        }
        return list(origins.values())

    def errors(self) -> list[str]:
        """What consumers and the gateway reported as needing an operator: it explains what an audit finds missing."""
        return [
            f"{child.name}: {event['event']}: {event.get('cause') or event.get('meaning') or ''}"
            for child in [*self.consumers, *([self.gateway] if self.gateway else [])]
            for event in child.events.values()
            if event.get("level") in ("error", "critical")
        ]

    def check(self) -> None:
        """Raises ChildError where a process ended that should not have; one that was killed is no surprise."""
        for child in self._children:
            code = child.process.poll()
            server = child in (self.broker, self.database, self.gateway)
            if code is not None and (server or code > 0):
                raise ChildError(f"{child.name} ended in mid-run: {child.last_words()}")

    def stop_clients(self) -> None:
        """What brings records, then the consumers, which commit as they stop."""
        for child in [c for c in (self.gateway, self.producer, *self.consumers) if c is not None]:
            child.stop()

    def stop(self) -> None:
        """Everything, servers last. Idempotent."""
        self.stop_clients()
        for child in reversed(self._children):
            child.stop()
        if self._secrets is not None:
            self._secrets.cleanup()

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
