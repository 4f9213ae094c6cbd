"""Which offsets may be committed: tickets per chunk and lane, contiguous prefixes, assignment epochs."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from taosbatch.errors import LaneNotAssignedError, OutOfOrderError, TicketOverrunError
from taosbatch.lane_offsets import LaneOffsets


class Lane(NamedTuple):
    """A partition. Promise: at most one worker writes a lane at a time."""

    topic: str
    partition: int


class _Epoch:
    """One assignment of one lane, with the tickets that its prefix waits for."""

    __slots__ = ("committed", "delivered", "live", "newest", "number", "pending", "prefix", "tickets")

    def __init__(self, number: int, committed: int | None) -> None:
        self.number = number
        self.live = True
        self.committed = committed
        self.prefix: int | None = None
        self.delivered: int | None = None
        self.newest: float | None = None
        self.pending = 0
        self.tickets: deque[Ticket] = deque()

    def advance(self) -> None:
        while self.tickets and not self.tickets[0].remaining:
            self.prefix = self.tickets.popleft().next_offset


class Ticket:
    """The records of one chunk that have not ended yet. Thread-safe; `done` may be called from any thread."""

    __slots__ = (
        "_epoch",
        "_tracker",
        "first",
        "lane",
        "next_offset",
        "opened_at",
        "records",
        "remaining",
        "stamp",
    )

    def __init__(
        self,
        tracker: "OffsetTracker",
        epoch: _Epoch,
        lane: Lane,
        *,
        first: int,
        next_offset: int,
        records: int,
        opened_at: float,
        stamp: float | None,
    ) -> None:
        self._tracker = tracker
        self._epoch = epoch
        self.lane = lane
        self.first = first
        self.next_offset = next_offset
        self.records = self.remaining = records
        self.opened_at = opened_at
        self.stamp = stamp

    @property
    def alive(self) -> bool:
        """Whether the assignment that delivered these records still stands. One attribute read, no lock."""
        return self._epoch.live

    @property
    def epoch(self) -> int:
        """The number of the assignment that delivered these records."""
        return self._epoch.number

    def done(self, n: int = 1) -> None:
        """Counts `n` records as ended. Raises TicketOverrunError, without counting, for more than are out."""
        self._tracker._done(self, self._epoch, n)

    def __repr__(self) -> str:
        state = "" if self.alive else ", ended epoch"
        return (
            f"<Ticket {self.lane.topic}[{self.lane.partition}] {self.first}..{self.next_offset} "
            f"out={self.remaining}{state}>"
        )


class OffsetTracker:
    """Tracks what was delivered and not ended, and what may therefore be committed. Thread-safe, never blocks
    for longer than its own short lock, except `wait_done`. Time enters as `now` only."""

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.Lock())
        self._epochs: dict[Lane, _Epoch] = {}
        self._last_epoch = 0
        self._pending_records = 0

    def assign(
        self, lanes: Iterable[Lane], *, committed: Mapping[Lane, int] | None = None
    ) -> dict[Lane, int]:
        """Begins an epoch for each lane, ending the one that it may have; returns their numbers.

        `committed`: the group's committed offsets where known; nothing at or below them is offered again.
        """
        floors = committed or {}
        with self._lock:
            assigned = {}
            for lane in lanes:
                self._end(lane)
                self._last_epoch += 1
                self._epochs[lane] = _Epoch(self._last_epoch, floors.get(lane))
                assigned[lane] = self._last_epoch
            self._lock.notify_all()
            return assigned

    def end(self, lanes: Iterable[Lane]) -> int:
        """Ends the lanes' epochs: their tickets may finish but never commit. Returns the records still out,
        which the next owner reads again. Lanes without an epoch are passed over."""
        with self._lock:
            out = sum([self._end(lane) for lane in lanes])
            self._lock.notify_all()
            return out

    def _end(self, lane: Lane) -> int:
        epoch = self._epochs.pop(lane, None)
        if epoch is None:
            return 0
        epoch.live = False
        self._pending_records -= epoch.pending
        epoch.tickets.clear()
        return epoch.pending

    def open(
        self,
        lane: Lane,
        first: int,
        next_offset: int,
        records: int,
        *,
        now: float = 0.0,
        stamp: float | None = None,
    ) -> Ticket:
        """Tracks a chunk: `first` is its first record's offset, `next_offset` the position after it, which
        lies further on than the count of records where there are gaps (compaction, transaction markers).
        Call in delivery order. A chunk of no records has ended at once. `stamp` is given back in `lanes`.

        Raises LaneNotAssignedError, and OutOfOrderError where the lane goes backwards within its epoch.
        """
        if records < 0 or next_offset < first + records:
            raise ValueError(f"{records} records do not fit into offsets {first}..{next_offset}")
        with self._lock:
            epoch = self._live(lane)
            if epoch.delivered is not None and first < epoch.delivered:
                raise OutOfOrderError(lane.topic, lane.partition, first, epoch.delivered)
            ticket = Ticket(
                self,
                epoch,
                lane,
                first=first,
                next_offset=next_offset,
                records=records,
                opened_at=now,
                stamp=stamp,
            )
            if epoch.prefix is None:
                epoch.prefix = first
            epoch.delivered = next_offset
            epoch.newest = stamp
            epoch.tickets.append(ticket)
            epoch.pending += records
            self._pending_records += records
            epoch.advance()
            return ticket

    def passed(self, lane: Lane, next_offset: int) -> None:
        """The position moved to `next_offset` with no record on the way (markers alone, or the low watermark
        overtook it). Committable once what was delivered before has ended; going back is passed over."""
        with self._lock:
            epoch = self._live(lane)
            if epoch.delivered is not None and next_offset <= epoch.delivered:
                return
            epoch.delivered = next_offset
            if epoch.tickets:
                epoch.tickets[-1].next_offset = next_offset
            else:
                epoch.prefix = next_offset

    def _live(self, lane: Lane) -> _Epoch:
        epoch = self._epochs.get(lane)
        if epoch is None:
            raise LaneNotAssignedError(lane.topic, lane.partition)
        return epoch

    def _done(self, ticket: Ticket, epoch: _Epoch, n: int) -> None:
        with self._lock:
            if not 0 <= n <= ticket.remaining:
                raise TicketOverrunError(
                    ticket.lane.topic, ticket.lane.partition, ticket.first, ticket.remaining, n
                )
            ticket.remaining -= n
            if not epoch.live:
                return
            epoch.pending -= n
            self._pending_records -= n
            if n and not ticket.remaining:
                epoch.advance()
                if not epoch.pending:
                    self._lock.notify_all()

    def committable(self) -> dict[Lane, int]:
        """The offset to commit for each live lane whose ended prefix goes beyond what was committed."""
        with self._lock:
            return {
                lane: epoch.prefix
                for lane, epoch in self._epochs.items()
                if epoch.prefix is not None and (epoch.committed is None or epoch.prefix > epoch.committed)
            }

    def committed(self, lane: Lane, offset: int) -> None:
        """Notes a commit that the broker acknowledged. Passed over for a lane that is no longer assigned."""
        with self._lock:
            epoch = self._epochs.get(lane)
            if epoch is not None:
                epoch.committed = offset if epoch.committed is None else max(epoch.committed, offset)

    def epoch(self, lane: Lane) -> int | None:
        """The number of the lane's live epoch, None where it is not assigned."""
        with self._lock:
            epoch = self._epochs.get(lane)
            return None if epoch is None else epoch.number

    def pending(self, lane: Lane) -> int:
        """Records of a live lane that have not ended; 0 for a lane that is not assigned."""
        with self._lock:
            epoch = self._epochs.get(lane)
            return 0 if epoch is None else epoch.pending

    def span(self, lane: Lane) -> int:
        """Delivered minus committable, in offsets: how far a lane has run ahead of its blocked prefix."""
        with self._lock:
            epoch = self._epochs.get(lane)
            if epoch is None or epoch.delivered is None or epoch.prefix is None:
                return 0
            return epoch.delivered - epoch.prefix

    @property
    def pending_records(self) -> int:
        """Records of all live lanes that have not ended."""
        return self._pending_records

    def lanes(self) -> dict[Lane, LaneOffsets]:
        """A copy of where every live lane stands, for status and metrics."""
        with self._lock:
            return {
                lane: LaneOffsets(
                    epoch.number,
                    epoch.delivered,
                    epoch.prefix,
                    epoch.committed,
                    epoch.pending,
                    epoch.tickets[0].opened_at if epoch.tickets else None,
                    epoch.tickets[0].stamp if epoch.tickets else None,
                    epoch.newest,
                )
                for lane, epoch in self._epochs.items()
            }

    def wait_done(self, lanes: Iterable[Lane] | None = None, timeout: float | None = None) -> bool:
        """Blocks until nothing of these lanes (all, where None) is pending, at most `timeout` seconds."""
        wanted = None if lanes is None else tuple(lanes)

        def idle() -> bool:
            if wanted is None:
                return not self._pending_records
            return not any(e.pending for lane in wanted if (e := self._epochs.get(lane)))

        with self._lock:
            return self._lock.wait_for(idle, timeout)

    def __repr__(self) -> str:
        return f"<OffsetTracker lanes={len(self._epochs)} pending={self._pending_records}>"
