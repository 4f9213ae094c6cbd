"""The loop that a gateway runs on: which one, its signals, and what nobody caught on it."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import structlog

from taosink import early_stop

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 -- where it is installed
    except ImportError:
        return None
    return uvloop.new_event_loop


class Signals:
    """The first asks for a stop, a second one abandons. Used on the loop's thread."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.again = asyncio.Event()
        self._reload: list[Callable[[], None]] = []
        self._reload_due = False

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._note)
        loop.add_signal_handler(signal.SIGHUP, self._reloads)
        if early_stop.take():
            self.asked.set()
        self._reload_due = early_stop.reload_asked()

    def on_reload(self, call: Callable[[], None]) -> None:
        """`call` is called at each SIGHUP from now on; at once where one came before there was anybody to call."""
        self._reload.append(call)
        if self._reload_due:
            self._reload_due = False
            call()

    def _reloads(self) -> None:
        self._reload_due = not self._reload
        for call in self._reload:
            call()

    def _note(self) -> None:
        (self.again if self.asked.is_set() else self.asked).set()


def defect(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody caught on the loop: the gateway goes on, one connection may have ended."""
    log.error(
        "ingress.defect",
        problem=str(context.get("message", "")),
        exc_info=context.get("exception"),
        do="report it with this trace",
    )
