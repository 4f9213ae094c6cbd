"""Reads the response topics from now on, and brings each message to whom it is for."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from taosink.ingress.broker.loop_queue import LoopQueue
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outage import Outage
from taosink.ingress.broker.worker_messages import CommandWish, Heard, Passed, Response, read
from taosink.ingress.ports import Counting, Downlink, WorkerAnswer
from taosink.kafka.follow import Follower
from taosink.ports import SourceMessage

WAITING = 2_000
"""Messages that may wait for the loop; then the topic is read no further."""


class Answers:
    """Every gateway reads all of the response topics and takes what is for it; the rest is counted.

    Made and used on the loop's thread; `wish` hears of commands. `start` returns at once; `ready` is set when
    answers to whatever is sent from then on are heard.
    """

    def __init__(
        self,
        options: BrokerOptions,
        loop: asyncio.AbstractEventLoop,
        downlink: Downlink,
        counting: Counting,
        *,
        wish: Callable[[CommandWish], None],
        outage: Outage | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self._server = options.server
        self._downlink, self._counting, self._wish = downlink, counting, wish
        self._outage = outage or Outage()
        self._loop = loop
        self._queue: LoopQueue[Heard] = LoopQueue(loop, self._take, bound=WAITING)
        self._follower: Follower | None = None
        if options.responses:
            self._follower = Follower(
                options.properties,
                options.responses,
                start="end",
                on_messages=self._read,
                on_caught_up=self._caught_up,
                on_brokers=self._brokers,
                prefetch_bytes=options.prefetch_bytes,
                name="ingress-answers",
            )

    def __repr__(self) -> str:
        return f"<Answers {self._follower or 'none'}>"

    def start(self) -> None:
        if self._follower is None:
            self.ready.set()
        else:
            self._follower.start()

    def close(self) -> None:
        """Blocks for a call that is under way, 5 s at most. Idempotent."""
        self._queue.close()
        if self._follower is not None:
            self._follower.close()

    def _read(self, messages: Sequence[SourceMessage]) -> None:
        # On the follower's thread, as the two below.
        self._queue.feed([read(m.value(), self._server, origin_of(m), m.timestamp()[1]) for m in messages])

    def _caught_up(self) -> None:
        with suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(self.ready.set)

    def _brokers(self, reason: str) -> None:
        if reason:
            self._outage.down(self, reason)
        else:
            self._outage.up(self)

    def _take(self, heard: list[Heard]) -> None:
        answers: list[WorkerAnswer] = []
        for item in heard:
            if isinstance(item, tuple):
                answers += item
            elif isinstance(item, Passed):
                self._counting.count("event", f"answer_{item.why}")
            elif isinstance(item, Response):
                self._respond(item)
            else:
                self._wish(item)
        if answers:
            self._downlink.stored(answers)

    def _respond(self, item: Response) -> None:
        if not self._downlink.respond(item.client, item.device, item.response):
            # Without a server's name it is for whoever holds the socket.
            self._counting.count("event", "answer_nobody" if item.named else "answer_foreign")


def origin_of(message: SourceMessage) -> str:
    """A name for the message that every reader gives it, also where its topic is deleted and made again."""
    return f"{message.topic()}-{message.partition()}-{message.offset()}-{message.timestamp()[1]}"
