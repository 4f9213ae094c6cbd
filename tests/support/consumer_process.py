"""A `taosink consumer` in a process of its own, watched by its log lines."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from support.watched_process import WatchedProcess

LAUNCHER = (sys.executable, "-m", "taosink_cli")


class ConsumerProcess(WatchedProcess):
    """With the flags that are given."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        flags = [f"--{name}={value}" for name, value in arguments.items()]
        super().__init__("consumer", [*LAUNCHER, "consumer", "--log.format=json", *flags])

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
