"""How much of each partition a consumer group has still to commit, in bytes. Pure, apart from its lock."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

RECORD_OVERHEAD = 80
"""Bytes counted for each record beside key and value: what one takes that travels alone (61 of batch header,
and its own lengths). In larger batches it is less, so that the estimate is on the safe side."""

MARKS = 64


@dataclass(slots=True)
class _Partition:
    sent: int = 0
    delivered: int = 0
    released: int = 0
    marks: deque[tuple[int, int]] = field(
        default_factory=deque
    )  # (offset after, bytes delivered up to there)


class Backlog:
    """Thread-safe: records are sent by one thread, and reported by another.

    Bytes count from being sent until the group has committed beyond them, or until the record has failed.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._step = max(1, max_bytes // MARKS)
        self._partitions: dict[int, _Partition] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        with self._lock:
            behind = {number: p.sent - p.released for number, p in sorted(self._partitions.items())}
        return f"Backlog(max_bytes={self.max_bytes}, behind={behind})"

    def has_room(self, partition: int, nbytes: int) -> bool:
        """Whether a record of this size may be sent now; one larger than the whole bound goes alone."""
        with self._lock:
            found = self._partitions.get(partition)
            if found is None or found.sent == found.released:
                return True
            return found.sent - found.released + nbytes <= self.max_bytes

    def sent(self, partition: int, nbytes: int) -> None:
        with self._lock:
            self._partitions.setdefault(partition, _Partition()).sent += nbytes

    def delivered(self, partition: int, offset: int, nbytes: int) -> None:
        """In the order of the offsets, as an idempotent producer reports them."""
        with self._lock:
            found = self._partitions[partition]
            found.delivered += nbytes
            marks = found.marks
            # A mark every few records, not one each: it moves on until it stands for a step's worth of bytes.
            # The last one always stands at the end: a group that has everything leaves nothing behind.
            previous = marks[-2][1] if len(marks) > 1 else found.released
            if marks and found.delivered - previous <= self._step:
                marks.pop()
            marks.append((offset + 1, found.delivered))

    def failed(self, partition: int, nbytes: int) -> None:
        with self._lock:
            self._partitions[partition].sent -= nbytes

    def committed(self, offsets: Mapping[int, int]) -> None:
        """The group's next offset of each partition."""
        with self._lock:
            for number, offset in offsets.items():
                found = self._partitions.get(number)
                while found and found.marks and found.marks[0][0] <= offset:
                    found.released = found.marks.popleft()[1]
