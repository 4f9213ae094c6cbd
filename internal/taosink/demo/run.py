"""Runs the demo: start, watch, audit, report, stop."""

import json
import signal
import threading
import time
from collections.abc import Callable, Hashable, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taosbatch.fnv import partition
from taosink.audit.fleet_audit import FleetVerdict, audit_fleet
from taosink.demo.child import ChildError
from taosink.demo.cluster import DATABASE, SUPERTABLE, TOPIC, Cluster, stats_of
from taosink.demo.devices import Devices
from taosink.demo.invitation import invitation
from taosink.demo.options import DemoOptions
from taosink.demo.report import DemoReport, gateway_report, render
from taosink.exits import Exit
from taosink.simulator.fleet import Fleet
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.embedded_stats import embedded_stats
from taosink.taos.errors import TaosError

TICK = 0.25
LAST_LINE = 2.0
"""Seconds: a consumer says what it stored once in each."""
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
    demo: Demo | None = None
    try:
        demo = Demo(options, console, stop, chaos)
        report = demo.run()
        return Exit.DRAINED if report.agrees else Exit.FAULT_FOUND
    except (ChildError, OSError, TaosError) as error:
        console.print(f"demo: {error}", style="bold red", highlight=False, markup=False)
        return Exit.CONFIGURATION
    except InterruptedDemoError:
        console.print("demo: interrupted; everything is stopped")
        return Exit.ABANDONED
    finally:
        if demo is not None:
            demo.cluster.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """One run, in one thread; the devices that send through the gateway have another."""

    def __init__(self, options: DemoOptions, console: Console, stop: threading.Event, chaos: Chaos) -> None:
        self._options = options
        self._console = console
        self._stop = stop
        self._chaos = chaos
        self._fleet = Fleet(options.fleet)
        self._shown: set[str] = set()
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
            everything = self._watch()
            seconds = time.monotonic() - started
            devices = by_consumer = None
            if self._options.devices and everything:
                by_consumer = self._gateway_there()
                devices = self._send_through()
            elif self._options.devices:
                # What did not move before would not move now: the devices would only wait their time away.
                self._say("no device sends through the gateway: the records before it did not all arrive")
            if not self._options.keep:
                self.cluster.stop_clients()
            report = self._report(seconds, by_consumer or self._by_consumer(), devices)
        finally:
            self._driver.close()
        self._finish(report)
        return report

    def _watch(self) -> bool:
        """Until all that was produced is stored or dead-lettered; False where it does not come to that."""
        options = self._options
        with self._progress() as progress:
            produced_bar = progress.add_task("produced", total=options.records)
            stored_bar = progress.add_task("stored", total=options.records - options.poison)

            def look() -> tuple[bool, Hashable]:
                counts = (self.cluster.produced, self._stored(), self.cluster.dead_lettered_by_consumers)
                progress.update(produced_bar, completed=counts[0])
                progress.update(stored_bar, completed=counts[1])
                self.cluster.check()
                self._chaos(self.cluster, counts[1])
                done = counts[1] >= options.records - options.poison and counts[2] >= options.poison
                return done, counts

            return self._until(look)

    def _gateway_there(self) -> Mapping[str, int]:
        """Starts the gateway, after the records: it takes nothing from them. Returns what each consumer had stored
        before any device sent."""
        gateway, said = self.cluster.start_gateway(), time.monotonic() + LAST_LINE

        def look() -> tuple[bool, Hashable]:
            self.cluster.check()
            told = sum(self._by_consumer().values()) >= self._options.records - self._options.poison
            return bool(self.cluster.gateway_at) and (told or time.monotonic() >= said), None

        if not self._until(look):
            raise ChildError(f"the gateway does not listen: {gateway.last_words()}")
        return self._by_consumer()

    def _send_through(self) -> Devices:
        """All devices, until each is answered or nothing moved for `patience` seconds."""
        fleet = Fleet(self._options.device_fleet)
        devices = Devices(fleet, f"tcp://{self.cluster.gateway_at['tcp']}", self.cluster.keys)
        devices.start()
        try:
            with self._progress() as progress:
                bar = progress.add_task("through gateway", total=fleet.total)

                def look() -> tuple[bool, Hashable]:
                    done = not devices.running
                    progress.update(bar, completed=devices.acknowledged)
                    self.cluster.check()
                    self._chaos(self.cluster, self._stored())
                    return done, devices.acknowledged

                self._until(look)
        finally:
            devices.end()
        return devices

    def _until(self, look: Callable[[], tuple[bool, Hashable]]) -> bool:
        """Looks on every tick until it is done; False where what is seen does not change for `patience` seconds."""
        moved, last = time.monotonic(), None
        while True:
            self._show_pages()
            done, seen = look()
            if done:
                return True
            if seen != last:
                last, moved = seen, time.monotonic()
            elif time.monotonic() - moved > self._options.patience:
                return False
            if self._stop.wait(TICK):
                raise InterruptedDemoError

    def _show_pages(self) -> None:
        """Each as soon as it is there: the records are gone in seconds, and whoever looks wants to see them move."""
        for name, url in self.cluster.pages.items():
            if name not in self._shown:
                until = (
                    ""
                    if self._shown or self._options.keep
                    else " (for the seconds that it runs: --keep leaves it up)"
                )
                self._shown.add(name)
                self._say(f"watch {name}: {url}{until}")

    def _stored(self) -> int:
        try:
            return int(self._driver.query(COUNT).rows[0][0])
        except TaosError:
            return 0  # database and supertable come with the first batch

    def _by_consumer(self) -> Mapping[str, int]:
        return {c.name: int(stats_of(c).get("stored", 0)) for c in self.cluster.consumers}

    def _report(self, seconds: float, by_consumer: Mapping[str, int], devices: Devices | None) -> DemoReport:
        letters = self.cluster.dead_letters()
        ours = [name for name in letters if devices is not None and name in devices.names]
        with self._progress() as progress:
            bar = progress.add_task("audited devices", total=self._options.tables)
            verdict = self._audit(
                self._fleet,
                len(letters) - len(ours),
                progress=lambda done: progress.update(bar, completed=done),
            )
        through = devices and self._audit(devices.fleet, len(ours))
        part = gateway_report(devices.told, through) if devices and through else None
        return DemoReport(
            produced=self.cluster.produced,
            stored=verdict.stored,
            lost=verdict.lost,
            dead_lettered=verdict.dead_lettered,
            written_again=int(embedded_stats(self.cluster.database_url)["rows_overwritten"]),
            merged=verdict.merged,
            seconds=round(seconds, 2),
            rows_per_second=int(verdict.stored / seconds),
            consumers=by_consumer,
            partitions=_per_partition(verdict, self._options.partitions),
            agrees=verdict.agrees and (part is None or part.agrees),
            gateway=part,
            examples=(*self.cluster.errors(), *verdict.examples, *(through.examples if through else ())),
        )

    def _audit(
        self, fleet: Fleet, dead_lettered: int, progress: Callable[[int], None] = lambda _: None
    ) -> FleetVerdict:
        return audit_fleet(
            fleet, self._driver, DATABASE, dead_lettered=dead_lettered, precision="ms", progress=progress
        )

    def _finish(self, report: DemoReport) -> None:
        self._console.print(render(report))
        if self._options.report is not None:
            self._options.report.write_text(json.dumps(report.as_json(), indent=2) + "\n")
        if self._options.keep:
            for line in invitation(self.cluster):
                self._say(line)
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
