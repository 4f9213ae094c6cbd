"""The consumer's metrics: all of them, by name, and what is in them."""

import re
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.status_rig import A, B, StatusRig

from taosbatch.batch import Batch
from taosbatch.encoding import Encoded, Layout, Reason, Statement
from taosbatch.offsets import Lane
from taosink.kafka.source import View
from taosink.observe.expose import exposition, registry
from taosink.observe.health import CODES
from taosink.observe.histogram import Histogram
from taosink.observe.meters import MeteredDriver, MeteredEncoder, MeteredHandler
from taosink.observe.metrics import COUNTERS, GAUGES, HISTOGRAMS, INFO, PREFIX, ConsumerMetrics
from taosink.taos.errors import ErrorClass, TaosError

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(rig: StatusRig) -> Samples:
    made = registry()
    made.register(ConsumerMetrics(rig.parts, rig.facts, rig.looker.tick))
    body, _ = exposition(made, "")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_every_metric_that_is_named_is_exported() -> None:
    """Also where there is nothing to tell yet, so that dashboards and alerts find it; answers are off here."""
    made = registry()
    rig = StatusRig()
    made.register(ConsumerMetrics(rig.parts, rig.facts, rig.looker.tick))
    body, _ = exposition(made, "")
    told = set(re.findall(r"^# HELP (\S+)", body.decode(), re.MULTILINE))
    counters = {f"{PREFIX}{k.name}_total" for key, k in COUNTERS.items() if key != "replies"}
    others = {PREFIX + k.name for k in (*GAUGES.values(), *HISTOGRAMS.values())}
    assert counters | others <= told
    about = {"taosink_build_info", "taosink_consumer_info"}
    assert {name for name in told if name.startswith(PREFIX)} == counters | others | about


def test_names_and_helps_follow_the_conventions() -> None:
    """Base units in the name, a unit in the help, no label per device."""
    kinds = [INFO, *COUNTERS.values(), *GAUGES.values(), *HISTOGRAMS.values()]
    assert len({k.name for k in kinds}) == len(kinds)
    for kind in kinds:
        assert re.fullmatch(r"[a-z][a-z_]*", kind.name)
        assert kind.help.endswith(".")
        if kind is not INFO:
            assert set(kind.labels) <= {"topic", "partition", "reason", "class", "state", "part", "outcome"}
        for unit in ("seconds", "bytes"):
            if unit in kind.name:
                assert unit in kind.help.lower()


