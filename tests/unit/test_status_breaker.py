"""A breaker that an operator closes: what waited for its next probe goes at once, whenever the call comes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.status_rig import A, B, StatusRig

from taosbatch.batch import Batch
from taosbatch.encoding import Reject
from taosink.pipeline import Pipeline
from taosink.ports import PoisonGate, Written


class Writer:
    """Stores everything; `meanwhile` is called while it writes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def write(self, values: Sequence[bytes], owned: Callable[[], bool]) -> Written:
        del owned
        self.sizes.append(len(values))
        self.meanwhile()
        return Written([], [])

    def close(self) -> None: ...


class NoLetters:
    def publish(self, source: Any, reject: Reject, done: Callable[[], None]) -> bool:
        raise AssertionError((source, reject, done))


@pytest.fixture
def rig() -> StatusRig:
    return StatusRig()


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def pipeline(rig: StatusRig, writer: Writer) -> Pipeline:
    def make_writer(_allow: PoisonGate) -> Writer:
        return writer

    return Pipeline(
        make_writer,
        NoLetters(),
        rig.queue,
        counters=rig.counters,
        waits=rig.waits,
        breakers=rig.breakers,
        abandoned=lambda: False,
        clock=lambda: rig.now,
    )


def run(rig: StatusRig, pipeline: Pipeline) -> bool:
    """One batch, if one is due."""
    rig.now += 0.2
    batch: Batch | None = rig.queue.take(0.0)
    if batch is None:
        return False
    pipeline(batch)
    rig.queue.finish(batch)
    return True


def close(rig: StatusRig) -> bool:
    """As the status listener does."""
    closed = rig.breakers.close(A)
    rig.queue.release([A])
    return closed


def test_what_is_parked_goes_at_once(rig: StatusRig, pipeline: Pipeline, writer: Writer) -> None:
    """Without the call it would wait for a minute, and then go row by row."""
    rig.stop_by_poison(rig.deliver(A, b"1", b"2", b"3"))
    assert run(rig, pipeline)
    assert not run(rig, pipeline)
    assert writer.sizes == []
    assert close(rig)
    assert run(rig, pipeline)
    assert writer.sizes == [3]
    assert rig.tracker.committable() == {A: 3}
    assert not close(rig)


def test_closed_while_a_probe_is_being_written(rig: StatusRig, pipeline: Pipeline, writer: Writer) -> None:
    """The probe counts for the breaker that is gone; the rest does not wait for the next one."""
    rig.stop_by_poison(rig.deliver(A, b"1", b"2", b"3"))
    rig.now += 60.0
    writer.meanwhile = lambda: close(rig)
    assert run(rig, pipeline)
    assert run(rig, pipeline)
    assert writer.sizes == [1, 2]


def test_closed_between_the_look_and_the_parking(rig: StatusRig, pipeline: Pipeline, writer: Writer) -> None:
    """The call finds nothing to release then: who parks looks again."""
    rig.stop_by_poison(rig.deliver(A, b"1"))
    rig.deliver(B, b"1")  # of another lane: its writing is the moment between
    writer.meanwhile = lambda: close(rig)
    while writer.sizes != [1]:
        assert run(rig, pipeline)
    writer.meanwhile = lambda: None
    assert run(rig, pipeline)
    assert writer.sizes == [1, 1]


def test_a_lane_that_is_not_stopped_is_not_closed(rig: StatusRig) -> None:
    """Neither one that has no breaker yet, nor one of nobody."""
    assert not rig.breakers.close(A)
    rig.breakers.of(rig.deliver(A, b"1").ticket)
    assert not rig.breakers.close(A)
    assert rig.breakers.open_lanes() == {}
