"""From the event loop into Kafka: bounded, never blocking, each hand-over answered once on the loop."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import structlog

from taosbatch.fnv import fnv1a_32
from taosink.ingress.broker.loop_queue import LoopQueue
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outage import Outage
from taosink.ingress.ports import Counting, Done, Failures, Reply
from taosink.kafka.batch_report import Failed, Headers
from taosink.kafka.publish import Publisher, PublishError

log = structlog.get_logger(__name__)

ALL_BROKERS_DOWN = "_ALL_BROKERS_DOWN"
TOO_LARGE = "MSG_SIZE_TOO_LARGE"
"""The one failure that a resend does not heal."""

RECORD_OVERHEAD = 100
OWN_RECORDS = 50_000
"""Room in the client's queue beyond the bound, for presence and commands, which are bounded by what they say."""

device_hash = lru_cache(20_000)(fnv1a_32)
"""A microsecond for each record otherwise, where devices send them one by one."""

_Ended = tuple[str, int, int, Done, Failed]
"""Purpose, records, bytes, whom to tell, what failed."""


def client_properties(options: BrokerOptions) -> dict[str, Any]:
    """The bounds are kept here, before the client's own: those stand far enough above never to be met."""
    return {
        "linger.ms": round(options.linger * 1000),
        "delivery.timeout.ms": round(options.delivery_timeout * 1000),
        # Devices wait for a broker that is back: the default waits for up to ten seconds.
        "reconnect.backoff.max.ms": 1000,
        **options.properties,
        "queue.buffering.max.messages": options.max_records * 2 + OWN_RECORDS,
        "queue.buffering.max.kbytes": (options.max_bytes >> 9) + (64 << 10),
    }


