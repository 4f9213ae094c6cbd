"""Whether the records of the topic fit into the database's tables: a few are read, and none is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from taosbatch import names
from taosbatch.encoding import Layout, Stable
from taosink import wiring
from taosink.doctor.bounded import Late, within
from taosink.doctor.database import told, what_to_do
from taosink.doctor.findings import Finding, Status, counted, failed, not_checked, ok, warning
from taosink.doctor.kafka_checks import Kafka
from taosink.doctor.taos_checks import SKEW, Taos
from taosink.kafka.topic_reader import Span, TopicReader
from taosink.kafka.topics import TopicError
from taosink.ports import Driver
from taosink.records.model import TAG, TIME_COLUMN
from taosink.taos import ddl
from taosink.taos.catalogue import read_table
from taosink.taos.errors import TaosError

MOST_PARTITIONS = 4
_LOG_APPEND_TIME = 2
_WORST_FIRST = (Status.FAILED, Status.WARNING, Status.NOT_CHECKED, Status.OK)


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest records of some partitions; `newest` is the latest stamp in seconds, `by_broker` whose it is."""

    values: Sequence[bytes] = ()
    newest: float | None = None
    by_broker: bool = False
    trouble: str = field(default="")


def check_rows(kafka: Kafka, taos: Taos, now: float) -> Iterator[Finding]:
    """Blocks for about twice the timeout at most. `now` is in seconds since 1970."""
    if not kafka.topics:
        yield not_checked("records", "there is no topic to read some from")
        sample = Sample()
    else:
        sample = _sampled(kafka)
        yield _readable(sample, taos)
        yield judge_stamps(sample, now)
    if taos.reached:
        yield _tables(sample, taos)


def _sampled(kafka: Kafka) -> Sample:
    try:
        return within(kafka.timeout * 2, lambda: _read(kafka))
    except Late:
        return Sample(trouble="the broker sent none in time")
    except TopicError as error:
        return Sample(trouble=str(error))


def _read(kafka: Kafka) -> Sample:
    """From the fullest partitions, the last ones: what consumers will meet next, or have just met."""
    most = kafka.sample
    values: list[bytes] = []
    stamps: list[tuple[int, int]] = []
    for topic in kafka.topics:
        own = [p for p in kafka.places if p.lane.topic == topic and p.high > p.low]
        fullest = sorted(own, key=lambda p: p.low - p.high)[:MOST_PARTITIONS]
        spans = [Span(p.lane.partition, max(p.low, p.high - most), p.high) for p in fullest]
        with TopicReader(kafka.properties, topic, timeout=kafka.timeout) as reader:
            for messages in reader.read(spans, idle=kafka.timeout):
                values += [m.value() or b"" for m in messages]
                stamps += [m.timestamp() for m in messages]
    newest = max(stamps, key=lambda stamp: stamp[1], default=None)
    if newest is None:
        return Sample(values)
    return Sample(values, newest[1] / 1000, newest[0] == _LOG_APPEND_TIME)


def _readable(sample: Sample, taos: Taos) -> Finding:
    if sample.trouble:
        return warning("records", f"none could be read: {sample.trouble}", "check the topic's partitions")
    if not sample.values:
        return not_checked("records", "the topic is empty")
    encoded = wiring.encoder(taos.settings.tables.route).encode(sample.values, _layout(taos), ())
    count = len(sample.values)
    if not encoded.rejects:
        return ok("records", f"the {count} newest become rows")
    reasons = Counter(str(r.reason) for r in encoded.rejects)
    shown = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common(3))
    detail = f"{len(encoded.rejects)} of the {count} newest cannot become rows ({shown})"
    first = f"the first: {encoded.rejects[0].detail[:100]}"
    return warning("records", detail, f"check codec and route, or they are dead-lettered; {first}")


