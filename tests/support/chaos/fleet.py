"""A fleet whose readings tell when something was written in the wrong order."""

import random

from taosbatch.literals import Value
from taosink.simulator.fleet import DEMO_COLUMNS, Fleet, FleetSettings

BACK = (1, 6, 40, 150)
"""How many rows back a reading goes whose timestamp repeats an earlier one: into the same statement, the same
batch, another batch, and what was in flight when somebody was frozen."""
REPEATS = 0.25
NULLS = 0.15
SHORT = 0.1


class TellingFleet(Fleet):
    """Of a device's readings a quarter repeats an earlier timestamp with other values, some cells are NULL, and
    some readings give fewer columns. As pure as its base: row and device say everything."""

    def __init__(self, settings: FleetSettings) -> None:
        super().__init__(settings)
        self._whole = self.values
        self.values = self._telling

    def timestamp_ns(self, row: int) -> int:
        draw = random.Random(f"{self.settings.seed}:{row}")
        back = draw.choice(BACK) if draw.random() < REPEATS else 0
        return super().timestamp_ns(max(0, row - back))

    def _telling(self, device: int, row: int) -> list[Value]:
        draw = random.Random(f"{self.settings.seed}:{device}:{row}")
        given = draw.randint(1, DEMO_COLUMNS - 1) if draw.random() < SHORT else DEMO_COLUMNS
        return [None if draw.random() < NULLS else value for value in self._whole(device, row)[:given]]
