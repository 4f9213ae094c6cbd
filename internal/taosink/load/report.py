"""What a run came to: JSON for machines, a table for people. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the gateway's process; sizes in bytes, `cpu_seconds` within the measured time."""

    pid: int
    cpu_seconds: float
    cpu_share: float
    rss_before: int
    rss_held: int
    rss_after: int
    rss_peak: int
    bytes_per_connection: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """`seconds` is the measured time, without the warm-up. `errors` are answers other than ok, by code; `closed`
    connections that the gateway ended or that broke; `load` is the tool's own share of a CPU, and how late it
    sent: where that is much, the figures are the tool's."""

    mode: str
    connections_asked: int
    connections_held: int
    connections_seconds: float
    connections_failed: Mapping[str, int]
    closed: Mapping[str, int]
    seconds: float
    rate_asked: float
    sent: int
    ok: int
    unanswered: int
    errors: Mapping[str, int]
    requests_per_second: float
    records_per_second: float
    latency_ms: Mapping[str, Mapping[str, float]]
    gateway: Cost | None
    load_cpu_share: float
    load_late_ms: Mapping[str, float]
    cpus: int
    load_average: float
    notes: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether every connection was held and every request answered ok."""
        whole = self.connections_held == self.connections_asked
        return whole and not (self.errors or self.closed or self.unanswered)

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"clean": self.clean}


def render(report: LoadReport) -> RenderableType:
    """The table that ends a run."""
    table = Table(title="taosink: load on a gateway", title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    held, seconds = report.connections_held, report.connections_seconds
    table.add_row("connections held", f"{held:,} of {report.connections_asked:,} in {seconds:.1f} s")
    if report.sent:
        _requests(table, report)
    if report.gateway is not None:
        _cost(table, report.gateway)
    table.add_section()
    late = report.load_late_ms
    table.add_row("this tool", f"{report.load_cpu_share:.0%} of a CPU, late p99 {late['p99']:.1f} ms")
    table.add_row("machine", f"{report.cpus} CPUs, load average {report.load_average:.1f}")
    return Group(table, *_faults(report), *(Text(note, style="yellow") for note in report.notes))


def _requests(table: Table, report: LoadReport) -> None:
    table.add_section()
    table.add_row("requests/s", f"{report.requests_per_second:,.0f}")
    if report.mode != "idle":
        table.add_row("records/s", f"{report.records_per_second:,.0f}")
    for ack, told in report.latency_ms.items():
        shown = " / ".join(f"{told[name]:,.1f}" for name in ("p50", "p90", "p99", "max"))
        name = "ping" if report.mode == "idle" else f"ack={ack}"
        table.add_row(f"{name} p50 / p90 / p99 / max", f"{shown} ms")


def _cost(table: Table, cost: Cost) -> None:
    table.add_section()
    table.add_row("gateway CPU", f"{cost.cpu_seconds:.1f} s, {cost.cpu_share:.0%} of a CPU")
    sizes = (cost.rss_before, cost.rss_held, cost.rss_after, cost.rss_peak)
    shown = " / ".join(f"{size / MIB:,.0f}" for size in sizes)
    table.add_row("memory before / held / after / peak", f"{shown} MiB")
    table.add_row("memory per connection", f"{cost.bytes_per_connection / 1024:.1f} KiB")


def _faults(report: LoadReport) -> list[Text]:
    told = {
        "connections failed": report.connections_failed,
        "connections ended": report.closed,
        "answers other than ok": report.errors,
        "requests": {"unanswered": report.unanswered} if report.unanswered else {},
    }
    lines = [
        Text(f"{what}: {', '.join(f'{code} {count:,}' for code, count in counts.items())}", style="bold red")
        for what, counts in told.items()
        if counts
    ]
    return lines or [Text("every connection was held, every request answered ok", style="green")]
