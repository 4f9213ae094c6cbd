"""The last minutes of a few figures, so that a page that is opened late is not empty."""

from collections import deque
from collections.abc import Sequence
from typing import Any

MOST = 300
"""Looks that are kept: five minutes, at one a second."""

Figure = float | int | None


class Ring:
    """Used by one thread. An addition takes about a microsecond; some ten thousand numbers are held at most."""

    def __init__(self, names: Sequence[str], most: int = MOST) -> None:
        self._names = tuple(names)
        self._kept: deque[tuple[Figure, ...]] = deque(maxlen=most)

    def __repr__(self) -> str:
        return f"<Ring {len(self._kept)} looks>"

    def add(self, at: float, *values: Figure) -> None:
        """`at` in seconds since 1970; as many values as there are names. None: not known."""
        self._kept.append((at, *values))

    def document(self) -> dict[str, Any]:
        """Column by column, oldest first: `at` in milliseconds, the others under their names."""
        columns = [list(column) for column in zip(*self._kept, strict=True)]
        at, *values = columns or [[] for _ in range(len(self._names) + 1)]
        shown = {
            name: [None if one is None else round(one, 1) for one in column]
            for name, column in zip(self._names, values, strict=True)
        }
        return {"at": [round((one or 0) * 1000) for one in at], **shown}
