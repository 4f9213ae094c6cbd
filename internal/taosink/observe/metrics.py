"""The consumer's metrics: every name with its help and unit, and where its value comes from at a scrape."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from taosbatch.encoding import Reason
from taosink.observe.health import CODES
from taosink.observe.histogram import Spread
from taosink.observe.status.document import memory_used
from taosink.observe.status.look import Look
from taosink.observe.status.parts import Facts, Parts
from taosink.taos.errors import ErrorClass

PREFIX = "taosink_"
STATES = ("reading", "paused", "waiting", "stopped", "blocked")
"""Of a partition: read; held back because the queue is full; without a known start; by its breaker; by an operator."""


class Kind(NamedTuple):
    """A metric: its name behind the prefix, its help with the unit, and its labels. `known` values of its one label
    are there from the start: a rate that begins with the first event does not see that one."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


LANE = ("topic", "partition")
_CLASSES = tuple(ErrorClass)
INFO = Kind(
    "consumer",
    "Which member of which group this is, and by which group protocol.",
    ("group", "member", "protocol"),
)
COUNTERS = {
    "consumed": Kind("records_consumed", "Records delivered by Kafka, per partition.", LANE),
    "consumed_bytes": Kind("consumed_bytes", "Bytes of delivered records, as the memory budget counts them."),
    "stored": Kind("records_stored", "Records that TDengine acknowledged; one sent again counts again."),
    "rejected": Kind(
        "records_rejected", "Records handed to the dead letters, by reason.", ("reason",), tuple(Reason)
    ),
    "dead_lettered": Kind("records_dead_lettered", "Records whose dead letter the broker acknowledged."),
    "retries": Kind(
        "retries",
        "Times that rows of a batch were handed back to wait, by class of the cause.",
        ("class",),
        (*_CLASSES, "other"),
    ),
    "refusals": Kind(
        "statement_errors",
        "Statements that TDengine refused or did not answer, by error class.",
        ("class",),
        _CLASSES,
    ),
    "rebalances": Kind("rebalances", "Assignments by the group, the first one too."),
    "rebalance_seconds": Kind(
        "rebalance_seconds", "Seconds between giving up partitions and the next assignment."
    ),
    "commits_failed": Kind("commits_failed", "Commits that the broker did not take; tried again."),
    "lost_by_broker": Kind(
        "records_lost_by_broker", "Records that the broker removed before they were read (retention)."
    ),
    "replies": Kind("replies", "Answers to devices about stored records, by outcome.", ("outcome",)),
}
GAUGES = {
    "committed": Kind("committed_offset", "Offset that the group has committed, per partition.", LANE),
    "lag": Kind("lag_records", "Records between the committable offset and the end, per partition.", LANE),
    "lag_seconds": Kind(
        "lag_seconds", "Age of the oldest record that is not stored, in seconds; 0 when idle.", LANE
    ),
    "partitions": Kind("partitions", "Partitions of this member, by state.", ("state",), STATES),
    "breakers": Kind("breakers_open", "Partitions stopped because most of their records cannot be stored."),
    "queue_bytes": Kind("queue_bytes", "Bytes of records that wait in the queue."),
    "queue_records": Kind("queue_records", "Records that wait in the queue."),
    "queue_fill": Kind("queue_fill_ratio", "How full the queue is, 1 is full."),
    "dead_letters": Kind("dead_letters_unacknowledged", "Dead letters on their way to the broker."),
    "blocked": Kind("dead_letters_blocked", "Dead-letter topics that take no letter now."),
    "known": Kind("known_subtables", "Subtables known to exist, which are written without USING."),
    "budget": Kind("memory_budget_bytes", "Memory for records, from prefetch to the statement, in bytes."),
    "memory": Kind("memory_used_bytes", "Bytes of records held, as the budget counts them.", ("part",)),
    "busy": Kind("workers_busy", "Workers that write a batch at this moment."),
    "workers": Kind("workers_alive", "Worker threads that run."),
    "waiting": Kind(
        "database_wait_seconds", "Seconds for which rows have waited for TDengine; 0 if none do."
    ),
    "desired": Kind(
        "desired_consumers",
        "This member's share of the consumers needed: (records arriving a second + lag / 60 s) / the most records a "
        "second that it stored in the last 5 minutes, at most its partitions. Sum over members and round up.",
    ),
    "live": Kind("live", "1 while every loop comes round."),
    "ready": Kind("ready", "1 while it is assigned and nothing blocks it."),
    "healthy": Kind("healthy", "1 while nothing is wrong."),
    "unhealthy": Kind("unhealthy_reasons", "Things that are wrong, by reason.", ("reason",), CODES),
}
HISTOGRAMS = {
    "queue_seconds": Kind(
        "queue_seconds",
        "Seconds from a batch's first record to its first write; what was tried before is not counted.",
    ),
    "encode_seconds": Kind("encode_seconds", "Seconds to make statements of a batch."),
    "write_seconds": Kind("write_seconds", "Seconds until TDengine answered a statement."),
    "batch_records": Kind(
        "batch_records", "Records in a batch that is written; one tried again counts again."
    ),
    "batch_bytes": Kind("batch_bytes", "Bytes of a batch that is written, as the memory budget counts them."),
    "statement_bytes": Kind("statement_bytes", "Bytes of an INSERT statement."),
}


