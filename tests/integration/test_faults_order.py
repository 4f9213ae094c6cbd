"""The same topic, cut into batches in many ways and with faults between, always ends in the same table."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from support.audit_rig import START_NS, reading

from taosbatch.backoff import Backoff
from taosbatch.batch import Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.breaker import BreakerRule
from taosbatch.encoding import Layout, Reject
from taosbatch.literals import Value
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink.audit.compare import Cell, compare
from taosink.audit.stored_rows import stored_rows
from taosink.embedded.database.server import running
from taosink.observe.counters import Counters
from taosink.observe.waits import Waits
from taosink.pipeline import Pipeline
from taosink.poison_gate import Breakers
from taosink.ports import Driver, Result, SourceMessage
from taosink.records.encoder import RecordEncoder
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import Local, TaosError
from taosink.taos.known_tables import KnownTables
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter

PARTITIONS, DEVICES, RECORDS = 3, 2, 240
SEEDS = range(16)
FAULTS = (Local.CONNECT, Local.BROKEN, Local.BUSY, 0x0111, 0x061B, 0x0618)
"""Outages, and answers that make the writer read the schema again."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Each partition's values in order, and each device's readings as they should end."""

    values: Mapping[int, Sequence[bytes]]
    readings: Mapping[str, Sequence[tuple[int, Sequence[Cell]]]]


def topic(dice: random.Random) -> Topic:
    """Few timestamps, so that most are repeated; NULLs, and columns that are not given."""
    values: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
    readings: dict[str, list[tuple[int, Sequence[Cell]]]] = {}
    for n in range(RECORDS):
        partition, second = dice.randrange(PARTITIONS), dice.randrange(20)
        device = f"d{partition}-{dice.randrange(DEVICES)}"
        cells: list[Value] = [float(n), n % 2 == 0, f"text {n}"]
        given = [None if dice.random() < 0.25 else cell for cell in cells][: dice.choice([1, 2, 3, 3, 3])]
        values[partition].append(reading(device, second, *given))
        readings.setdefault(device, []).append((START_NS + second * 1_000_000_000, given))
    return Topic(values, readings)


class Unreliable:
    """A driver whose statements are refused before or broken off after the database had them."""

    def __init__(self, inner: Driver, dice: random.Random, share: float) -> None:
        self._inner, self._dice, self._share = inner, dice, share

    def execute(self, sql: bytes | str) -> int:
        drawn = self._dice.random()
        if drawn < self._share:
            raise TaosError(self._dice.choice(FAULTS), "refused by the test")
        found = self._inner.execute(sql)
        if drawn < 1.5 * self._share:
            raise TaosError(Local.BROKEN, "broken off by the test")
        return found

    def query(self, sql: str) -> Result:
        return self._inner.query(sql)

    def close(self) -> None:
        self._inner.close()


class NoLetters:
    """Nothing of this topic is to be refused."""

    def publish(self, source: SourceMessage, reject: Reject, done: Callable[[], None]) -> bool:
        raise AssertionError(reject, source, done)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as url:
        yield f"{url.replace('://', '://root:taosdata@')}"


_numbers = itertools.count()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cut_ends_in_the_same_table(server: str, seed: int) -> None:
    """Batch sizes, linger, workers, chunks, statement lengths and faults are drawn: each column of each row is the
    last that its partition held."""
    dice = random.Random(seed)
    sent = topic(dice)
    address = parse(f"{server}/order{next(_numbers)}")
    make_tables(server, address.database)
    write_all(sent, lambda: connect(address), address.database, dice)
    with closing(connect(address)) as driver:
        for device, readings in sent.readings.items():
            stored = stored_rows(driver, f"`{address.database}`.`{device}`", 3, "ms")
            verdict = compare(device, readings, stored, "ms")
            assert verdict.agrees, verdict.examples


def make_tables(server: str, database: str) -> None:
    """As an operator makes them: a first batch with nothing but NULL in a column would decide its type."""
    with closing(connect(parse(server))) as driver:
        driver.execute(f"CREATE DATABASE {database} KEEP 36500")
        driver.execute(
            f"CREATE STABLE {database}.stb (ts TIMESTAMP, col0 DOUBLE, col1 BOOL, col2 VARCHAR(64)) "
            "TAGS (device VARCHAR(64))"
        )


def write_all(sent: Topic, make: Callable[[], Driver], database: str, dice: random.Random) -> None:
    """Through queue, pool, pipeline and writer, as the consumer wires them."""
    workers, most = dice.randint(1, 4), dice.choice([1, 7, 40, 1000])
    rule = BatchRule(
        dice.randint(1, most), most, dice.choice([300, 5_000, 1 << 20]), dice.choice([0.0, 0.003])
    )
    queue = BatchQueue(rule, 20_000, dice.choice([10, 100, 10_000]), workers)
    queue.set_lanes(PARTITIONS)
    layout = Layout(database, "stb", max_statement_bytes=dice.choice([400, 2_000, 1 << 20]))
    schema, known = LiveSchema(layout, SchemaPolicy(create=True, alter=True)), KnownTables()
    encoder, waits, counters = RecordEncoder(), Waits(needs_operator=lambda _: False), Counters()
    share = dice.choice([0.0, 0.1, 0.3])
    failed: list[BaseException] = []

    breakers = Breakers(BreakerRule())

    def handler(index: int) -> Pipeline:
        driver = Unreliable(make(), random.Random(f"{share}:{index}:{database}"), share)
        return Pipeline(
            lambda gate: SqlBatchWriter(driver, encoder, schema, known=known, allow_poison=gate),
            NoLetters(),
            queue,
            counters=counters,
            waits=waits,
            breakers=breakers,
            abandoned=pool.abandoned.is_set,
            backoff=Backoff(first=0.001, max=0.01),
        )

    pool = WorkerPool(queue, handler, workers, on_error=lambda _name, error, _lanes: failed.append(error))
    tracker = OffsetTracker()
    pool.start()
    try:
        feed(sent, queue, tracker, dice)
        queue.close()
        assert queue.wait_empty(20), queue
    finally:
        pool.abandon()
        left = pool.join(time.monotonic() + 10)
        assert not failed, failed
        assert not left
    assert {lane.partition: at for lane, at in tracker.committable().items()} == {
        partition: len(values) for partition, values in sent.values.items()
    }


def feed(sent: Topic, queue: BatchQueue, tracker: OffsetTracker, dice: random.Random) -> None:
    """Chunks of drawn sizes, the partitions taking turns by chance, each in its order."""
    done = dict.fromkeys(sent.values, 0)
    tracker.assign([Lane("order", p) for p in done])
    while left := [p for p, at in done.items() if at < len(sent.values[p])]:
        partition = dice.choice(left)
        first = done[partition]
        values = list(sent.values[partition][first : first + dice.randint(1, 30)])
        lane, nbytes = Lane("order", partition), sum(map(len, values))
        done[partition] += len(values)
        ticket = tracker.open(lane, first, done[partition], len(values))
        sources: list[Any] = list(values)
        assert queue.put(Chunk(lane, values, sources, ticket, nbytes), 10)
