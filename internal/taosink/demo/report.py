"""The demo's last word: a table for people, JSON for machines. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class DemoReport:
    """`stored` counts distinct (subtable, timestamp) in the database; `written_again` rows that were written onto
    an existing one; `consumers` the rows that each process stored by its own count."""

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
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return asdict(self)


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
    return Group(totals, *_verdict(report))


def _verdict(report: DemoReport) -> list[Text]:
    if report.agrees:
        return [Text("audit: every record is accounted for, device by device", style="green")]
    lines = [Text(f"audit: FAILED, {report.lost:,} neither stored nor dead-lettered", style="bold red")]
    return [*lines, *(Text(f"  {example}") for example in report.examples[:10])]
