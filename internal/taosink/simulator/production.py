"""The producing loop: readings in, records out, as fast as rate, queue and the group's backlog allow."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from taosbatch.fnv import partition
from taosink.kafka.group_offsets import GroupOffsets
from taosink.kafka.publish import Publisher, PublishError
from taosink.ports import SourceMessage
from taosink.records.record import Record
from taosink.simulator.backlog import RECORD_OVERHEAD, Backlog
from taosink.simulator.fleet import Fleet
from taosink.simulator.pacing import due_in

log = structlog.get_logger(__name__)

ASK_S = 0.05
"""Between two questions for the group's commits: a consumer commits about every half second."""


@dataclass(slots=True)
class Counts:
    """`produced`: handed to the client. `refused`: never taken by it (too large)."""

    produced: int = 0
    poison: int = 0
    refused: int = 0


class Production:
    """One run. `run` belongs to one thread; `counts` may be read by any."""

    def __init__(
        self,
        fleet: Fleet,
        publisher: Publisher,
        *,
        topic: str,
        partitions: int,
        encode: Callable[[Record], bytes],
        stop: threading.Event,
        rate: float | None = None,
        duration: float | None = None,
        backlog: Backlog | None = None,
        group: GroupOffsets | None = None,
        tick: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tick` is called about once a second, and while the run waits. `backlog` needs `group`."""
        self._fleet, self._publisher, self._topic = fleet, publisher, topic
        self._encode, self._stop, self._rate, self._duration = encode, stop, rate, duration
        self._backlog, self._group = backlog, group
        self._tick, self._clock = tick, clock
        names = [fleet.device_name(device) for device in range(fleet.settings.tables)]
        self._devices: Sequence[tuple[str, bytes, int]] = [
            (name, name.encode(), partition(name, partitions)) for name in names
        ]
        self.counts = Counts()
        self._started = self._next_tick = clock()

    def __repr__(self) -> str:
        return f"Production({self._topic}, {self.counts})"

    def run(self) -> None:
        """Returns when everything is handed over, the duration is over, or a stop is asked for; nothing is
        flushed. Raises PublishError where the client has failed for good."""
        self._started = self._clock()
        self._next_tick = self._started + 1.0
        for device, row, kind in self._fleet.readings():
            name, key, number = self._devices[device]
            if kind is None:
                value = self._encode(
                    Record(name, self._fleet.timestamp_ns(row), self._fleet.values(device, row))
                )
            else:
                value = self._fleet.broken(device, row, kind)
            if not self._send(value, key, number):
                return
            self.counts.poison += kind is not None

    def _send(self, value: bytes, key: bytes, number: int) -> bool:
        """False where the run is over."""
        nbytes = len(value) + len(key) + RECORD_OVERHEAD
        if not (self._wait_for_turn() and self._wait_for_group(number, nbytes)):
            return False
        report = None
        if self._backlog is not None:
            self._backlog.sent(number, nbytes)
            report = partial(self._reported, self._backlog, number, nbytes)
        while not self._offer(value, key, number, report):
            if not self._goes_on():
                return False
        return True

    def _offer(self, value: bytes, key: bytes, number: int, report: "Callable[..., None] | None") -> bool:
        try:
            taken = self._publisher.produce(
                self._topic, value, key=key, partition=number, on_delivery=report, timeout=0.5
            )
        except PublishError as error:
            if error.fatal:
                raise
            self._count_refused(error)
            return True
        self.counts.produced += taken
        return taken

    def _count_refused(self, error: PublishError) -> None:
        if not self.counts.refused:
            log.error("producer.record_refused", topic=self._topic, error=str(error), meaning="not produced")
        self.counts.refused += 1

    def _goes_on(self) -> bool:
        now = self._clock()
        if now >= self._next_tick:
            self._next_tick = now + 1.0
            self._tick()
        over = self._duration is not None and now - self._started >= self._duration
        return not (over or self._stop.is_set() or self._publisher.fatal)

    def _wait_for_turn(self) -> bool:
        while self._goes_on():
            wait = due_in(self._rate, self.counts.produced, self._clock() - self._started)
            if not wait:
                return True
            self._stop.wait(min(wait, 0.2))
        return False

    def _wait_for_group(self, number: int, nbytes: int) -> bool:
        if self._backlog is None or self._group is None or self._backlog.has_room(number, nbytes):
            return True
        while self._goes_on():
            self._backlog.committed(self._group.committed())
            if self._backlog.has_room(number, nbytes):
                return True
            self._stop.wait(ASK_S)
        return False

    @staticmethod
    def _reported(
        backlog: Backlog, number: int, nbytes: int, error: object | None, message: SourceMessage
    ) -> None:
        offset = message.offset()
        if error is None and offset is not None:
            backlog.delivered(number, offset, nbytes)
        else:
            backlog.failed(number, nbytes)
