"""Where records stand, in the short form that log lines carry: topic, partition and a range of offsets."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from taosbatch.batch import Chunk
from taosbatch.offsets import Lane

MOST = 8
"""Places that one line names; how many there are beyond it is said."""


class Places:
    """The chunks of a batch. Made for every batch, so it costs nothing until a line is written: `texts` then gives
    `topic/partition:first-last` for each, with neighbours joined; both offsets belong to it."""

    __slots__ = ("_chunks",)

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks

    def __repr__(self) -> str:
        return f"<Places {', '.join(self.texts())}>"

    def texts(self) -> list[str]:
        return bounded([_text(lane, first, last) for lane, first, last in _spans(self._chunks)])


def spell(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor: `chunks` as texts. Runs for lines that are written, and for no others."""
    if "chunks" in event:
        # Behind all else: what went wrong comes first, also where only a line's beginning is kept.
        chunks = event.pop("chunks")
        event["chunks"] = chunks.texts() if isinstance(chunks, Places) else chunks
    return event


def offsets(of: Mapping[Lane, int] | Iterable[tuple[Lane, int]]) -> list[str]:
    """`topic/partition:offset` for each."""
    pairs = of.items() if isinstance(of, Mapping) else of
    return bounded([f"{lane.topic}/{lane.partition}:{offset}" for lane, offset in pairs])


def lanes(which: Iterable[Lane]) -> list[str]:
    """`topic/0-5` for each run of partitions."""
    found: list[str] = []
    for topic, of_topic in groupby(sorted(which), key=lambda lane: lane.topic):
        first = last = -2
        runs: list[tuple[int, int]] = []
        for partition in (lane.partition for lane in of_topic):
            if partition != last + 1:
                first = partition
            else:
                runs.pop()
            last = partition
            runs.append((first, last))
        found += [f"{topic}/{a}" if a == b else f"{topic}/{a}-{b}" for a, b in runs]
    return bounded(found)


def bounded(texts: Sequence[str]) -> list[str]:
    """At most MOST of them, and how many more there are."""
    return [*texts[:MOST], f"and {len(texts) - MOST} more"] if len(texts) > MOST else list(texts)


def _spans(chunks: Iterable[Chunk]) -> list[tuple[Lane, int | None, int | None]]:
    spans: list[tuple[Lane, int | None, int | None]] = []
    for chunk in chunks:
        first, last = _offset(chunk.sources, 0), _offset(chunk.sources, -1)
        if spans and first is not None:
            lane, start, end = spans[-1]
            if lane == chunk.lane and end is not None and first == end + 1:
                spans[-1] = (lane, start, last)
                continue
        spans.append((chunk.lane, first, last))
    return spans


def _offset(sources: Sequence[Any], at: int) -> int | None:
    # A chunk's sources are opaque: tests and tools put in what they like.
    offset = getattr(sources[at], "offset", None) if sources else None
    return offset() if callable(offset) else None


def _text(lane: Lane, first: int | None, last: int | None) -> str:
    place = f"{lane.topic}/{lane.partition}"
    if first is None:
        return place
    return f"{place}:{first}" if first == last else f"{place}:{first}-{last}"
