"""The main job as a user runs it, and what happens to it when consumers die."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taosink.demo.cluster import Cluster
from taosink.demo.options import DemoOptions
from taosink.demo.run import Chaos, run

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


def test_poison_is_dead_lettered_and_costs_no_neighbour(tmp_path: Path) -> None:
    """Every broken record has its letter, and every other record is stored."""
    code, verdict = played(tmp_path, records=20_000, poison=50)
    assert code == 0
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
