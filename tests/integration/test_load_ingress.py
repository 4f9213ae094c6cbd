"""`taosink bench ingress` as a command: it starts what it needs, measures, and leaves nothing behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.gateway_process import gateway

from taosink.demo.child import Child

COMMAND = (sys.executable, "-m", "taosink_cli", "bench", "ingress")
SMALL = ("--connections=20", "--rate=100", "--warmup=200ms", "--duration=1s")


def bench(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=90, check=False)


def test_everything_is_started_measured_and_stopped(tmp_path: Path) -> None:
    """Both acknowledgements through broker, gateway, consumer and database, with the gateway's cost."""
    file = tmp_path / "report.json"
    done = bench(*SMALL, "--ack=both", f"--report={file}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every request answered ok" in done.stdout
    report = json.loads(file.read_text())
    assert report["clean"] is True
    # 100 a second for 1.2 s, of which one second counts; where it ends in between, one more or less is sent.
    assert (report["connections_held"], report["ok"]) == (20, report["sent"])
    assert 115 <= report["sent"] <= 121
    counted = {ack: told["count"] for ack, told in report["latency_ms"].items()}
    assert counted == {"kafka": pytest.approx(50, abs=3), "stored": pytest.approx(50, abs=3)}
    assert report["latency_ms"]["stored"]["p99"] >= report["latency_ms"]["kafka"]["p50"] > 0
    cost = report["gateway"]
    assert cost["cpu_seconds"] > 0
    assert cost["rss_peak"] >= cost["rss_held"] >= cost["rss_before"] > 10 << 20
    assert not Path(f"/proc/{cost['pid']}").exists()


def test_a_gateway_that_is_there_is_loaded_and_left_running(tmp_path: Path) -> None:
    """Batches to an address, without a rate; what the gateway refuses is told, and is exit code 6."""
    file = tmp_path / "report.json"
    broker = Child("broker", [sys.executable, "-m", "taosink_cli", "embedded", "broker", "--topic", "test:4"])
    try:
        brokers = broker.first_line()
        with gateway({"kafka.brokers": brokers, "ingress.auth": "open"}) as found:
            to = "--to=tcp://{}:{}".format(*found.tcp)
            batches = ("--mode=batch", "--batch=50", "--rate=0", "--in-flight=4")
            done = bench(*SMALL, *batches, to, f"--pid={found.process.pid}", f"--report={file}")
            assert done.returncode == 0, done.stdout + done.stderr
            report = json.loads(file.read_text())
            assert report["records_per_second"] == pytest.approx(50 * report["requests_per_second"])
            assert report["requests_per_second"] > 4
            assert report["gateway"]["pid"] == found.process.pid
            assert found.process.poll() is None

            done = bench("--connections=1", "--rate=1500", "--warmup=0s", "--duration=1s", to)
            assert done.returncode == 6, done.stdout + done.stderr
            assert "rate_limited" in done.stdout
    finally:
        broker.stop()


def test_where_nobody_listens_nothing_is_measured() -> None:
    """Exit code 1 and one line."""
    done = bench(*SMALL, "--to=tcp://127.0.0.1:9", "--patience=2s")
    assert done.returncode == 1
    assert "no connection was taken" in done.stderr
    assert "ECONNREFUSED" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_interrupted_run_stops_what_it_has_started() -> None:
    """SIGTERM in mid-run: exit code 3, and no process is left."""
    process = subprocess.Popen(
        [*COMMAND, "--connections=5", "--duration=60s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        started: list[str] = []
        while len(started) < 2:
            assert process.poll() is None
            started = children.read_text().split()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 3
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    finally:
        process.kill()
        process.communicate()
