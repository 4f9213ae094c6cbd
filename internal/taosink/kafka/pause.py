"""Which partitions are paused: a pure decision with hysteresis, partition by partition.

librdkafka throws away what it has prefetched of a partition that is paused, so a pause must pay for itself:
it comes when something did not fit and goes when half of the room is free again, never chunk by chunk. There
is no pause of all: a partition that is blocked for long would never let it end.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from taosbatch.offsets import Lane

RESUME_AT = 0.5


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the decision is made from, each a share of its bound: 1.0 is full.

    `queue`: the batch queue. `lanes`: per lane that is read the larger of its share of the lane's cap and of
    the bound on delivered minus committable. `refused`: lanes of which something did not fit and waits.
    """

    queue: float
    lanes: Mapping[Lane, float]
    refused: Set[Lane]


def decide(pressure: Pressure, paused: Set[Lane]) -> frozenset[Lane]:
    """The lanes to be paused from now on."""
    full = pressure.queue >= 1.0
    return frozenset(
        lane
        for lane, fill in pressure.lanes.items()
        if fill >= 1.0 or lane in pressure.refused or (lane in paused and (full or fill > RESUME_AT))
    )
