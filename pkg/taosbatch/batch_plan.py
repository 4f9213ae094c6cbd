"""Which chunks of which lanes make the next batch: decided first, taken afterwards."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from taosbatch.batch import Chunk
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane


class LaneState:
    """One lane: its chunks in order, what its holder handed back, and from when on it may be taken.

    `pressed`: whoever fills or drains it gains nothing by waiting for a larger batch. `torn`: what was handed back
    of it is to be read again, and so is all behind it.
    """

    __slots__ = ("chunks", "due", "held", "key", "nbytes", "pressed", "records", "returned", "torn")

    def __init__(self, key: Lane) -> None:
        self.key = key
        self.chunks: deque[Chunk] = deque()
        self.returned: list[Chunk] = []
        self.nbytes = 0
        self.records = 0
        self.due = -math.inf
        self.held = False
        self.pressed = False
        self.torn = False

    def first_at(self) -> float:
        return self.chunks[0].queued_at


@dataclass(slots=True)
class Plan:
    """A batch that could be taken: so many whole chunks from the head of each lane.

    `cut`: or so many records of the only lane's first chunk, which is too large as a whole. `full`: there was
    more, and it did not fit.
    """

    picks: list[tuple[LaneState, int]] = field(default_factory=list)
    cut: int = 0
    records: int = 0
    nbytes: int = 0
    first_at: float = math.inf
    full: bool = False


def plan_batch(rule: BatchRule, lanes: Iterable[LaneState]) -> Plan:
    """Fills a batch from the lanes in the order given, each from its head, until one does not fit whole.

    Changes nothing. Costs the same for a lane of one chunk and of many, but for the lane that does not fit.
    """
    plan = Plan()
    for lane in lanes:
        if rule.takes(lane.records, lane.nbytes, plan.records, plan.nbytes) == lane.records:
            _pick(plan, lane, len(lane.chunks), lane.records, lane.nbytes)
        else:
            plan.full = True
            _fill_up(plan, rule, lane)
            break
    return plan


def _fill_up(plan: Plan, rule: BatchRule, lane: LaneState) -> None:
    chunks = records = nbytes = 0
    for chunk in lane.chunks:  # pragma: no branch - the lane does not fit whole, so one of them does not
        taken = rule.takes(len(chunk), chunk.nbytes, plan.records + records, plan.nbytes + nbytes)
        if taken < len(chunk):
            plan.cut = taken
            break
        chunks += 1
        records += taken
        nbytes += chunk.nbytes
    if chunks or plan.cut:
        _pick(plan, lane, chunks, records, nbytes)


def _pick(plan: Plan, lane: LaneState, chunks: int, records: int, nbytes: int) -> None:
    plan.picks.append((lane, chunks))
    plan.records += records
    plan.nbytes += nbytes
    plan.first_at = min(plan.first_at, lane.first_at())
