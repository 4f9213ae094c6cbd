"""SIGTERM and SIGINT of a process that drains before it ends."""

import signal
import threading
from types import FrameType

from taosink import early_stop


class Signals:
    """SIGTERM and SIGINT: the first asks for a drain, a second one abandons. Handlers only set flags: what they
    raised would be thrown into the middle of a Kafka call. SIGHUP stays as `early_stop` has it: it ends nothing."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.again = threading.Event()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Signals":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        if early_stop.take():
            self.asked.set()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself returned

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        (self.again if self.asked.is_set() else self.asked).set()
