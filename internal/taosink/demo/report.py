"""The demo's last word: a table for people, JSON for machines. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taosink.audit.fleet_audit import FleetVerdict


@dataclass(frozen=True, slots=True)
class Told:
    """What the devices know: readings sent and acknowledged, and the seconds from each request to its answer."""

    sent: int
    acknowledged: int
    took: Sequence[float]
    seconds: float


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """The account of the devices that sent through the gateway, in readings. `acknowledged`: the device was told that
    it is stored; `lost` is what the database does not hold of all that they have, also where it was given up before it
    was sent. The times are those of requests of 10 readings: from sending to that answer."""

    devices: int
    sent: int
    acknowledged: int
    stored: int
    lost: int
    dead_lettered: int
    p50_ms: float
    p99_ms: float
    seconds: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class DemoReport:
    """`stored` counts distinct (subtable, timestamp) in the database; `written_again` rows of anybody that were
    written onto an existing one; `consumers` the rows that each process stored by its own count. All else is of the
    producer's records alone: `gateway` is the account of the others, None where there were none. `agrees` is said
    of both."""

    produced: int
    stored: int
    lost: int
    dead_lettered: int
    written_again: int
    merged: int
    seconds: float
    rows_per_second: int
    consumers: Mapping[str, int]
    partitions: Mapping[str, int]
    agrees: bool
    gateway: GatewayReport | None = None
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def gateway_report(told: Told, found: FleetVerdict) -> GatewayReport:
    """It agrees where every reading was sent, acknowledged, and is stored as it was sent."""
    return GatewayReport(
        devices=len(found.devices),
        sent=told.sent,
        acknowledged=told.acknowledged,
        stored=found.stored,
        lost=found.lost,
        dead_lettered=found.dead_lettered,
        p50_ms=round(1000 * percentile(told.took, 0.5), 1),
        p99_ms=round(1000 * percentile(told.took, 0.99), 1),
        seconds=round(told.seconds, 2),
        agrees=found.agrees and told.sent == told.acknowledged == found.produced,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; 0 of nothing."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)] if values else 0.0


def render(report: DemoReport) -> RenderableType:
    """The table that ends a run."""
    totals = Table(title="taosink: what became of every record", title_justify="left")
    totals.add_column("")
    totals.add_column("records", justify="right")
    for name, count in (
        ("produced", report.produced),
        ("stored", report.stored),
        ("dead-lettered", report.dead_lettered),
        ("merged (same timestamp)", report.merged),
        ("duplicates (written again)", report.written_again),
        ("lost", report.lost),
    ):
        totals.add_row(name, f"{count:,}")
    totals.add_section()
    for name, count in report.consumers.items():
        totals.add_row(f"stored by {name}", f"{count:,}")
    totals.add_section()
    for name, count in report.partitions.items():
        totals.add_row(f"stored of {name}", f"{count:,}")
    totals.add_section()
    totals.add_row("rows/s", f"{report.rows_per_second:,}")
    totals.add_row("seconds", f"{report.seconds:.1f}")
    if report.gateway is not None:
        return Group(totals, _gateway_table(report.gateway), *_verdict(report))
    return Group(totals, *_verdict(report))


def _gateway_table(part: GatewayReport) -> Table:
    table = Table(title="devices through the gateway", title_justify="left")
    table.add_column("")
    table.add_column("readings", justify="right")
    for name, count in (
        (f"sent by {part.devices:,} devices", part.sent),
        ("acknowledged as stored", part.acknowledged),
        ("stored", part.stored),
        ("dead-lettered", part.dead_lettered),
        ("lost", part.lost),
    ):
        table.add_row(name, f"{count:,}")
    table.add_section()
    table.add_row("ms to the answer, p50", f"{part.p50_ms:,.0f}")
    table.add_row("ms to the answer, p99", f"{part.p99_ms:,.0f}")
    return table


def _verdict(report: DemoReport) -> list[Text]:
    if report.agrees:
        return [Text("audit: every record is accounted for, device by device", style="green")]
    lost = report.lost + (report.gateway.lost if report.gateway is not None else 0)
    lines = [Text(f"audit: FAILED, {lost:,} neither stored nor dead-lettered", style="bold red")]
    part = report.gateway
    if part is not None and part.acknowledged < part.sent:
        lines.append(Text(f"  {part.sent - part.acknowledged:,} readings were not acknowledged as stored"))
    return [*lines, *(Text(f"  {example}") for example in report.examples[:10])]