class ConsumerMetrics(Collector):
    """Collects at the scrape, from what the consumer counts anyway; `look` is called once for each."""

    def __init__(self, parts: Parts, facts: Facts, look: Callable[[], Look]) -> None:
        self._parts = parts
        self._facts = facts
        self._look = look

    def __repr__(self) -> str:
        return f"<ConsumerMetrics {self._facts.member}>"

    def describe(self) -> list[Metric]:
        """The names alone, so that registering one takes no look at a consumer."""
        kinds = [INFO, *COUNTERS.values(), *GAUGES.values(), *HISTOGRAMS.values()]
        return [GaugeMetricFamily(PREFIX + kind.name, kind.help) for kind in kinds]

    def collect(self) -> Iterator[Metric]:
        look, parts = self._look(), self._parts
        yield self._info()
        yield from self._counted(look)
        yield from self._per_partition(look)
        yield from self._measured(look)
        yield from _health(look)
        for key, kind in HISTOGRAMS.items():
            yield _histogram(kind, getattr(parts.meters, key).spread())

    def _info(self) -> Metric:
        about = {
            "group": self._facts.group,
            "member": self._facts.member,
            "protocol": self._parts.source.protocol,
        }
        return InfoMetricFamily(PREFIX + INFO.name, INFO.help, about)

    def _counted(self, look: Look) -> Iterator[Metric]:
        counts, parts = look.counts, self._parts
        # Those of an assignment count from nought, or a rate would not see their first second.
        lanes = dict.fromkeys((p.lane for p in look.partitions), 0) | counts.per_lane
        by_lane = {(lane.topic, str(lane.partition)): n for lane, n in lanes.items()}
        yield _family(CounterMetricFamily, COUNTERS["consumed"], by_lane)
        yield _one(CounterMetricFamily, COUNTERS["consumed_bytes"], counts.consumed_bytes)
        yield _one(CounterMetricFamily, COUNTERS["stored"], counts.stored)
        yield _family(CounterMetricFamily, COUNTERS["rejected"], _labelled(counts.rejected_by_reason))
        yield _one(CounterMetricFamily, COUNTERS["dead_lettered"], counts.dead_lettered)
        yield _family(CounterMetricFamily, COUNTERS["retries"], _labelled(counts.waits_by_class))
        yield _family(CounterMetricFamily, COUNTERS["refusals"], _labelled(parts.meters.refusals()))
        yield _one(CounterMetricFamily, COUNTERS["rebalances"], counts.rebalances)
        yield _one(CounterMetricFamily, COUNTERS["rebalance_seconds"], counts.rebalance_seconds)
        yield _one(CounterMetricFamily, COUNTERS["commits_failed"], counts.commits_failed)
        yield _one(CounterMetricFamily, COUNTERS["lost_by_broker"], counts.lost_by_broker)
        if parts.replies is not None:
            yield _family(CounterMetricFamily, COUNTERS["replies"], _labelled(parts.replies.counts()))

    def _per_partition(self, look: Look) -> Iterator[Metric]:
        committed, lag, seconds = {}, {}, {}
        for p in look.partitions:
            labels = (p.lane.topic, str(p.lane.partition))
            if p.offsets is not None and p.offsets.committed is not None:
                committed[labels] = p.offsets.committed
            if p.lag is not None:
                lag[labels] = p.lag
            if p.lag_seconds is not None:
                seconds[labels] = p.lag_seconds
        yield _family(GaugeMetricFamily, GAUGES["committed"], committed)
        yield _family(GaugeMetricFamily, GAUGES["lag"], lag)
        yield _family(GaugeMetricFamily, GAUGES["lag_seconds"], seconds)
        states = [p.state for p in look.partitions]
        yield _family(GaugeMetricFamily, GAUGES["partitions"], _labelled(Counter(states)))
        yield _one(GaugeMetricFamily, GAUGES["breakers"], states.count("stopped"))

    def _measured(self, look: Look) -> Iterator[Metric]:
        parts, queue = self._parts, self._parts.queue
        yield _one(GaugeMetricFamily, GAUGES["queue_bytes"], queue.nbytes)
        yield _one(GaugeMetricFamily, GAUGES["queue_records"], queue.records)
        yield _one(GaugeMetricFamily, GAUGES["queue_fill"], queue.fill)
        yield _one(GaugeMetricFamily, GAUGES["dead_letters"], look.letters.unacknowledged)
        yield _one(GaugeMetricFamily, GAUGES["blocked"], len(look.letters.blocked))
        yield _one(GaugeMetricFamily, GAUGES["known"], parts.known_tables())
        yield _one(GaugeMetricFamily, GAUGES["budget"], self._facts.budget)
        yield _family(GaugeMetricFamily, GAUGES["memory"], _labelled(memory_used(look, parts)))
        yield _one(GaugeMetricFamily, GAUGES["busy"], len(parts.pool.busy_since()))
        yield _one(GaugeMetricFamily, GAUGES["workers"], parts.pool.alive)
        wait = look.state.database
        yield _one(GaugeMetricFamily, GAUGES["waiting"], look.now - wait.since if wait else 0.0)
        yield _one(GaugeMetricFamily, GAUGES["desired"], look.speed.desired_consumers)


