"""A follower whose callbacks are written down."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Producer

from taosink.kafka.follow import Follower, Start
from taosink.ports import SourceMessage


@dataclass
class Heard:
    """What a follower's callbacks were told, in order."""

    values: list[bytes | None] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    brokers: list[str] = field(default_factory=list)
    caught_up_at: list[int] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    def messages(self, messages: Sequence[SourceMessage]) -> None:
        self.values += [m.value() for m in messages]

    def caught_up(self) -> None:
        self.caught_up_at.append(len(self.values))

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self
            self.changed.wait(0.01)


def follower(
    bootstrap: str,
    topics: list[str],
    heard: Heard,
    start: Start = "earliest",
    *,
    on_messages: Callable[[Sequence[SourceMessage]], None] | None = None,
) -> Follower:
    """One that has been started."""
    found = Follower(
        {"bootstrap.servers": bootstrap, "log_level": 0},
        topics,
        start=start,
        on_messages=on_messages or heard.messages,
        on_caught_up=heard.caught_up,
        on_restart=heard.restarts.append,
        on_brokers=heard.brokers.append,
        refresh=0.3,
    )
    found.start()
    return found


def put(bootstrap: str, topic: str, *values: bytes, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, b"k", partition)
    assert producer.flush(20) == 0