def test_what_happened_is_in_the_numbers() -> None:
    """Counts, classes, reasons; lag and its seconds per partition; where each partition stands."""
    rig = StatusRig()
    chunk = rig.deliver(A, b"1", b"2", stamp=990.0)
    chunk.ticket.done(1)
    rig.counters.stored(1)
    rig.counters.rejected("bad_value")
    rig.counters.dead_lettered()
    rig.counters.waited("unavailable")
    rig.counters.rebalanced(1.5)
    rig.source.lag = {A: 2, B: 0}
    rig.stop_by_poison(chunk)
    rig.letters.blocked = {"t.dlq": "not there"}
    rig.pass_time(5.0)
    found = scraped(rig)
    lane = (("partition", "0"), ("topic", "t"))
    expected = {
        ("taosink_records_consumed_total", lane): 2,
        ("taosink_records_stored_total", ()): 1,
        ("taosink_records_rejected_total", (("reason", "bad_value"),)): 1,
        ("taosink_records_dead_lettered_total", ()): 1,
        ("taosink_retries_total", (("class", "unavailable"),)): 1,
        ("taosink_rebalances_total", ()): 1,
        ("taosink_rebalance_seconds_total", ()): 1.5,
        ("taosink_committed_offset", lane): 0,
        ("taosink_lag_records", lane): 2,
        ("taosink_lag_seconds", lane): 15,
        ("taosink_lag_seconds", (("partition", "1"), ("topic", "t"))): 0,
        ("taosink_partitions", (("state", "stopped"),)): 1,
        ("taosink_partitions", (("state", "reading"),)): 1,
        ("taosink_queue_bytes", ()): 2,
        ("taosink_dead_letters_blocked", ()): 1,
        ("taosink_known_subtables", ()): 17,
        ("taosink_memory_budget_bytes", ()): 256 << 20,
        ("taosink_memory_used_bytes", (("part", "dead_letters"),)): 300,
        ("taosink_live", ()): 1,
        ("taosink_ready", ()): 0,
        ("taosink_unhealthy_reasons", (("reason", "breaker"),)): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_what_has_not_happened_yet_is_nought() -> None:
    """A rate needs a value before the first event: each reason, class, state, and each partition of an assignment."""
    found = scraped(StatusRig())
    for name, label, values in (
        ("records_rejected_total", "reason", Reason),
        ("retries_total", "class", [*ErrorClass, "other"]),
        ("statement_errors_total", "class", ErrorClass),
        ("unhealthy_reasons", "reason", CODES),
    ):
        told = {dict(labels)[label]: n for (metric, labels), n in found.items() if metric == PREFIX + name}
        assert told == dict.fromkeys(map(str, values), 0.0), name
    for number in "01":
        assert found["taosink_records_consumed_total", (("partition", number), ("topic", "t"))] == 0
    who = (("group", "g"), ("member", "taosink-test"), ("protocol", "consumer"))
    assert found["taosink_consumer_info", who] == 1


def test_a_batch_counts_once_it_is_written() -> None:
    """Not while it is put back, because nothing may be written; with what of it is written; and its time in the queue
    at the first try alone."""
    rig = StatusRig()
    meters, encoder = rig.meters, MeteredEncoder(OneStatement(rig), rig.meters)  # type: ignore[arg-type]  # infers nothing
    batch = Batch((rig.deliver(A, b"12", b"34"),), rig.now)
    idle = MeteredHandler(Once(lambda _: None), meters)
    for _ in range(50):
        idle(batch)
    assert meters.batch_records.spread().values == 0
    rig.now += 2.0
    handler = MeteredHandler(
        Once(lambda b: [encoder.encode(b.values(), Layout("d", "s"), ()) for _ in "123"]), meters
    )
    handler(batch)
    handler(Batch((batch.chunks[0].subset([0]),), batch.first_at))
    assert (meters.batch_records.spread().values, meters.batch_records.spread().total) == (2, 3)
    assert meters.batch_bytes.spread().total == 4 + 2
    assert (meters.queue_seconds.spread().values, meters.queue_seconds.spread().total) == (1, 2.0)


def test_series_grow_with_the_partitions_alone() -> None:
    """By four each: what was consumed, committed, is to go in records and in seconds."""
    rig = StatusRig()
    few = len(settled(rig, 2))
    assert len(settled(rig, 200)) - few == 4 * 198
    assert few < 250


def settled(rig: StatusRig, partitions: int) -> Samples:
    """What stands in an answer once so many partitions have been read; without the process's own figures."""
    lanes = [Lane("t", n) for n in range(partitions)]
    rig.tracker.assign(lanes, committed=dict.fromkeys(lanes, 0))
    rig.source.view = View(frozenset(lanes))
    rig.source.lag = dict.fromkeys(lanes, 1)
    for lane in lanes:
        rig.deliver(lane, b"1", stamp=990.0)
    return {key: n for key, n in scraped(rig).items() if key[0].startswith(PREFIX)}


class Once:
    """A handler that is one call."""

    def __init__(self, call: Callable[[Batch], object]) -> None:
        self._call = call

    def __call__(self, batch: Batch) -> None:
        self._call(batch)

    def close(self) -> None: ...


class ScriptedDriver:
    """Answers as told; notes where the meters see it while it is inside."""

    def __init__(self, rig: StatusRig, error: Exception | None) -> None:
        self._rig, self._error = rig, error
        self.inside: list[float] = []

    def execute(self, sql: bytes | str) -> int:
        del sql
        self.inside += self._rig.meters.last_calls().values()
        self._rig.now += 0.2
        if self._error is not None:
            raise self._error
        return 1

    def query(self, sql: str) -> object:
        return self.execute(sql)

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [None, TaosError(0x0020, "cannot connect")])
def test_a_statement_is_measured_however_it_ends(error: TaosError | None) -> None:
    """Its time and size; a refusal by its class; and the thread is known to be inside meanwhile."""
    rig = StatusRig()
    scripted = ScriptedDriver(rig, error)
    driver = MeteredDriver(scripted, rig.meters)  # type: ignore[arg-type]  # its query answers with a number
    if error is None:
        driver.execute(b"INSERT 1")
        driver.execute("CREATE TABLE x")  # no statement with rows
    else:
        with pytest.raises(TaosError):
            driver.execute(b"INSERT 1")
    assert set(scripted.inside) == {float("inf")}
    assert all(ended < float("inf") for ended in rig.meters.last_calls().values())
    found = scraped(rig)
    assert found["taosink_write_seconds_bucket", (("le", "0.25"),)] == 1
    assert found["taosink_write_seconds_bucket", (("le", "0.1"),)] == 0
    assert found["taosink_statement_bytes_sum", ()] == 8
    if error is not None:
        assert found["taosink_statement_errors_total", (("class", "unavailable"),)] == 1


class OneStatement:
    """An encoder that takes its time."""

    def __init__(self, rig: StatusRig) -> None:
        self._rig = rig

    def encode(self, *_: object) -> Encoded:
        self._rig.now += 0.004
        return Encoded([Statement(b"INSERT", memoryview(b"").cast("I"), (), ())], [])

    def infer(self, *_: object) -> list[object]:
        return []


def test_an_encoding_is_measured() -> None:
    """Once a batch."""
    rig = StatusRig()
    encoder = MeteredEncoder(OneStatement(rig), rig.meters)  # type: ignore[arg-type]  # infers nothing
    encoder.encode([b"1"], Layout("d", "s"), ())
    assert rig.meters.encode_seconds.spread().total == pytest.approx(0.004)


def test_a_value_at_a_bound_counts_in_its_bucket() -> None:
    """As Prometheus has it: `le`."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert histogram.spread() == ((1.0, 2.0), (2, 2, 1), 14.0)
    assert histogram.spread().values == 5
