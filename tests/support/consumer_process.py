"""A `taosink consumer` in a process of its own, watched by its log lines."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from taosink.demo.child import Child

LAUNCHER = (sys.executable, "-m", "taosink_cli")
PATIENCE = 60.0


class ConsumerProcess(Child):
    """`logs` is every event so far; the waits raise AssertionError with the last lines when time is up."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        flags = [f"--{name}={value}" for name, value in arguments.items()]
        super().__init__("consumer", [*LAUNCHER, "consumer", "--log.format=json", *flags])

    def event(self, name: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The last event of this name; waits for the first."""
        self.until(lambda: name in self.events, timeout, name)
        return self.events[name]

    def until(self, done: Callable[[], bool], timeout: float = PATIENCE, what: str = "") -> None:
        end = time.monotonic() + timeout
        while not done():
            assert time.monotonic() < end, f"no {what or done} within {timeout} s: {self.last_words()}"
            assert self.process.poll() is None or done(), f"ended early: {self.last_words()}"
            time.sleep(0.02)

    def ended(self, timeout: float = PATIENCE) -> int:
        """Waits for it to end by itself; returns the exit code."""
        code = self.process.wait(timeout)
        self.stop()
        return code

    @property
    def stored(self) -> int:
        return int(self.events.get("consumer.stats", {}).get("stored", 0))


@contextmanager
def consumer(arguments: Mapping[str, str]) -> Iterator[ConsumerProcess]:
    """Stopped with SIGTERM on leaving, killed where that does not help."""
    for name in os.environ:
        assert not name.startswith("TAOSINK_") or name.startswith("TAOSINK_TEST_"), name
    process = ConsumerProcess(arguments)
    try:
        yield process
    finally:
        process.stop(signal.SIGTERM)
