"""The gateway's metrics: every name, with its help and unit, and the cheap counting behind them."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from taosdevice.names import Code, Status
from taosink.observe.histogram import Spread

PREFIX = "taosink_ingress_"
OTHER = "other"
MOST_REASONS = 64
"""Label values of one kind. Reasons are constants of the program; past this one of them is no such thing."""


class Kind(NamedTuple):
    """A kind of `count`: its metric, help, and the label that its reason becomes. `known`: all there are, and
    what any other reason is taken for. `usual`: some of them, told from the start, since a rate that begins with the
    first event does not see that one."""

    name: str
    help: str
    label: str
    known: tuple[str, ...] = ()
    else_: str = OTHER
    usual: tuple[str, ...] = ()


class Family(NamedTuple):
    """A metric that no kind of `count` makes."""

    name: str
    help: str
    labels: tuple[str, ...]


_PURPOSES = ("readings", "requests", "segments", "own")
_REFUSED = ("too_many_connections", "too_many_of_address", "accept_failed", "shutting_down")
_CLOSED = (Code.REPLACED, Code.IDLE, Code.SLOW_READER, Code.FRAME_TOO_LARGE, Code.HANDSHAKE_TIMEOUT)
_REJECTED = (
    *(Code.BUSY, Code.RATE_LIMITED, Code.TOO_MANY_IN_FLIGHT, Code.RECORD_REJECTED, Code.BAD_MESSAGE),
    *(Code.UNAUTHORIZED, Code.TOKEN_EXPIRED, Code.WRONG_DEVICE, Code.UNKNOWN_ACTION),
)

KINDS: Mapping[str, Kind] = {
    "accepted": Kind(
        "connections_accepted_total", "Connections let in, by transport.", "transport", usual=("plain", "tls")
    ),
    "refused": Kind(
        "connections_refused_total",
        "Connections refused before a session was there.",
        "reason",
        usual=_REFUSED,
    ),
    "closed": Kind(
        "connections_closed_total", "Sessions that ended, by reason.", "reason", usual=("left", *_CLOSED)
    ),
    "request": Kind(
        "requests_total",
        "Requests of devices over TCP that were taken, by action; one that the gateway does not know is `application`.",
        "action",
        ("connect", "ping", "data", "batch", "command.result", "application"),
        "application",
    ),
    "answer": Kind(
        "answers_total",
        "Answers to devices over TCP, by status or error code.",
        "status",
        usual=get_args(Status),
    ),
    "reject": Kind(
        "rejects_total", "Requests and records that were rejected, by error code.", "reason", usual=_REJECTED
    ),
    "event": Kind("events_total", "Other events, by name.", "event", usual=("stored_timeout",)),
    "frames": Kind("frames_total", "Frames over TCP, by direction.", "direction", ("in", "out")),
    "bytes": Kind("bytes_total", "Bytes over TCP before TLS, by direction.", "direction", ("in", "out")),
    "records": Kind(
        "records_total", "Records of POST /records, by outcome.", "outcome", usual=("accepted", "stored")
    ),
    "auth": Kind("auth_total", "Decisions on devices' identity, by outcome.", "outcome"),
    "command": Kind("commands_total", "Commands that came to a state, by state.", "state"),
    "presence": Kind("presence_total", "What the presence topic made this gateway do, by effect.", "effect"),
    "published": Kind(
        "published_total", "Messages that Kafka acknowledged, by topic's purpose.", "purpose", _PURPOSES
    ),
    "failed": Kind(
        "publish_failed_total", "Messages that Kafka did not take, by topic's purpose.", "purpose", _PURPOSES
    ),
    "http_refused": Kind(
        "http_refused_total", "HTTP connections and heads refused before any route, by reason.", "reason"
    ),
    "segment": Kind("segments_total", "Segments of messages, by what became of them.", "outcome"),
}
STRANGE = Kind("other_total", "Events of a kind that has no metric of its own.", "reason")

GAUGES: Mapping[str, tuple[str, str]] = {
    "connections": ("connections", "Open TCP connections."),
    "connections_json": ("connections_json_lines", "Open TCP connections that speak JSON lines."),
    "connections_msgpack": ("connections_msgpack", "Open TCP connections that speak MessagePack."),
    "sessions": ("sessions", "Connections with a device bound to them."),
    "in_flight": ("requests_in_flight", "Requests of TCP devices that wait for their answer."),
    "owed": ("owed_answers", "Requests with ack=stored that wait for the worker's answer."),
    "kafka_waiting": ("publishing_records", "Messages handed to Kafka and not acknowledged yet."),
    "kafka_waiting_bytes": ("publishing_bytes", "Bytes of messages not acknowledged by Kafka yet."),
    "paused": ("paused_sockets", "Sockets that are not read, because Kafka or the device itself is slow."),
    "held_bytes": ("held_bytes", "Bytes of messages that wait for room towards Kafka."),
    "output_bytes": ("output_bytes", "Bytes written to sockets that their devices have not taken yet."),
    "presence": (
        "presence_entries",
        "Devices that presence has on record, at any gateway; for an hour also those that left.",
    ),
    "commands_queued": ("commands_queued", "Commands that wait for their device."),
    "commands_open": ("commands_open", "Commands that are not in a final state."),
    "http_connections": ("http_connections", "Open connections of the public HTTP listener."),
    "http_in_flight": ("http_requests_in_flight", "Requests of the public HTTP listener under way."),
    "http_body_bytes": ("http_body_bytes", "Bytes of bodies that are in memory for the public listener."),
    "ready": ("ready", "1 where new devices are welcome, else 0."),
}
LIMIT = Family("limit", "Bounds in force, by name and unit.", ("limit",))
ACKS = Family(
    "ack_seconds", "Seconds from a TCP request to its answer, by what the answer waited for.", ("ack",)
)
HTTP_REQUESTS = Family("http_requests_total", "HTTP requests answered.", ("listener", "route", "status"))
HTTP_SECONDS = Family(
    "http_request_seconds",
    "Seconds from an HTTP request's head to the end of its answer.",
    ("listener", "route"),
)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ACKS = ("kafka", "stored", "application")
_PLAIN = re.compile(r"[a-z][a-z0-9_.]{0,39}", re.ASCII)

Figures = Callable[[], Mapping[str, float]]


class _Times:
    """A histogram's counts; all its buckets are there from the start."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as the text format has them."""
        found, so_far = [], 0
        for bound, n in zip((*map(str, _BUCKETS), "+Inf"), self.counts, strict=True):
            so_far += n
            found.append((bound, float(so_far)))
        return found


