"""Everything between a gateway's loop and Kafka: what is built from what, how it starts, and how it stops."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from taosink.ingress.broker.answers import Answers
from taosink.ingress.broker.command_service import CommandService
from taosink.ingress.broker.desk import Desk, Holders
from taosink.ingress.broker.loop_queue import LoopQueue
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outage import Outage
from taosink.ingress.broker.presence_service import PresenceService
from taosink.ingress.broker.publishing import LoopPublishing
from taosink.ingress.broker.topic_keeper import TopicKeeper
from taosink.ingress.ports import Counting, Downlink
from taosink.kafka.closing import close_within
from taosink.kafka.follow import Follower
from taosink.ports import SourceMessage

log = structlog.get_logger(__name__)

WAITING = 5_000
FAREWELL = 2.0
CLOSING = 1.5
"""Seconds for the ends of the clients, which the stop's deadline does not cover."""

Heard = tuple[str, bytes | None, bytes | None] | str | None
"""A record (topic, key, value); a topic that is read anew; None: all that was there at the start has been read."""


class GatewayBroker:
    """`ports.Broker`. Made and used on `loop`. Raises PublishError or TopicError for properties that the client
    refuses; after that nothing but a dead client (`fault`) ends it, and an outage is waited out.

    `desk` and `holders` are for the admin listener, `reasons` says why the gateway is not ready.
    """

    def __init__(
        self, options: BrokerOptions, loop: asyncio.AbstractEventLoop, downlink: Downlink, counting: Counting
    ) -> None:
        self._options, self._loop = options, loop
        self._outage = Outage()
        self._counts_known, self._read = asyncio.Event(), asyncio.Event()
        self._closed = False
        self._ticking: asyncio.Task[None] | None = None
        self.publishing = LoopPublishing(options, loop, self._outage, counting)
        try:
            self.presence = PresenceService(options, self.publishing, downlink, counting)
            self.commands = CommandService(options, self.publishing, downlink, counting, self.presence)
            self.holders = Holders(self.presence)
            self.desk = Desk(self.commands, self.holders)
            self._answers = Answers(
                options, loop, downlink, counting, wish=self.commands.wish, outage=self._outage
            )
            self._queue: LoopQueue[Heard] = LoopQueue(loop, self._take, bound=WAITING)
            self._follower = self._make_follower()
            self._keeper = TopicKeeper(options, self._counted)
        except BaseException:
            self.publishing.close(0.0)
            raise

    def __repr__(self) -> str:
        return f"<GatewayBroker {self.publishing!r}, {self.presence!r}, {self.commands!r}>"

    async def start(self) -> None:
        """As `ports.Broker`: returns when the topics are there and what stood in them has been read, however long
        the brokers take."""
        self._keeper.start()
        await self._counts_known.wait()
        self._ticking = asyncio.create_task(self._tick())
        self._answers.start()
        self._follower.start()
        await self._answers.ready.wait()
        await self._read.wait()

    def reasons(self) -> Sequence[str]:
        """Why the gateway is not ready, empty where it is."""
        found = [f"Kafka: {self._outage.reason}"] if self._outage.reason else []
        if self._keeper.problem:
            found.append(self._keeper.problem)
        elif not self._read.is_set():
            found.append("presence and commands are not read to their end yet")
        elif not self._answers.ready.is_set():
            found.append("the response topics are not read yet")
        return found

    def needs_operator(self) -> bool:
        """Whether somebody has to act before brokers let it in."""
        return self._outage.needs_operator

    def fault(self) -> str:
        """As `ports.Broker`."""
        return self.publishing.fault()

    async def flush(self, seconds: float) -> int:
        """As `ports.Broker`."""
        return await self.publishing.flush(seconds)

    async def stop(self, seconds: float) -> None:
        """As `ports.Broker`; the last record says that this gateway's devices are absent."""
        if self._closed:
            return
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
            self.presence.farewell()
            await self.publishing.flush(min(max(0.0, seconds - CLOSING), FAREWELL))
        self._queue.close()
        closes = (
            self._answers.close,
            self._follower.close,
            partial(self._keeper.close, CLOSING),
            partial(self.publishing.close, 0.0),
        )
        await asyncio.gather(*(asyncio.to_thread(self._close, close) for close in closes))

    def _close(self, close: Callable[[], object]) -> None:
        # A call to brokers that are silent takes seconds: all at once, and none of them for longer than this.
        try:
            close_within(self, close, CLOSING)
        except Exception:  # the others are to be closed all the same
            log.exception("ingress.broker_close_failed")

    def _make_follower(self) -> Follower:
        return Follower(
            self._options.properties,
            (self._options.presence, self._options.commands),
            on_messages=self._hear,
            on_caught_up=lambda: self._queue.feed([None]),
            on_restart=lambda topic: self._queue.feed([topic]),
            on_brokers=self._brokers,
            prefetch_bytes=self._options.prefetch_bytes,
            name="ingress-compacted",
        )

    # On other threads.

    def _hear(self, messages: Sequence[SourceMessage]) -> None:
        self._queue.feed([(m.topic() or "", m.key(), m.value()) for m in messages])

    def _brokers(self, reason: str) -> None:
        if reason:
            self._outage.down(self, reason)
        else:
            self._outage.up(self)

    def _counted(self, counts: Mapping[str, int]) -> None:
        with contextlib.suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(self._know, counts)

    # On the loop.

    def _know(self, counts: Mapping[str, int]) -> None:
        if not self._counts_known.is_set():
            # Those of the compacted topics are kept: a key must stay in its partition.
            self.presence.partitions = counts[self._options.presence]
            self.commands.partitions = counts[self._options.commands]
            self._counts_known.set()
        self.publishing.partitions = counts[self._options.readings]

    def _take(self, heard: list[Heard]) -> None:
        for item in heard:
            try:
                self._take_one(item)
            except Exception:  # a defect behind one record must not end the reading of all
                log.exception("ingress.record_failed")

    def _take_one(self, item: Heard) -> None:
        if item is None:
            self._read.set()
            self.presence.caught_up()
            self.commands.caught_up()
        elif isinstance(item, str):
            (self.presence if item == self._options.presence else self.commands).restart()
        elif item[0] == self._options.presence:
            self.presence.apply(item[1], item[2])
        else:
            self.commands.apply(item[1], item[2])

    async def _tick(self) -> None:
        while True:
            for tick in (self.presence.tick, self.commands.tick):
                try:
                    tick()
                except Exception:  # the next one may do
                    log.exception("ingress.tick_failed")
            await asyncio.sleep(self._options.timings.sweep)
