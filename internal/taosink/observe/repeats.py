"""Keeps an event that comes again and again from filling the log."""

import threading
from collections import OrderedDict

_MOST_KEYS = 1000


class Repeats:
    """Says which of many like events to log: the first, then one per `interval` seconds. Thread-safe.

    `now` is given by the caller, from a clock that does not run backwards. Of more than a thousand keys the
    one that was logged longest ago is forgotten.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Repeats(interval={self._interval}, keys={len(self._seen)})"

    def due(self, key: str, now: float) -> int | None:
        """None: keep quiet. Else log it, with how many were kept quiet since the last one."""
        with self._lock:
            logged, quiet = self._seen.get(key, (None, 0))
            if logged is not None and now - logged < self._interval:
                self._seen[key] = (logged, quiet + 1)
                return None
            self._seen[key] = (now, 0)
            self._seen.move_to_end(key)
            if len(self._seen) > _MOST_KEYS:
                self._seen.popitem(last=False)
            return quiet
