"""Runs a load: start, connect, send, report, stop."""

import asyncio
import gc
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from taosdevice.link import Address
from taosink.demo.child import ChildError
from taosink.exits import Exit
from taosink.load.cluster import Cluster
from taosink.load.fleet import Fleet
from taosink.load.options import LoadOptions, TargetOptions
from taosink.load.process import Usage, raise_descriptors, usage
from taosink.load.report import Cost, LoadReport, render
from taosink.load.traffic import Traffic
from taosink.tools import Step, fail, progress, terminal

SPARE_DESCRIPTORS = 200
LOOK = 0.25
SETTLE = 1.0
"""Seconds between the last connection and the look at memory: what the connects have begun ends first."""


def run_load(load: LoadOptions, target: TargetOptions) -> int:
    """The whole run. Returns 0 where every connection was held and every request answered ok, 6 where not, 1
    where it could not be run, 3 where it was interrupted. Needs the main thread, for the signals."""
    stop = threading.Event()
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    allowed = raise_descriptors(load.connections + SPARE_DESCRIPTORS)
    notes = []
    if allowed < load.connections + SPARE_DESCRIPTORS:
        notes.append(f"this process may open {allowed:,} files: raise the hard limit (ulimit -Hn) for more")
    try:
        with tempfile.TemporaryDirectory(prefix="taosink-bench-") as directory:
            report = _with_gateway(load, target, Path(directory), stop, tuple(notes))
        _finish(report, target.report, terminal())
    except (ChildError, OSError, RunError) as error:
        return fail("bench ingress", error)
    except InterruptedLoadError:
        return Exit.ABANDONED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Exit.DRAINED if report.clean else Exit.FAULT_FOUND


class RunError(RuntimeError):
    """The run cannot be made."""


class InterruptedLoadError(Exception):
    """SIGINT or SIGTERM came: everything is stopped, in order."""


def _with_gateway(
    load: LoadOptions, target: TargetOptions, directory: Path, stop: threading.Event, notes: tuple[str, ...]
) -> LoadReport:
    # Not by an exception out of a signal's handler: a process that is just being started would be left behind.
    def look() -> None:
        if stop.is_set():
            raise InterruptedLoadError

    with progress() as step:
        if target.address is not None:
            run = Run(load, target.address, target.token, target.pid, step=step, notes=notes)
            return _in_loop(run, look)
        cluster = Cluster(target, directory, look)
        try:
            cluster.start()
            pid = cluster.gateway.process.pid
            run = Run(load, cluster.address, cluster.tokens, pid, step=step, notes=notes, check=cluster.check)
            return _in_loop(run, look)
        finally:
            cluster.stop()


def _in_loop(run: "Run", look: Callable[[], None]) -> LoadReport:
    try:
        import uvloop  # noqa: PLC0415 -- where it is installed
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_looking(run.whole(), look))


async def _looking(whole: Coroutine[Any, Any, LoadReport], look: Callable[[], None]) -> LoadReport:
    task = asyncio.create_task(whole)
    try:
        while not task.done():
            look()
            await asyncio.wait((task,), timeout=LOOK)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


class Run:
    """One run against a gateway that listens, on one loop. `check` raises where the run has lost its ground."""

    def __init__(
        self,
        load: LoadOptions,
        address: Address,
        token: Callable[[str], str] | None,
        pid: int,
        *,
        step: Step,
        notes: tuple[str, ...] = (),
        check: Callable[[], None] = lambda: None,
        settle: float = SETTLE,
    ) -> None:
        self._load, self._pid, self._step, self._notes, self._check = load, pid, step, notes, check
        self._traffic = Traffic(load)
        self._fleet = Fleet(load, address, token, self._traffic)
        self._settle = settle
        self._marks: list[tuple[float, float, Usage | None]] = []

    def __repr__(self) -> str:
        return f"<Run {self._fleet!r} {self._traffic!r}>"

    async def whole(self) -> LoadReport:
        """Raises RunError where no connection at all is taken."""
        before = usage(self._pid)
        took = await self._fleet.connect(lambda held: self._step("connected", held, self._load.connections))
        try:
            if not self._fleet.devices:
                raise RunError(f"no connection was taken: {dict(self._fleet.failed)}")
            self._step("connected", self._load.connections, self._load.connections)
            # What is there now stays: looking through it again and again would only make answers look slow.
            gc.collect()
            gc.freeze()
            await asyncio.sleep(self._settle)
            held = usage(self._pid)
            await self._send()
            return self._told(took, before, held)
        finally:
            await self._fleet.close()

    async def _send(self) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await self._traffic.run(self._fleet.devices, self._rate())
            await watching
        finally:
            watching.cancel()

    def _rate(self) -> float:
        """Idle devices show twice in a gateway's idle time that they live."""
        if self._load.mode != "idle":
            return self._load.rate
        idle = self._fleet.devices[0].limits.get("idleTimeoutMs")
        seconds = idle / 1000 if isinstance(idle, (int, float)) and idle > 0 else 300.0
        return 2 * len(self._fleet.devices) / seconds

    async def _watch(self) -> None:
        """Marks the measured time, and shows where the run stands."""
        load, began = self._load, time.monotonic()
        whole = load.warmup + load.duration
        for until in (load.warmup, whole):
            while (passed := time.monotonic() - began) < until:
                self._check()
                self._step("seconds", int(passed), int(whole))
                await asyncio.sleep(min(LOOK, until - passed))
            self._marks.append((time.monotonic(), time.process_time(), usage(self._pid)))

    def _told(self, took: float, before: Usage | None, held: Usage | None) -> LoadReport:
        load, traffic, fleet = self._load, self._traffic, self._fleet
        (began, own, _), (ended, own_end, _) = self._marks
        seconds = ended - began
        return LoadReport(
            mode=load.mode,
            connections_asked=load.connections,
            connections_held=len([d for d in fleet.devices if d.held]),
            connections_seconds=round(took, 2),
            connections_failed=dict(fleet.failed),
            closed=dict(traffic.closed),
            seconds=round(seconds, 2),
            rate_asked=round(self._rate(), 1),
            sent=traffic.sent,
            ok=traffic.answers,
            unanswered=traffic.unanswered,
            errors=dict(traffic.errors),
            requests_per_second=round(traffic.counted / load.duration, 1),
            records_per_second=round(traffic.counted * load.records_per_request / load.duration, 1),
            latency_ms={ack: found.told() for ack, found in traffic.latencies.items()},
            gateway=self._cost(seconds, before, held),
            load_cpu_share=round((own_end - own) / seconds, 3),
            load_late_ms=traffic.late.told(),
            cpus=os.cpu_count() or 1,
            load_average=round(os.getloadavg()[0], 2),
            notes=self._notes,
        )

    def _cost(self, seconds: float, before: Usage | None, held: Usage | None) -> Cost | None:
        (_, _, began), (_, _, ended) = self._marks
        if before is None or held is None or began is None or ended is None:
            return None
        cpu = ended.cpu - began.cpu
        return Cost(
            pid=self._pid,
            cpu_seconds=round(cpu, 2),
            cpu_share=round(cpu / seconds, 3),
            rss_before=before.rss,
            rss_held=held.rss,
            rss_after=ended.rss,
            rss_peak=ended.peak,
            bytes_per_connection=max(0, held.rss - before.rss) // len(self._fleet.devices),
        )


def _finish(report: LoadReport, file: Path | None, console: Console) -> None:
    console.print(render(report))
    if file is not None:
        file.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
