"""Which subtables are known to exist: their rows are written without USING, which costs the server less."""

import threading
from collections.abc import Iterable


class KnownTables:
    """A bounded set of subtable names, shared by threads; when full, the half not written lately goes.

    A name that is missing costs speed, a name too many costs one refused statement: both are safe.
    """

    def __init__(self, limit: int = 200_000) -> None:
        self._half = max(1, limit // 2)
        self._recent: set[str] = set()
        self._older: set[str] = set()
        self._lock = threading.Lock()

    def __contains__(self, name: object) -> bool:
        # Without the lock: one look-up in each set is atomic, and a stale answer is safe.
        return name in self._recent or name in self._older

    def __len__(self) -> int:
        with self._lock:
            return len(self._recent | self._older)

    def __repr__(self) -> str:
        return f"<KnownTables {len(self)} of at most {2 * self._half}>"

    def learn(self, names: Iterable[str]) -> None:
        """Notes tables that an acknowledged statement has written."""
        with self._lock:
            for name in names:
                if name not in self._recent:
                    self._make_room()
                    self._recent.add(name)

    def forget(self, names: Iterable[str]) -> None:
        with self._lock:
            gone = set(names)
            self._recent -= gone
            self._older -= gone

    def clear(self) -> None:
        with self._lock:
            self._recent = set()
            self._older = set()

    def _make_room(self) -> None:
        if len(self._recent) >= self._half:
            # A new set, not clear(): a reader without the lock may hold the old one.
            self._older, self._recent = self._recent, set()
