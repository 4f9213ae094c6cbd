"""The main job as a user runs it, and what happens to it when consumers die."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from taosink.audit.fleet_audit import FleetVerdict
from taosink.demo.child import Child
from taosink.demo.cluster import DATABASE, Cluster
from taosink.demo.options import DemoOptions
from taosink.demo.report import Told, gateway_report, percentile
from taosink.demo.run import Chaos, run
from taosink.taos.address import parse
from taosink.taos.drivers import connect

LAUNCHER = (sys.executable, "-m", "taosink_cli")


def played(tmp_path: Path, chaos: Chaos = lambda _c, _n: None, **options: Any) -> tuple[int, dict[str, Any]]:
    report = tmp_path / "report.json"
    code = run(DemoOptions(launcher=LAUNCHER, report=report, **options), chaos=chaos)
    return code, json.loads(report.read_text())


def test_demo_command_writes_the_verdict_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Piped output is the table alone; the report holds every promised field; the exit code is the audit's."""
    report = tmp_path / "verdict.json"
    command = [*LAUNCHER, "demo", "--records", "5000", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "every record is accounted for" in done.stdout
    verdict = json.loads(report.read_text())
    assert verdict["produced"] == verdict["stored"] == 5000
    assert verdict["lost"] == verdict["dead_lettered"] == verdict["written_again"] == 0
    assert verdict["rows_per_second"] > 0
    assert verdict["seconds"] > 0
    assert sum(verdict["consumers"].values()) == 5000
    assert len(verdict["consumers"]) == 2
    gateway = verdict["gateway"]
    assert (gateway["devices"], gateway["sent"], gateway["acknowledged"]) == (20, 2000, 2000)
    assert (gateway["stored"], gateway["lost"], gateway["dead_lettered"]) == (2000, 0, 0)
    assert 0 < gateway["p50_ms"] <= gateway["p99_ms"]
    assert "sent by 20 devices" in done.stdout


def test_poison_is_dead_lettered_and_costs_no_neighbour(tmp_path: Path) -> None:
    """Every broken record has its letter, and every other record is stored. Without devices there is no gateway."""
    started: set[bool] = set()
    code, verdict = played(
        tmp_path,
        lambda cluster, _: started.add(cluster.gateway is not None),
        records=20_000,
        poison=50,
        devices=0,
    )
    assert code == 0
    assert started == {False}
    assert verdict["gateway"] is None
    assert (verdict["stored"], verdict["dead_lettered"], verdict["lost"]) == (19_950, 50, 0)


class KillAndRestart:
    """Kills one consumer at a third of the run, drains and replaces the other at two thirds."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.done: list[str] = []

    def __call__(self, cluster: Cluster, stored: int) -> None:
        if "killed" not in self.done and stored > self.records // 5:
            cluster.consumers[0].process.kill()
            self.done.append("killed")
        elif "drained" not in self.done and stored > self.records // 3:
            code = cluster.consumers[1].stop(signal.SIGTERM)
            assert code == 0, cluster.consumers[1].last_words()
            cluster.add_consumer()
            self.done.append("drained")


@pytest.mark.parametrize("records", [60_000])
def test_kill_and_restart_lose_nothing(tmp_path: Path, records: int) -> None:
    """One consumer is killed in mid-run, the other drained and replaced: the audit still says lost 0."""
    chaos = KillAndRestart(records)
    code, verdict = played(tmp_path, chaos, records=records)
    assert chaos.done == ["killed", "drained"]
    assert code == 0, verdict
    assert (verdict["stored"], verdict["lost"]) == (records, 0)
    assert (verdict["gateway"]["acknowledged"], verdict["gateway"]["lost"]) == (2000, 0)


def test_a_reading_that_was_acknowledged_and_is_gone_fails_the_run(tmp_path: Path) -> None:
    """The exit code counts the devices' readings too, and the account of the records stays as it is."""

    def drop(cluster: Cluster, stored: int) -> None:
        if stored == 1000 + 300:
            driver = connect(parse(cluster.taosuri))
            driver.execute(f"DROP TABLE `{DATABASE}`.`gw1`")
            driver.close()

    code, verdict = played(tmp_path, drop, records=1000, devices=3, consumers=1)
    assert code == 6
    assert (verdict["stored"], verdict["lost"], verdict["agrees"]) == (1000, 0, False)
    gateway = verdict["gateway"]
    assert (gateway["acknowledged"], gateway["lost"], gateway["agrees"]) == (300, 100, False)
    assert any("gw1 at" in example for example in verdict["examples"])


class DemoProcess(Child):
    """`taosink demo` by its output, whose last line before it waits is known."""

    def __init__(self, *flags: str) -> None:
        super().__init__("demo", [*LAUNCHER, "demo", *flags])

    def said(self) -> list[str]:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line.rstrip())
            if "until Ctrl-C" in line:
                break
        return lines


def test_what_stays_up_can_be_spoken_to_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line for nc is taken by the gateway and its reading stored; nobody else can read the key; all of it ends."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    demo = DemoProcess("--records", "1000", "--devices", "2", "--consumers", "1", "--keep")
    try:
        lines = demo.said()
        (keys,) = tmp_path.glob("taosink-demo-*/keys")
        assert keys.stat().st_mode & 0o777 == 0o600
        (talk,) = [line for line in lines if "| nc " in line]
        host, number = talk.rpartition("| nc ")[2].split()
        with socket.create_connection((host, int(number)), 30) as device, device.makefile("r") as answers:
            for message in re.findall("echo '([^']*)'", talk):
                device.sendall(message.encode() + b"\n")
                answer = json.loads(answers.readline())
                assert answer["status"] == "ok", answer
        assert answer["action"] == "data.response"
        assert sum("/status.json" in line for line in lines) == 1
        watched = [line for line in lines if line.startswith("watch ")]
        assert lines.index(watched[0]) < next(n for n, line in enumerate(lines) if "every record" in line)
        pages = {found for line in watched for found in re.findall(r"http://\S+/(?= |$)", line)}
        assert len(pages) == 2
        for page in pages:
            with urllib.request.urlopen(page, timeout=10) as shown:
                assert b"<title>taosink" in shown.read()
    finally:
        assert demo.stop(signal.SIGINT) == 0
    assert not list(tmp_path.iterdir())


def test_a_reading_that_nobody_acknowledged_is_no_agreement() -> None:
    """Stored or not: the device was owed an answer."""
    found = FleetVerdict(devices=[], produced=20, poison=0, dead_lettered=0)
    assert gateway_report(Told(20, 20, [0.1, 0.3], 1.0), found).agrees
    assert not gateway_report(Told(20, 19, [0.1, 0.3], 1.0), found).agrees
    assert not gateway_report(Told(10, 10, [0.1], 1.0), found).agrees


def test_the_percentile_is_a_value_that_was_measured() -> None:
    """The nearest rank, whatever the order."""
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.01) == 7.0
    assert percentile([], 0.5) == 0.0
