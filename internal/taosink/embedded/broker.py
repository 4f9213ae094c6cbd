"""`taosink embedded broker`: a Kafka broker for demos, tests and laptops, in a process of its own."""

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from taosink.embedded.librdkafka import BrokerFailedError, BrokerLibraryMissingError, MockCluster

__all__ = ["BrokerFailedError", "BrokerLibraryMissingError", "MockCluster", "serve"]

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(topics: Mapping[str, int], *, on_ready: Callable[[str], None], lifeline: int | None = None) -> None:
    """Runs until SIGTERM or SIGINT; the main thread's. `on_ready` gets `127.0.0.1:PORT` when topics exist.

    `lifeline` is a file descriptor (a pipe as standard input) that the starter holds open: its end ends the
    broker too, so that none is left behind by a starter that was killed.
    It keeps at most 5 MiB per partition and silently drops older data: a producer must bound its backlog.
    It makes a topic that a producer, or whoever asks by name, misspells, with 4 partitions: there is no switch.
    Raises BrokerLibraryMissingError or BrokerFailedError.
    """
    # Signals are caught before the address is given away: one that comes right after it must find the loop.
    with stop_signals() as wake, MockCluster(topics) as cluster:
        on_ready(cluster.bootstrap)
        wait_for_stop(wake, lifeline)


def wait_for_stop(wake: socket.socket, lifeline: int | None) -> None:
    watched = [wake.fileno()] if lifeline is None else [wake.fileno(), lifeline]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if wake.fileno() in readable:
            return
        if not os.read(readable[0], 4096):
            return


@contextmanager
def stop_signals() -> Iterator[socket.socket]:
    """Turns SIGTERM and SIGINT into bytes on a socket, and puts back what was there before."""
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.setblocking(False)
        before = signal.set_wakeup_fd(sender.fileno())
        handlers = {number: signal.signal(number, note_signal) for number in STOP_SIGNALS}
        try:
            yield receiver
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


def note_signal(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor carries the news; without a handler the signal would end the process."""
