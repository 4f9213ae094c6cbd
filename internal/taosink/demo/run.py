"""Runs the demo: start, watch, audit, report, stop."""

import json
import signal
import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taosbatch.fnv import partition
from taosink.audit.fleet_audit import FleetVerdict, audit_fleet
from taosink.demo.child import ChildError
from taosink.demo.cluster import DATABASE, SUPERTABLE, TOPIC, Cluster, stats_of
from taosink.demo.options import DemoOptions
from taosink.demo.report import DemoReport, render
from taosink.exits import Exit
from taosink.simulator.fleet import Fleet
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.embedded_stats import embedded_stats
from taosink.taos.errors import TaosError

TICK = 0.25
COUNT = f"SELECT COUNT(*) FROM `{DATABASE}`.`{SUPERTABLE}`"  # noqa: S608 - both names are constants

Chaos = Callable[[Cluster, int], None]
"""Called on every tick with the cluster and the rows stored so far: what a test does to a run."""


class InterruptedDemoError(Exception):
    """SIGINT or SIGTERM came: everything is stopped, in order."""


def run(options: DemoOptions, *, chaos: Chaos = lambda _cluster, _stored: None) -> int:
    """The whole demo. Returns 0 if the audit agrees, 6 if not, 1 if it could not be run, 3 if it was interrupted.
    Needs the main thread, for the signals."""
    stop = threading.Event()
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    console = Console()
    demo = Demo(options, console, stop, chaos)
    try:
        report = demo.run()
        return Exit.DRAINED if report.agrees else Exit.FAULT_FOUND
    except (ChildError, TaosError) as error:
        console.print(f"demo: {error}", style="bold red", highlight=False, markup=False)
        return Exit.CONFIGURATION
    except InterruptedDemoError:
        console.print("demo: interrupted; everything is stopped")
        return Exit.ABANDONED
    finally:
        demo.cluster.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """One run, in one thread."""

    def __init__(self, options: DemoOptions, console: Console, stop: threading.Event, chaos: Chaos) -> None:
        self._options = options
        self._console = console
        self._stop = stop
        self._chaos = chaos
        self._fleet = Fleet(options.fleet)
        self.cluster = Cluster(options)

    def run(self) -> DemoReport:
        """Blocks until the report is shown (with `keep`, until a signal comes)."""
        self.cluster.start()
        self._say(f"embedded broker {self.cluster.brokers}, embedded database {self.cluster.database_url}")
        for _ in range(self._options.consumers):
            self.cluster.add_consumer()
        started = time.monotonic()
        self.cluster.start_producer()
        self._driver = connect(parse(self.cluster.taosuri))
        try:
            self._watch()
            seconds = time.monotonic() - started
            if not self._options.keep:
                self.cluster.stop_clients()
            report = self._report(seconds)
        finally:
            self._driver.close()
        self._finish(report)
        return report

    def _watch(self) -> None:
        """Until all that was produced is stored or dead-lettered, or nothing moved for `patience` seconds."""
        options, moved, last = self._options, time.monotonic(), (-1, -1, -1)
        with self._progress() as progress:
            produced_bar = progress.add_task("produced", total=options.records)
            stored_bar = progress.add_task("stored", total=options.records - options.poison)
            while True:
                counts = (self.cluster.produced, self._stored(), self.cluster.dead_lettered_by_consumers)
                progress.update(produced_bar, completed=counts[0])
                progress.update(stored_bar, completed=counts[1])
                self.cluster.check()
                self._chaos(self.cluster, counts[1])
                if counts[1] >= options.records - options.poison and counts[2] >= options.poison:
                    return
                if counts != last:
                    last, moved = counts, time.monotonic()
                elif time.monotonic() - moved > options.patience:
                    return
                if self._stop.wait(TICK):
                    raise InterruptedDemoError

    def _stored(self) -> int:
        try:
            return int(self._driver.query(COUNT).rows[0][0])
        except TaosError:
            return 0  # database and supertable come with the first batch

    def _report(self, seconds: float) -> DemoReport:
        with self._progress() as progress:
            bar = progress.add_task("audited devices", total=self._options.tables)
            verdict = audit_fleet(
                self._fleet,
                self._driver,
                DATABASE,
                dead_lettered=self.cluster.dead_lettered(),
                precision="ms",
                progress=lambda done: progress.update(bar, completed=done),
            )
        return DemoReport(
            produced=self.cluster.produced,
            stored=verdict.stored,
            lost=verdict.lost,
            dead_lettered=verdict.dead_lettered,
            written_again=int(embedded_stats(self.cluster.database_url)["rows_overwritten"]),
            merged=verdict.merged,
            seconds=round(seconds, 2),
            rows_per_second=int(verdict.stored / seconds),
            consumers={c.name: int(stats_of(c).get("stored", 0)) for c in self.cluster.consumers},
            partitions=_per_partition(verdict, self._options.partitions),
            agrees=verdict.agrees,
            examples=(*self.cluster.errors(), *verdict.examples),
        )

    def _finish(self, report: DemoReport) -> None:
        self._console.print(render(report))
        if self._options.report is not None:
            self._options.report.write_text(json.dumps(report.as_json(), indent=2) + "\n")
        if self._options.keep:
            self._say(f"broker {self.cluster.brokers}, topic {TOPIC}")
            self._say(f"database {self.cluster.taosuri}")
            self._say("everything stays up until Ctrl-C")
            self._stop.wait()

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )


def _per_partition(verdict: FleetVerdict, partitions: int) -> dict[str, int]:
    counts = dict.fromkeys(range(partitions), 0)
    for device in verdict.devices:
        counts[partition(device.device, partitions)] += device.stored
    return {f"{TOPIC}/{p}": n for p, n in counts.items()}
