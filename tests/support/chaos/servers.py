"""The way to the database and the broker, as a run breaks and heals them."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.consumer_process import LAUNCHER
from support.kafka_broker import KafkaMissingError, KafkaUnderTest, required
from support.kafka_jars_broker import JarKafka
from support.proxy import Proxy

from taosink.demo.child import Child

DELAY = 0.3
"""Seconds that each piece waits while the way is slow: a statement and its answer come to about a second."""
ANSWER_BYTES = 20
"""So much of an answer passes before the reset: within its header."""


@contextmanager
def embedded_database(*flags: str) -> Iterator[str]:
    """In a process of its own; gives its URL."""
    child = Child("database", [*LAUNCHER, "embedded", "database", "--listen", "127.0.0.1:0", *flags])
    try:
        yield child.first_line()
    finally:
        child.stop()


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    with Proxy(where.hostname, where.port) as proxy:
        yield proxy


def begin(proxy: Proxy, kind: str) -> None:
    match kind:
        case "cut":
            proxy.cut()
        case "stall":
            proxy.freeze()
        case "slow":
            proxy.delay = DELAY
        case "reset":
            proxy.reset()
        case "reset_answer":
            proxy.reset_answer_after(ANSWER_BYTES)
        case _:
            raise ValueError(kind)


class Operator:
    """Stops and starts a broker on a thread of its own, so that nothing else waits for it. To be left after the
    last use of the broker: a process that is tied to its parent ends with the thread that started it."""

    def __init__(self, kafka: KafkaUnderTest) -> None:
        self.kafka = kafka
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="broker-operator")
        self._orders: list[Future[None]] = []

    def __enter__(self) -> "Operator":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def begin(self, kind: str) -> None:
        self._orders.append(
            self._thread.submit(self.kafka.kill if kind == "kill_broker" else self.kafka.stop)
        )

    def end(self) -> None:
        self._orders.append(self._thread.submit(self.kafka.start))

    def wait(self) -> None:
        """Blocks until everything ordered is done; raises what went wrong."""
        for order in self._orders:
            order.result()
        self._orders.clear()


@contextmanager
def operated_kafka(work: Path) -> Iterator[Operator]:
    """A broker that is stopped and killed, so nobody else's; it gives up a KIP-848 member after three seconds.
    Skips where there is none, fails where one was promised."""
    try:
        kafka = JarKafka(work, {"group.consumer.session.timeout.ms": "3000"})
    except KafkaMissingError as missing:
        if required():
            raise
        pytest.skip(f"needs a broker that can be stopped: {missing}")
    try:
        with Operator(kafka) as operator:
            yield operator
    finally:
        kafka.close()
