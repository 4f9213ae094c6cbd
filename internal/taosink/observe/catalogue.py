"""Every metric in one list, and the document that is made from it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from taosink.observe import ingress_metrics as gateway
from taosink.observe import metrics as consumer

_PROGRAM = "The program that answers."
_ABOUT = """\
For Prometheus, at `/metrics` of the consumer's status listener and of the gateway's admin listener; in the OpenMetrics
form where that is asked for. No label comes from a device: beside topic and partition each has a bounded set of values.
A histogram stands there as `_bucket`, `_sum` and `_count`. `process_*` and `python_*` are the process's own figures.

What to watch of these stands in `deployments/prometheus/alerts.yml`, what to do about it in [RUNBOOK.md](RUNBOOK.md);
`deployments/grafana/dashboards/taosink.json` shows them."""


class Listed(NamedTuple):
    """A metric as it stands in an answer, without what a histogram puts behind its name. `kind`: counter, gauge,
    histogram or info."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def consumers() -> Iterator[Listed]:
    """What `taosink consumer` exports."""
    yield Listed("taosink_build_info", "info", ("version",), _PROGRAM)
    info = consumer.INFO
    yield Listed(f"{consumer.PREFIX}{info.name}_info", "info", info.labels, info.help)
    for kind in consumer.COUNTERS.values():
        yield Listed(f"{consumer.PREFIX}{kind.name}_total", "counter", kind.labels, kind.help)
    for kind in consumer.GAUGES.values():
        yield Listed(consumer.PREFIX + kind.name, "gauge", kind.labels, kind.help)
    for kind in consumer.HISTOGRAMS.values():
        yield Listed(consumer.PREFIX + kind.name, "histogram", kind.labels, kind.help)


def gateways() -> Iterator[Listed]:
    """What `taosink ingress` exports."""
    prefix = gateway.PREFIX
    yield Listed("taosink_build_info", "info", ("version",), _PROGRAM)
    for kind in (*gateway.KINDS.values(), gateway.STRANGE):
        yield Listed(prefix + kind.name, "counter", (kind.label,), kind.help)
    for name, text in gateway.GAUGES.values():
        yield Listed(prefix + name, "gauge", (), text)
    for told, kind_of in (
        (gateway.LIMIT, "gauge"),
        (gateway.ACKS, "histogram"),
        (gateway.HTTP_REQUESTS, "counter"),
        (gateway.HTTP_SECONDS, "histogram"),
    ):
        yield Listed(prefix + told.name, kind_of, told.labels, told.help)


def metrics_document() -> str:
    """docs/METRICS.md."""
    return "\n".join(
        (
            "# Metrics of taosink",
            "",
            "<!-- Generated from the metrics' own tables; `make docs` writes it anew. -->",
            "",
            _ABOUT,
            "",
            "## `taosink consumer`",
            "",
            *_table(consumers()),
            "",
            "## `taosink ingress`",
            "",
            *_table(gateways()),
            "",
        )
    )


def _table(listed: Iterable[Listed]) -> Iterator[str]:
    yield "| Metric | Type | Labels | Meaning |"
    yield "|---|---|---|---|"
    for one in listed:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        yield f"| `{one.name}` | {one.kind} | {labels} | {one.help} |"