class LoopPublishing:
    """`ports.Publishing` over one Publisher. All methods belong to the loop's thread.

    A failure's text is the client's name for it, such as _MSG_TIMED_OUT: the record may or may not be in Kafka,
    and is safe to send again. `partitions` is the readings topic's count; until it is known no reading is taken.
    When that topic grows, a device may move to another partition, and for a moment its readings stand in two:
    only two readings with one timestamp can then be stored in the other order.
    """

    def __init__(
        self,
        options: BrokerOptions,
        loop: asyncio.AbstractEventLoop,
        outage: Outage | None = None,
        counting: Counting | None = None,
    ) -> None:
        self._options, self._counting = options, counting
        self._outage = outage or Outage()
        self._records = self._bytes = self._own = 0
        self._refused = False
        self._calls: list[Callable[[], None]] = []
        self._partitions = 0
        self._ended: LoopQueue[_Ended] = LoopQueue(loop, self._settle)
        self._empty = asyncio.Event()
        self._empty.set()
        self._publisher = Publisher(
            client_properties(options),
            on_error=self._heard,
            on_served=self._ended.wake,
            name="ingress-publisher",
        )

    def __repr__(self) -> str:
        return f"<LoopPublishing {self._records} records, {self._bytes} bytes on their way>"

    @property
    def waiting(self) -> int:
        """As `ports.Publishing`."""
        return self._records

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    @property
    def partitions(self) -> int:
        return self._partitions

    @partitions.setter
    def partitions(self, count: int) -> None:
        self._partitions = count
        self._tell_room()

    def fault(self) -> str:
        """Why nothing will ever be delivered again, or empty."""
        return str(self._publisher.fatal or "")

    def readings(self, device: str, values: Sequence[bytes], done: Done, reply: Reply | None = None) -> bool:
        """As `ports.Publishing`."""
        nbytes = sum(map(len, values)) + len(values) * RECORD_OVERHEAD
        if not self._partitions or not self._has_room(len(values), nbytes):
            self._refused = True
            return False
        key = device.encode("utf-8", "surrogatepass")
        headers = reply_headers(self._options.server, reply, len(values)) if reply is not None else ()
        return self._hand_over(
            "readings",
            self._options.readings,
            values,
            done,
            nbytes,
            key=key,
            partition=device_hash(key) % self._partitions,
            headers=headers,
        )

    def request(self, envelope: bytes, key: bytes, done: Done) -> bool:
        """As `ports.Publishing`."""
        nbytes = len(envelope) + RECORD_OVERHEAD
        if not self._has_room(1, nbytes):
            self._refused = True
            return False
        return self._hand_over("requests", self._options.requests, [envelope], done, nbytes, key=key)

    def record(self, topic: str, key: bytes, value: bytes, partition: int, done: Done) -> bool:
        """As `request`, to any topic, for segments; partition -1 is chosen by the key."""
        nbytes = len(value) + RECORD_OVERHEAD
        if not self._has_room(1, nbytes):
            self._refused = True
            return False
        return self._hand_over("segments", topic, [value], done, nbytes, key=key, partition=partition)

    def own(self, topic: str, key: bytes, value: bytes | None, partition: int, done: Done) -> bool:
        """A record of presence or commands. It has room of its own, since what it says goes on to hold while
        devices are answered busy; False beyond that, or where closed."""
        if self._own >= OWN_RECORDS:
            return False
        ended = partial(self._own_ended, done)
        taken = self._hand_over("own", topic, [value], ended, 0, key=key, partition=partition)
        self._own += taken
        return taken

    def on_room(self, call: Callable[[], None]) -> None:
        """As `ports.Publishing`."""
        self._calls.append(call)

    async def flush(self, seconds: float) -> int:
        """Waits until nothing is on its way; returns how many records are after that time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)
        return self._records

    def close(self, seconds: float) -> int:
        """Blocks for up to about `seconds` + 1; what is not acknowledged by then is reported as failed and
        counted in the result. Idempotent."""
        return self._publisher.close(seconds)

    def _has_room(self, records: int, nbytes: int) -> bool:
        # What is larger than the whole bound passes alone: it would wait for ever.
        others = self._records - self._own
        return not others or (
            others + records <= self._options.max_records and self._bytes + nbytes <= self._options.max_bytes
        )

    def _hand_over(
        self, purpose: str, topic: str, values: Sequence[bytes | None], done: Done, nbytes: int, **to: Any
    ) -> bool:
        on_end = partial(self._end, purpose, len(values), nbytes, done)
        if not self._publisher.produce_batch(topic, values, on_end=on_end, **to):
            return False
        self._records += len(values)
        self._bytes += nbytes
        self._empty.clear()
        return True

    def _own_ended(self, done: Done, failures: Failures) -> None:
        self._own -= 1
        done(failures)

    def _end(self, purpose: str, records: int, nbytes: int, done: Done, failed: Failed) -> None:
        # On the publisher's thread.
        self._ended.put((purpose, records, nbytes, done, failed))
        if len(failed) < records:
            self._outage.up(self)

    def _heard(self, error: PublishError) -> None:
        # On the publisher's thread.
        if error.name == ALL_BROKERS_DOWN:
            self._outage.down(self, str(error))
        elif error.unknown_name is not None:
            self._outage.name_unknown(error.unknown_name)
        elif error.refused is not None:
            self._outage.refused(error.refused)
        elif error.fatal:
            log.error("ingress.publisher_failed", error=str(error), todo="the gateway has to be started anew")

    def _settle(self, ended: list[_Ended]) -> None:
        for _, records, nbytes, _, _ in ended:
            self._records -= records
            self._bytes -= nbytes
        if not self._records:
            self._empty.set()
        if self._counting is not None:
            _count(self._counting, ended)
        for *_, done, failed in ended:
            try:
                done({place: error.name() for place, error in failed})
            except Exception:  # a defect behind one answer must not take the other answers with it
                log.exception("ingress.answer_failed")
        self._tell_room()

    def _tell_room(self) -> None:
        half = self._options.max_records // 2, self._options.max_bytes // 2
        if (
            not self._refused
            or not self._partitions
            or self._records - self._own > half[0]
            or self._bytes > half[1]
        ):
            return
        self._refused = False
        for call in self._calls:
            call()


def _count(counting: Counting, ended: list[_Ended]) -> None:
    published: dict[str, int] = {}
    for purpose, records, _, _, failed in ended:
        published[purpose] = published.get(purpose, 0) + records - len(failed)
        if failed:
            counting.count("failed", purpose, len(failed))
    for purpose, count in published.items():
        counting.count("published", purpose, count)


def reply_headers(server: str, reply: Reply, count: int) -> list[Headers]:
    """One entry a record: to whom its worker owes an answer. The uid is JSON, so that texts and integers
    survive."""
    shared = [
        ("taosink.reply.server", server.encode()),
        ("taosink.reply.client", reply.client.encode()),
        ("taosink.reply.uid", json.dumps(reply.uid, ensure_ascii=False).encode("utf-8", "surrogatepass")),
        ("taosink.reply.ack", b"stored"),
    ]
    if reply.ticket is not None:
        shared.append(("taosink.reply.ticket", b"%d" % reply.ticket))
    if not reply.indexed:
        return [shared] * count
    return [[*shared, ("taosink.reply.index", b"%d" % place)] for place in range(count)]
