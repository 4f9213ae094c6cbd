"""A `taosink ingress` in a process of its own, watched by its log lines."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from support.watched_process import WatchedProcess

LAUNCHER = (sys.executable, "-m", "taosink_cli")


class GatewayProcess(WatchedProcess):
    """On free places of loopback, without HTTP for devices unless a flag says otherwise."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        own = {
            "ingress.tcp-listen": "127.0.0.1:0",
            "ingress.http-listen": "",
            "ingress.admin-listen": "",
            "log.format": "json",
        }
        flags = [f"--{name}={value}" for name, value in (own | dict(arguments)).items()]
        super().__init__("ingress", [*LAUNCHER, "ingress", *flags])

    @property
    def tcp(self) -> tuple[str, int]:
        """Where devices connect; waits until they can."""
        host, _, number = self.event("ingress.listening")["tcp"].rpartition(":")
        return host, int(number)


@contextmanager
def gateway(arguments: Mapping[str, str]) -> Iterator[GatewayProcess]:
    """Stopped with SIGTERM on leaving, killed where that does not help."""
    process = GatewayProcess(arguments)
    try:
        yield process
    finally:
        process.stop(signal.SIGTERM)
