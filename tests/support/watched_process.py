"""A process of the tests, watched by its log lines."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from taosink.demo.child import Child

PATIENCE = 60.0


def until(
    process: "subprocess.Popen[Any]",
    done: Callable[[], object],
    last_words: Callable[[], str],
    what: str = "",
) -> None:
    """Waits for it; raises AssertionError with the process's last words where it ends before, or time is up."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"no {what or done} within {PATIENCE} s: {last_words()}"
        assert process.poll() is None or done(), f"ended early: {last_words()}"
        time.sleep(0.02)


class WatchedProcess(Child):
    """`events` holds the last log line of each event."""

    def event(self, name: str) -> dict[str, Any]:
        """The last event of this name; waits for the first."""
        self.until(lambda: name in self.events, name)
        return self.events[name]

    def until(self, done: Callable[[], object], what: str = "") -> None:
        until(self.process, done, self.last_words, what)

    def ended(self) -> int:
        """Waits for it to end by itself; returns the exit code."""
        code = self.process.wait(PATIENCE)
        self.stop()
        return code
