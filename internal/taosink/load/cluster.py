"""What a run starts where no gateway is given: broker, gateway, and a consumer with its database."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taosdevice.link import Address
from taosink.demo.child import Child, ChildError
from taosink.load.options import TargetOptions
from taosink.simulator.passes import tokens_by_key

PARTITIONS = 10
DATABASE = "bench"
PATIENCE = 60.0


class Part(Child):
    """A process that says by an event of its log when it is ready."""

    def ready(self, event: str, look: Callable[[], None]) -> dict[str, Any]:
        """Blocks; raises ChildError where it ends instead, or takes too long, and whatever `look` raises."""
        until = time.monotonic() + PATIENCE
        while event not in self.events:
            look()
            if self.process.poll() is not None or time.monotonic() > until:
                raise ChildError(f"{self.name} did not start: {self.last_words()}")
            time.sleep(0.02)
        return self.events[event]


@dataclass(slots=True)
class Cluster:
    """Started in order, stopped in the opposite one, each process by its handle. `directory` is for the key of
    the devices' tokens. `look` is called again and again while something starts; it may raise to end that."""

    options: TargetOptions
    directory: Path
    look: Callable[[], None]
    address: Address = field(init=False)
    gateway: Part = field(init=False)
    _parts: list[Part] = field(default_factory=list)

    @property
    def tokens(self) -> Callable[[str], str]:
        """Once it is started."""
        return tokens_by_key(self._keys)

    @property
    def _keys(self) -> Path:
        return self.directory / "keys"

    def start(self) -> None:
        """Blocks until the gateway listens; raises ChildError where something does not start."""
        self._keys.touch(mode=0o600)
        self._keys.write_text(f"bench: {secrets.token_hex(32)}\n", encoding="utf-8")
        brokers = self.options.brokers or self._broker()
        self.gateway = self._start("gateway", self._gateway_flags(brokers))
        host, _, number = str(self.gateway.ready("ingress.listening", self.look)["tcp"]).rpartition(":")
        self.address = Address(host, int(number))
        if self.options.consumer:
            self._consumer(brokers)

    def check(self) -> None:
        """Raises ChildError where a process has ended."""
        for part in self._parts:
            if part.process.poll() is not None:
                raise ChildError(f"{part.name} ended in mid-run: {part.last_words()}")

    def stop(self) -> None:
        """Idempotent."""
        for part in reversed(self._parts):
            part.stop()

    def _broker(self) -> str:
        topic = self.options.topic
        names = (f"{topic}:{PARTITIONS}", f"{topic}.requests:4", f"{topic}.responses:4")
        flags = [flag for name in names for flag in ("--topic", name)]
        return self._start("broker", ["embedded", "broker", *flags]).first_line()

    def _gateway_flags(self, brokers: str) -> Sequence[str]:
        topic = self.options.topic
        flags = {
            "kafka.brokers": brokers,
            "topic": topic,
            "ingress.request-topic": f"{topic}.requests",
            "ingress.response-topics": f"{topic}.responses",
            "ingress.presence-topic": f"{topic}.presence",
            "ingress.commands-topic": f"{topic}.commands",
            "ingress.tcp-listen": "127.0.0.1:0",
            "ingress.http-listen": "",
            "ingress.admin-listen": "",
            "ingress.auth": "token",
            "ingress.token-key-file": str(self._keys),
            "ingress.max-connections": "1000000",
            "log.format": "json",
        }
        return ["ingress", *(f"--{name}={value}" for name, value in flags.items())]

    def _consumer(self, brokers: str) -> None:
        url = urlsplit(
            self._start("database", ["embedded", "database", "--listen", "127.0.0.1:0"]).first_line()
        )
        topic = self.options.topic
        flags = {
            "kafka.brokers": brokers,
            "topic": topic,
            "taosuri": f"http://root:taosdata@{url.hostname}:{url.port}/{DATABASE}",
            "schema.create": "true",
            "ingress.replies": "true",
            "ingress.response-topic": f"{topic}.responses",
            "log.format": "json",
        }
        consumer = self._start("consumer", ["consumer", *(f"--{n}={v}" for n, v in flags.items())])
        consumer.ready("kafka.assigned", self.look)

    def _start(self, name: str, arguments: Sequence[str]) -> Part:
        self.look()
        part = Part(name, [*self.options.launcher, *arguments])
        self._parts.append(part)
        return part
