"""A process of the demo: started, watched by the log lines that it writes, and never left behind."""

import json
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

DIE_WITH_PARENT = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"  # PR_SET_PDEATHSIG, kept across exec
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
STOP_GRACE = 30.0


class ChildError(RuntimeError):
    """A process ended, or did not say where it listens."""


class Child:
    """One subprocess. Its stderr is read line by line on a thread of its own: JSON log lines become `events`,
    and the last lines of any kind are kept for the error message.

    In a session of its own, so that Ctrl-C reaches the demo alone, which then stops things in their order;
    where the system can, it dies with the demo."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.events: dict[str, dict[str, Any]] = {}
        self.tail: deque[str] = deque(maxlen=20)
        self.process = subprocess.Popen(
            _dying_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read_log, name=f"{name}-log", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __repr__(self) -> str:
        return f"<Child {self.name} pid={self.process.pid} exit={self.process.poll()}>"

    def first_line(self) -> str:
        """Blocks until the process has printed its address; raises ChildError where it ends instead."""
        assert self.process.stdout is not None  # noqa: S101 - PIPE was asked for
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.wait(STOP_GRACE)
            raise ChildError(f"{self.name} did not start: {self.last_words()}")
        return line

    def last_words(self) -> str:
        for reader in self._readers:
            reader.join(1.0)
        return " | ".join(self.tail) or f"exit code {self.process.poll()}, no output"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signals and waits; after a grace the process is killed. Returns the exit code. Idempotent."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(STOP_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()
        return self.process.returncode

    def _close(self) -> None:
        for reader in self._readers:
            reader.join(5.0)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read_log(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - PIPE was asked for
        for line in self.process.stderr:
            self.tail.append(line.rstrip())
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                self.events[str(event["event"])] = event


def _dying_with_parent(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-c", DIE_WITH_PARENT, *command]
