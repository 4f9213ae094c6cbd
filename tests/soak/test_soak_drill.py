"""The runbook's drill: the database is away for a minute under flow, with the live page open in a real browser."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.browser import Watched, chromium, watched
from support.consumer_process import LAUNCHER
from support.drill import Drill, audited, prometheus, table
from support.kafka_broker import free_ports
from support.logged import logged

from taosink.embedded.librdkafka import MockCluster

pytestmark = pytest.mark.soak

AWAY = float(os.environ.get("TAOSINK_TEST_SOAK_DRILL_SECONDS", "60"))
REPORTS = os.environ.get("TAOSINK_TEST_SOAK_REPORT", "")
"""A directory for pictures, log and stages; the test's own where it is not given."""
BEFORE, AFTER = 30.0, 60.0
TOPIC, PARTITIONS = "drill", 4
RUNNING = "document.getElementById('state-title').textContent === 'Running'"
PASSWORD = {"TAOSINK_TAOS_PASSWORD": "taosdata"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = Path(REPORTS or tmp_path) / "drill"
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture
def kafka() -> Iterator[MockCluster]:
    with MockCluster({TOPIC: PARTITIONS, f"{TOPIC}.dlq": 1}) as cluster:
        yield cluster


def test_the_database_is_stopped_for_a_minute(
    kafka: MockCluster, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page and readiness say that the database is awaited, liveness stays green, nothing restarts or is
    dead-lettered, all is green and level soon after it is back, no alert fires, and the audit finds every record."""
    number, status = free_ports(2)
    listen, url = f"127.0.0.1:{number}", f"http://127.0.0.1:{status}"
    reads = {
        "kafka.brokers": kafka.bootstrap,
        "topic": TOPIC,
        "taosuri": f"http://root@{listen}/drill",
    }
    flow = {
        "kafka.brokers": kafka.bootstrap,
        "topic": TOPIC,
        "shape": "demo",
        "rate": "400",
        "duration": f"{BEFORE + AWAY + AFTER}s",
    }
    with ExitStack() as stack:
        enter = stack.enter_context
        database = enter(_database(listen, tmp_path))
        consumer = enter(
            logged(
                folder,
                "consumer",
                {**reads, "status.listen": f"127.0.0.1:{status}"},
                environ=PASSWORD,
                level="info",
                more=["--schema.create"],
            )
        )
        consumer.line("kafka.assigned")
        view = enter(watched(enter(chromium()), url))
        view.open()
        producer = enter(logged(tmp_path, "producer", flow, level="info"))
        drill = Drill(
            view, consumer, enter(prometheus(f"127.0.0.1:{status}", tmp_path / "prometheus")), folder
        )
        drill.look_at("before", BEFORE)
        database.stop()
        drill.begun = time.monotonic()
        for stage, after in (("1s", 1), ("3s", 3.5), ("30s", 30), ("away", AWAY - 1)):
            drill.look_at(stage, after)
        enter(_database(listen, tmp_path))
        drill.look_at("restarted", AWAY + 0.5)
        _green_and_level(drill, view)
        assert producer.ended() == 0
        view.until("document.getElementById('lag-records').textContent.trim() === '0'")
        drill.look("end")
        assert view.faults == []
        ended = consumer.stop()
        command = [*LAUNCHER, "audit", *(f"--{name}={value}" for name, value in reads.items())]
        report = audited(command, PASSWORD)
    told = table(drill.stages)
    (folder / "stages.md").write_text(told, encoding="utf-8")
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\naudit: {report}\nin {folder}\n")
    _as_promised(drill.stages, report, ended)


def _database(listen: str, folder: Path) -> Any:
    flags = {"listen": listen, "data": str(folder / "drill.db")}
    return logged(folder, "embedded database", flags, level="info")


def _green_and_level(drill: Drill, view: Watched) -> None:
    view.until(RUNNING)
    drill.look("running")
    view.page.wait_for_function(
        "() => Number(document.getElementById('lag-records').textContent.replaceAll(',', '')) < 400"
    )
    drill.look("level")


def _as_promised(stages: list[dict[str, Any]], report: dict[str, Any], ended: int) -> None:
    by = {stage["stage"]: stage for stage in stages}
    assert all(stage["livez"][0] == 200 for stage in stages)
    assert {name: by[name]["readyz"][0] for name in by} == {
        **dict.fromkeys(by, 200),
        **dict.fromkeys(("3s", "30s", "away"), 503),
        "restarted": by["restarted"]["readyz"][0],
    }
    for name in ("3s", "30s", "away"):
        assert by[name]["healthz"][1]["reasons"][0]["code"] == "database"
        assert by[name]["page"]["level"] == "wait"
    fired = {alert for stage in stages for alert in stage["alerts"] if alert.endswith("firing")}
    assert fired <= ({"TaosinkDatabaseWaiting firing"} if AWAY > 60 else set())
    assert by["end"]["metrics"]["taosink_records_dead_lettered_total"] == 0
    assert ended == report["exit"] == 0
    assert report["lost"] == 0
    assert report["stored"] == report["records"] > 0
