"""Chunks and batches: what travels through the queue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Any

from taosbatch.offsets import Lane, Ticket


@dataclass(slots=True, eq=False)
class Chunk:
    """What one poll returned of one partition, or what is left of it: values in partition order.

    `sources` are the messages that the values came from (same length, opaque here; dead letters need them).
    `nbytes` is what the chunk counts for in the queue's budget, `attempt` how often it was handed back.
    `queued_at` is set by the queue, once, and stays with what is left of the chunk.
    """

    lane: Lane
    values: list[bytes]
    sources: Sequence[Any]
    ticket: Ticket
    nbytes: int
    attempt: int = 0
    queued_at: float = 0.0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def begun(self) -> bool:
        """Whether a worker has had it, or other records of its ticket: a ticket is committed as a whole."""
        return self.attempt > 0 or len(self.values) < self.ticket.records

    def subset(self, indices: Sequence[int]) -> "Chunk":
        """The named records (ascending indices within this chunk), on the same ticket, one attempt later.

        Bytes are divided evenly: the sum over a chunk's subsets never exceeds the chunk.
        """
        share = self.nbytes * len(indices) // max(1, len(self.values))
        return Chunk(
            lane=self.lane,
            values=[self.values[i] for i in indices],
            sources=[self.sources[i] for i in indices],
            ticket=self.ticket,
            nbytes=share,
            attempt=self.attempt + 1,
            queued_at=self.queued_at,
        )

    def split(self, at: int) -> "tuple[Chunk, Chunk]":
        """The first `at` records and the others, on the same ticket and attempt; the bytes add up exactly."""
        head = self.nbytes * at // max(1, len(self.values))
        return (
            replace(self, values=self.values[:at], sources=self.sources[:at], nbytes=head),
            replace(self, values=self.values[at:], sources=self.sources[at:], nbytes=self.nbytes - head),
        )


@dataclass(slots=True, eq=False)
class Batch:
    """Chunks of one or several lanes that one worker writes together, and holds until `BatchQueue.finish`."""

    chunks: tuple[Chunk, ...]
    first_at: float
    starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.starts = tuple(accumulate((len(c) for c in self.chunks), initial=0))

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self.chunks)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(dict.fromkeys(c.lane for c in self.chunks))

    def values(self) -> list[bytes]:
        """All values, chunk after chunk; index i belongs to the chunk that `by_chunk` names."""
        if len(self.chunks) == 1:
            return self.chunks[0].values
        return list(chain.from_iterable(c.values for c in self.chunks))

    def by_chunk(self, indices: Sequence[int]) -> Iterator[tuple[Chunk, list[int]]]:
        """Ascending batch indices as (chunk, indices within it), chunks without any left out."""
        at = 0
        for chunk, start, end in zip(self.chunks, self.starts, self.starts[1:], strict=False):
            first = at
            while at < len(indices) and indices[at] < end:
                at += 1
            if at > first:
                yield chunk, [i - start for i in indices[first:at]]
