"""Since when nothing moves although something waits. Pure: what stands now comes in with its time."""

from collections.abc import Mapping
from typing import NamedTuple

from taosbatch.offsets import Lane


class Standing(NamedTuple):
    """A partition: its assignment, what may be committed, and whether anything behind that waits."""

    epoch: int
    committable: int | None
    waits: bool


class Progress:
    """To be shown what stands about once a second, by one thread."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, tuple[Standing, float]] = {}
        self._ended = -1
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<Progress {'moving' if self._since is None else f'still since {self._since:.0f}'}>"

    @property
    def idle_since(self) -> float | None:
        """Since when something waits and nothing has ended; None while nothing waits."""
        return self._since

    def still_since(self, lane: Lane) -> float | None:
        """The same of one partition: since when its committable offset stands still."""
        standing, since = self._lanes.get(lane, (None, 0.0))
        return since if standing is not None and standing.waits else None

    def look(self, now: float, lanes: Mapping[Lane, Standing], ended: int) -> None:
        """`ended` counts records that were stored or dead-lettered since the start."""
        self._lanes = {
            lane: (standing, self._since_when(lane, standing, now)) for lane, standing in lanes.items()
        }
        if not any(standing.waits for standing in lanes.values()):
            self._since = None
        elif self._since is None or ended != self._ended:
            self._since = now
        self._ended = ended

    def _since_when(self, lane: Lane, standing: Standing, now: float) -> float:
        before, since = self._lanes.get(lane, (None, now))
        moved = before is None or before[:2] != standing[:2] or not (before.waits and standing.waits)
        return now if moved else since