def judge_stamps(sample: Sample, now: float) -> Finding:
    """Brokers tell no time but in their records' stamps, which mostly are their producers'. Pure."""
    check = "kafka clock"
    if sample.newest is None or sample.newest < 0:
        return not_checked(check, "brokers tell no time, and there is no record with a stamp")
    whose = "the broker" if sample.by_broker else "its producer"
    ahead = sample.newest - now
    if ahead > SKEW:
        detail = f"the newest record was stamped by {whose} {ahead:.0f} s ahead of this machine's clock"
        return warning(check, detail, "synchronize the clocks (NTP)")
    return ok(check, f"the newest record was stamped by {whose} {max(0.0, -ahead):.0f} s ago")


def _layout(taos: Taos) -> Layout:
    tables = taos.settings.tables
    supertable = "" if tables.route else names.fold(tables.supertable, tables.names_case)
    precision = taos.info.precision if taos.info else tables.precision
    return Layout(taos.database, supertable, tables.codec, precision, tables.names_case)


def _tables(sample: Sample, taos: Taos) -> Finding:
    def run() -> Finding:
        with closing(taos.driver()) as driver:
            return _compared(sample, taos, driver)

    try:
        return within(taos.timeout * 1.5, run)
    except Late:
        return failed(
            "supertable", f"no answer in {1.5 * taos.timeout:g} s", "look at the server: it may hang"
        )
    except TaosError as error:
        return failed("supertable", told(error), what_to_do(error))


def _compared(sample: Sample, taos: Taos, driver: Driver) -> Finding:
    layout, tables = _layout(taos), taos.settings.tables
    wanted = wiring.encoder(tables.route).infer(sample.values, layout) if sample.values else ()
    if not wanted:
        if not layout.supertable:
            return not_checked(
                "supertable", "the route names the tables, and there is no record to ask it about"
            )
        wanted = [
            Stable(layout.database, layout.supertable, ((TIME_COLUMN, "TIMESTAMP"),), ((TAG, "VARCHAR(1)"),))
        ]
    found = [_judge_table(driver, stable, taos, sampled=bool(sample.values)) for stable in wanted]
    return min(found, key=lambda finding: _WORST_FIRST.index(finding.status))


def _judge_table(driver: Driver, wanted: Stable, taos: Taos, *, sampled: bool) -> Finding:
    live = read_table(driver, wanted.database or taos.database, wanted.name)
    tables = taos.settings.tables
    return judge_table(wanted, live, create=tables.create, alter=tables.may_alter, sampled=sampled)


def judge_table(
    wanted: Stable, live: ddl.Table | None, *, create: bool, alter: bool, sampled: bool
) -> Finding:
    """A supertable as it is against what the sampled records (or the device mapping alone) need. Pure."""
    check, name = "supertable", wanted.name
    if live is None:
        if create:
            return ok(check, f"{name} does not exist yet; consumers create it from the first records")
        statement = ddl.create_stable(wanted) if sampled else "CREATE STABLE ..."
        return failed(check, f"{name} does not exist", f"set schema.create, or run: {statement}")
    other = _another(wanted, live)
    if other:
        return failed(check, other, "give another name in taos.supertable, or a route of your own")
    missing = ddl.alterations(live, wanted)
    shown = f"{name}: {counted(len(live.columns), 'column')}, {counted(len(live.tags), 'tag')}"
    if not missing:
        return ok(check, f"{shown}" + ("; the sampled records fit" if sampled else ""))
    statements = missing[0] + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    if alter:
        return ok(check, f"{shown}; consumers run: {statements}")
    do = f"set schema.alter, or run: {statements}; else such records are dead-lettered"
    return warning(check, f"{shown}, which do not hold all that the sampled records have", do)


def _another(wanted: Stable, live: ddl.Table) -> str:
    """Why this table is not the one that is meant; empty where it may be."""
    if not live.tags:
        return f"{wanted.name} is no supertable"
    first, own = next(iter(live.columns), ""), wanted.columns[0][0]
    return (
        ""
        if first == own
        else f"{wanted.name}: its time column is {first!r}, and records are written to {own!r}"
    )