def _health(look: Look) -> Iterator[Metric]:
    health = look.health
    yield _one(GaugeMetricFamily, GAUGES["live"], not health.live)
    yield _one(GaugeMetricFamily, GAUGES["ready"], not health.ready)
    yield _one(GaugeMetricFamily, GAUGES["healthy"], not health.healthy)
    yield _family(
        GaugeMetricFamily, GAUGES["unhealthy"], _labelled(Counter(reason.code for reason in health.healthy))
    )


def _labelled(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(str(label),): value for label, value in values.items()}


def _one(family: type[CounterMetricFamily | GaugeMetricFamily], kind: Kind, value: float) -> Metric:
    return family(PREFIX + kind.name, kind.help, value=float(value))


def _family(
    family: type[CounterMetricFamily | GaugeMetricFamily], kind: Kind, values: Mapping[Any, float]
) -> Metric:
    made = family(PREFIX + kind.name, kind.help, labels=kind.labels)
    for labels, value in (dict.fromkeys(((str(known),) for known in kind.known), 0.0) | dict(values)).items():
        made.add_metric(labels, float(value))
    return made


def _histogram(kind: Kind, spread: Spread) -> Metric:
    """Buckets in the library's form: cumulative, with their upper bounds as text."""
    buckets, so_far = [], 0
    for bound, count in zip((*spread.bounds, float("inf")), spread.counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(so_far)))
    return HistogramMetricFamily(PREFIX + kind.name, kind.help, buckets=buckets, sum_value=spread.total)
