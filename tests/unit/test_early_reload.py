"""SIGHUP before a process has a handler of its own for it: it asks for no end, and is not forgotten."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

PATIENCE = 40.0
FLAGS = {
    "consumer": ("--taosuri=http://u:p@127.0.0.1:1/d",),
    "segments": ("--segments.receive-url=http://127.0.0.1:1/",),
    "ingress": (
        "--ingress.tcp-listen=127.0.0.1:0",
        "--ingress.http-listen=",
        "--ingress.admin-listen=127.0.0.1:0",
        "--ingress.auth=open",
    ),
}


def signalled(
    command: str, flags: Sequence[str], signals: Sequence[tuple[str, signal.Signals]]
) -> tuple[int, str]:
    """Exit code and log of a process that gets each signal, in this order, when it has imported that module or has
    logged that text."""
    arguments = [
        f"--{name}={value}" for name, value in (("kafka.brokers", "127.0.0.1:1"), ("log.format", "json"))
    ]
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "taosink_cli", command, *arguments, *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")},
    )
    logged, left = "", list(signals)
    too_late = threading.Timer(PATIENCE, process.kill)
    too_late.start()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            imported = line.startswith("import time:")
            logged += "" if imported else line
            if left and (line.rpartition("|")[2].strip() == left[0][0] if imported else left[0][0] in line):
                process.send_signal(left.pop(0)[1])
        return process.wait(PATIENCE), logged
    finally:
        too_late.cancel()
        too_late.join()
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize("command", list(FLAGS))
def test_a_hangup_while_everything_is_imported_ends_nothing(command: str) -> None:
    """SIGTERM, which comes behind it, is what ends the process, in good order; without a handler it would be -1."""
    signals = [("structlog", signal.SIGHUP), ("confluent_kafka", signal.SIGTERM)]
    code, logged = signalled(command, FLAGS[command], signals)
    assert code == 0, logged


def test_a_hangup_while_the_process_starts_itself_anew_ends_nothing() -> None:
    """A secret on the command line makes it start anew: it stays pending until there is a handler again."""
    code, logged = signalled(
        "consumer",
        ("--taos.password=hunter22",),
        [("taosink_cli.secret_flags", signal.SIGHUP), ("site", signal.SIGHUP), ("structlog", signal.SIGTERM)],
    )
    assert code == 0, logged
    assert "consumer.not_started" in logged


def test_a_gateway_reads_its_secrets_again_where_it_was_asked_to_before_it_could(tmp_path: Path) -> None:
    """What was asked for in its first second is done once there is something to read again."""
    secrets = tmp_path / "secrets"
    secrets.write_text("pump-1:first\n")
    code, logged = signalled(
        "ingress",
        (*FLAGS["ingress"][:-1], "--ingress.auth=secrets", f"--ingress.secrets-file={secrets}"),
        [("structlog", signal.SIGHUP), ("ingress.auth_reloaded", signal.SIGTERM)],
    )
    assert code == 0, logged
    assert logged.count("ingress.auth_reloaded") == 1


def test_what_nohup_had_ignored_stays_so() -> None:
    """No handler is put in its place."""
    script = (
        "import signal; from taosink import early_stop; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        " early_stop.hold(); assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)
