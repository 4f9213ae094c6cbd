"""A consumer with a large backlog and a database that is gone: how much memory it takes."""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Producer
from support.audit_rig import START_NS
from support.chaos.memory import CONSTANT, MIB, Curve
from support.chaos.stage import Stage

from taosink.records.record import Record, encode_json

WHITE = b" \t\n\r" * 64
"""A byte drawn at random as white space drawn at random."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Readings of about `size` bytes: what they hold is short, the rest is white space around it, since no row of
    TDengine is longer than 64 KiB."""

    name: str
    records: int
    size: int
    compression: str = "none"
    restless: float = 0.0
    """So much of the white space is drawn at random, two bits a character: 0.4 makes a tenth when compressed."""

    def values(self, partition: int) -> Iterator[bytes]:
        drawn = int(self.size * self.restless)
        dice = random.Random(f"{self.name}:{partition}")
        for n in range(self.records):
            at = START_NS + n * 1_000_000_000
            value = encode_json(Record(f"d{partition}-{n % 50}", at, (float(n), f"text {n}")))
            yield value + dice.randbytes(drawn).translate(WHITE) + b" " * (self.size - drawn - len(value))


SMALL = Backlog("100 B", 300_000, 100)
LARGE = Backlog("500 kB", 200, 500_000)
SQUEEZED = Backlog("compressed tenfold", 1_500, 100_000, "zstd", restless=0.4)


def fill(stage: Stage, backlog: Backlog) -> None:
    producer = Producer(
        {
            "bootstrap.servers": stage.kafka.bootstrap,
            "compression.type": backlog.compression,
            "message.max.bytes": 8 * MIB,
            "queue.buffering.max.messages": 100_000,
            "linger.ms": 50,
            "log_level": 0,
        }
    )
    for partition in range(stage.partitions):
        for value in backlog.values(partition):
            while True:
                try:
                    producer.produce(stage.topic, value, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
    assert producer.flush(120) == 0
    producer.close()


def measure(
    stage: Stage, backlog: Backlog, budget: int, *, cut_for: float, drain_for: float, constant: int = CONSTANT
) -> Curve:
    """The curve of one consumer: idle, then the backlog with the database cut, then with it back for a while.
    AssertionError where it takes more than its idle size, its budget and a constant; without a database, where
    it takes more than its budget."""
    settings = {"memory__budget": str(budget), "worker": "4", "taos__timeout": "30s"}
    with stage.consumer(**settings) as process:
        process.event("kafka.assigned")
        idle = Curve(process.process.pid)
        idle.watch_for(0.5)
        stage.proxy.cut()
        fill(stage, backlog)
        curve = Curve(process.process.pid)
        curve.watch(lambda: process.events.get("consumer.stats", {}).get("paused", 0) > 0, 90)
        curve.watch_for(cut_for)
        without = curve.peak - idle.peak
        lag = int(process.events["consumer.stats"]["lag"])
        stage.proxy.restore()
        curve.watch(lambda: int(process.events["consumer.stats"]["lag"]) < lag, 90)
        curve.watch_for(drain_for)
        assert process.process.poll() is None, process.last_words()
        process.process.kill()
    assert stage.letters() == []
    extra = curve.peak - idle.peak
    sys.stdout.write(
        f"\n{backlog.name}: idle {idle.peak / MIB:.0f} MiB, peak {curve.peak / MIB:.0f} MiB, that is "
        f"{extra / MIB:.0f} MiB beyond idle; budget {budget / MIB:.0f} MiB\n{curve}\n"
    )
    assert without <= budget, f"{without / MIB:.0f} MiB beyond idle without a database"
    assert extra <= budget + constant, f"{extra / MIB:.0f} MiB beyond idle, budget {budget / MIB:.0f} MiB"
    return curve
