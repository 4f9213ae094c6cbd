"""SIGTERM before the consumer has handlers of its own: each moment is told by what Python has just imported."""

import os
import signal
import subprocess
import sys
import threading

import pytest

PATIENCE = 40.0


def stopped_at(moment: str, *flags: str, occurrence: int = 1) -> tuple[int, str]:
    """Exit code and log of a consumer that gets SIGTERM when it has imported `moment` (the n-th time, where it starts
    itself anew)."""
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "taosink_cli",
        "consumer",
        "--log.format=json",
        *flags,
    ]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environ
    )
    logged, seen = "", 0
    too_late = threading.Timer(PATIENCE, process.kill)
    too_late.start()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if not line.startswith("import time:"):
                logged += line
                continue
            if line.rpartition("|")[2].strip() != moment:
                continue
            seen += 1
            if seen == occurrence:
                process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE), logged
    finally:
        too_late.cancel()
        too_late.join()
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize("moment", ["structlog", "confluent_kafka"])
def test_a_stop_while_everything_is_imported_is_an_orderly_one(moment: str) -> None:
    """Exit code 0 and one line that says that nothing was begun; without a handler it would be -15."""
    code, logged = stopped_at(moment, "--kafka.brokers=127.0.0.1:1", "--taosuri=http://u:p@127.0.0.1:1/d")
    assert code == 0, logged
    assert "consumer.not_started" in logged
    assert "asked to stop" in logged


def test_a_stop_while_the_process_starts_itself_anew_is_not_lost() -> None:
    """A secret on the command line makes it start anew, which forgets handlers: the signal stays pending meanwhile."""
    code, logged = stopped_at("site", "--kafka.brokers=127.0.0.1:1", "--taos.password=hunter22", occurrence=2)
    assert code == 0, logged
    assert "consumer.not_started" in logged


LATE = """
import os, signal, sys
from taosink import early_stop
from taosink_cli.main import main

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

early_stop.hold()
os.kill(os.getpid(), signal.SIGTERM)
sys.late = Late()  # goes when the interpreter has put the default handlers back
sys.argv = ["taosink", "consumer", "--kafka.brokers=127.0.0.1:1", "--taosuri=http://root@127.0.0.1:1/d"]
sys.exit(main())
"""


def test_a_signal_while_the_interpreter_ends_changes_nothing() -> None:
    """The exit code is the one that the command gave."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TAOSINK_")}
    ended = subprocess.run(
        [sys.executable, "-c", LATE],
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "consumer.not_started" in ended.stderr
