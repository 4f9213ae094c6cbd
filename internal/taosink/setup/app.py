"""`taosink init`: prepares both sides at once, and tells what became of each thing."""

import queue
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from taosink.clients import taos_address
from taosink.settings.init import InitSettings
from taosink.setup.database_side import prepare_database
from taosink.setup.kafka_side import prepare_kafka
from taosink.setup.outcome import Outcome, State
from taosink.setup.patience import Patience
from taosink.tools import FINE, fail

Found = queue.SimpleQueue[Outcome | BaseException | None]


def run_init(settings: InitSettings) -> int:
    """Safe to repeat, and beside others that do the same. Blocks for a little more than `init.timeout` at most.

    Exit code: 0 everything is there, whatever was said of it; 1 something is not.
    """
    brokers = ", ".join(settings.kafka.brokers)
    timeout, over = settings.make.timeout, threading.Event()
    kafka = prepare_kafka(settings, Patience(f"Kafka at {brokers}", timeout, over))
    where = taos_address(settings.taos).shown
    database = prepare_database(settings, Patience(f"TDengine at {where}", timeout, over))
    with _stoppable():
        try:
            return _told(_both(kafka, database))
        finally:
            over.set()


def _told(outcomes: Iterable[Outcome]) -> int:
    code = FINE
    for outcome in outcomes:
        if outcome.state is State.FAILED:
            code = fail("init", outcome.text)
        else:
            sys.stdout.write(outcome.line + "\n")
            sys.stdout.flush()
        if outcome.refused:
            break
    return code


@contextmanager
def _stoppable() -> Iterator[None]:
    """The first process of a container has no default for SIGTERM, and would not notice it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _both(*sides: Iterator[Outcome]) -> Iterator[Outcome]:
    """What the sides tell, as they tell it, each worked out on a thread of its own."""
    found: Found = queue.SimpleQueue()

    def run(side: Iterator[Outcome]) -> None:
        try:
            for outcome in side:
                found.put(outcome)
            found.put(None)
        except BaseException as error:  # noqa: BLE001 - a defect, raised again where it is waited for
            found.put(error)

    for side in sides:
        threading.Thread(target=run, args=(side,), name="init-side", daemon=True).start()
    open_sides = len(sides)
    while open_sides:
        told = found.get()
        if told is None:
            open_sides -= 1
        elif isinstance(told, BaseException):
            raise told
        else:
            yield told