class IngressMetrics(Collector):
    """Counts for the gateway (`ports.Counting`). One thread, the loop's, counts and scrapes: no lock is needed.

    Register it: `expose.registry().register(metrics)`. No label value comes from a device.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        # Where a reason is counted that is none of its kind's: found once, counted elsewhere ever after.
        self._others: dict[tuple[str, str], tuple[str, str]] = {}
        self._acks = {kind: _Times() for kind in (*_ACKS, OTHER)}
        self._http: dict[tuple[str, str, int], int] = {}
        self._http_times: dict[tuple[str, str], _Times] = {}
        self._figures: list[Figures] = []
        self._limits: dict[str, float] = {}
        for kind, told in KINDS.items():
            for reason in (*told.known, *told.usual):
                self._counts[kind, reason] = 0

    def __repr__(self) -> str:
        return f"<IngressMetrics series={len(self._counts) + len(self._http)}>"

    def count(self, kind: str, reason: str, n: int = 1) -> None:
        """One more event of this kind. A reason that is no short constant is counted as `other`."""
        try:
            self._counts[kind, reason] += n
        except KeyError:
            key = self._others.get((kind, reason)) or self._place(kind, reason)
            self._counts[key] = self._counts.get(key, 0) + n

    def took(self, kind: str, seconds: float) -> None:
        """The time from a request to its answer, by what the answer waited for."""
        self._acks[kind if kind in self._acks else OTHER].add(seconds)

    def http(self, listener: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request. `route` is a path as it stands in the routes, or `unknown`: never the path asked."""
        key = listener, route, status
        self._http[key] = self._http.get(key, 0) + 1
        times = self._http_times.get((listener, route))
        if times is None:
            times = self._http_times[listener, route] = _Times()
        times.add(seconds)

    def counted(self, kind: str, reason: str) -> int:
        """How often this was counted."""
        return self._counts.get((kind, reason), 0)

    def counts(self, kind: str) -> dict[str, int]:
        """What was counted of this kind, by reason; what never happened is left out."""
        return {reason: n for (k, reason), n in self._counts.items() if k == kind and n}

    def ack_times(self) -> dict[str, Spread]:
        """Seconds from request to answer, by what the answer waited for."""
        return {kind: Spread(_BUCKETS, tuple(t.counts), t.total) for kind, t in self._acks.items()}

    def figures(self) -> dict[str, float]:
        """The gauges as they stand."""
        told: dict[str, float] = {}
        for figures in self._figures:
            told.update(figures())
        return told

    def bounds(self) -> dict[str, float]:
        """What `limits` was told."""
        return dict(self._limits)

    def gauges(self, figures: Figures) -> None:
        """Asked at each scrape; keys are those of GAUGES, others are passed over."""
        self._figures.append(figures)

    def limits(self, limits: Mapping[str, float]) -> None:
        """Bounds that are in force, by a short name with its unit: `frame_bytes`, `connections`."""
        self._limits.update(limits)

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauge_families()
        yield _histogram(
            ACKS,
            {(kind,): times for kind, times in self._acks.items() if kind != OTHER or times.total},
        )
        requests = CounterMetricFamily(
            PREFIX + HTTP_REQUESTS.name, HTTP_REQUESTS.help, labels=HTTP_REQUESTS.labels
        )
        for (listener, route, status), n in sorted(self._http.items()):
            requests.add_metric((listener, route, str(status)), n)
        yield requests
        yield _histogram(HTTP_SECONDS, dict(sorted(self._http_times.items())))

    def _place(self, kind: str, reason: str) -> tuple[str, str]:
        """Where a pair that was not counted before is counted."""
        told = KINDS.get(kind)
        if told is None:
            key = self._bounded(OTHER, kind)
        elif told.known:
            key = (kind, told.else_)
        else:
            key = self._bounded(kind, reason)
        if key != (kind, reason) and len(self._others) < MOST_REASONS:
            self._others[kind, reason] = key
        return key

    def _bounded(self, kind: str, reason: str) -> tuple[str, str]:
        if (kind, reason) in self._counts:
            return kind, reason
        held = sum(1 for k, _ in self._counts if k == kind)
        return (kind, reason) if held < MOST_REASONS and _PLAIN.fullmatch(reason) else (kind, OTHER)

    def _counters(self) -> Iterator[Metric]:
        for kind, told in (*KINDS.items(), (OTHER, STRANGE)):
            found = sorted((reason, n) for (k, reason), n in self._counts.items() if k == kind)
            family = CounterMetricFamily(PREFIX + told.name, told.help, labels=(told.label,))
            for reason, n in found:
                family.add_metric((reason,), n)
            yield family

    def _gauge_families(self) -> Iterator[Metric]:
        told = self.figures()
        for key, (name, text) in GAUGES.items():
            if key in told:
                yield GaugeMetricFamily(PREFIX + name, text, value=float(told[key]))
        limits = GaugeMetricFamily(PREFIX + LIMIT.name, LIMIT.help, labels=LIMIT.labels)
        for name, bound in sorted(self._limits.items()):
            limits.add_metric((name,), bound)
        yield limits


def _histogram(what: Family, found: Mapping[tuple[str, ...], _Times]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(PREFIX + what.name, what.help, labels=what.labels)
    for values, times in found.items():
        family.add_metric(values, times.buckets(), times.total)
    return family
