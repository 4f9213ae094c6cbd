"""One delivery report for many records that were handed over together."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

Headers = Sequence[tuple[str, bytes | None]]

Failed = list[tuple[int, KafkaError]]
"""Places of records in their call, and why the broker does not have them."""

OnEnd = Callable[[Failed], None]

End = Callable[[int, Failed], None]
"""How many records the call had, and which of them the broker does not have."""


class BatchReport:
    """Counts the reports of one call's records, and ends once. Used by the thread that serves the producer.

    A report does not say which record it is of, and the order of failures is not that of the call, so a failed
    one is known by its value; equal values are interchangeable.
    """

    __slots__ = ("_end", "_left", "_lost", "_refused", "_values")

    def __init__(self, values: Sequence[bytes | None], end: End) -> None:
        self._values = values
        self._left = len(values)
        self._lost: list[tuple[object, KafkaError]] = []
        self._refused: Failed = []
        self._end = end

    def __repr__(self) -> str:
        return f"<BatchReport {self._left} of {len(self._values)} to come, {len(self._lost)} lost>"

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """The producer's callback, called once a record."""
        if error is not None:
            self._lost.append((message.value(), error))
        self._left -= 1
        if not self._left:
            self._end(len(self._values), self._failed())

    def refuse(self, failed: Failed) -> None:
        """These were never taken; no callback comes for them."""
        self._refused = failed
        self._left -= len(failed)
        if not self._left:
            self._end(len(self._values), self._failed())

    def _failed(self) -> Failed:
        if not self._lost:
            return self._refused
        refused = {place for place, _ in self._refused}
        places: dict[object, list[int]] = {}
        for place in reversed(range(len(self._values))):
            if place not in refused:
                places.setdefault(self._values[place], []).append(place)
        return self._refused + [(places[value].pop(), error) for value, error in self._lost]


class Target(NamedTuple):
    """Where the records of one call go; partition -1 is chosen by the key."""

    topic: str
    partition: int
    key: bytes | None


def hand_over(
    producer: Producer,
    target: Target,
    values: Sequence[bytes | None],
    headers: Sequence[Headers],
    end: End,
) -> Callable[[], None] | None:
    """`end` is called once, by the producer's thread; where the client refused records, only after what is
    returned was called on that thread. RuntimeError where the client is closed, and `end` is never called."""
    if len(values) == 1:
        refused = alone(producer, target, values[0], headers[0] if headers else (), end)
        return partial(end, 1, refused) if refused else None
    report = BatchReport(values, end)
    if headers:
        refused = one_by_one(producer, target, values, headers, report)
    else:
        refused = at_once(producer, target, values, report)
    return partial(report.refuse, refused) if refused else None


def alone(producer: Producer, target: Target, value: bytes | None, headers: Headers, end: End) -> Failed:
    """As `at_once`, for a single record: devices that send one at a time pay for no gathering."""

    def report(error: KafkaError | None, _: Message) -> None:
        end(1, [] if error is None else [(0, error)])

    try:
        if headers:
            producer.produce(target.topic, value, target.key, target.partition, report, headers=list(headers))
        else:
            producer.produce(target.topic, value, target.key, target.partition, report)
    except BufferError:
        return [(0, KafkaError(KafkaError._QUEUE_FULL))]
    except KafkaException as error:
        return [(0, error.args[0])]
    return []


def at_once(
    producer: Producer, target: Target, values: Sequence[bytes | None], report: BatchReport
) -> Failed:
    """Returns what the client refused. RuntimeError where it is closed."""
    messages: list[dict[str, Any]] = [{"value": value, "key": target.key} for value in values]
    try:
        # The partition is an argument of the call: that of a single message is ignored by the client.
        taken = producer.produce_batch(target.topic, messages, partition=target.partition, on_delivery=report)
    except KafkaException as error:
        return [(place, error.args[0]) for place in range(len(values))]
    if taken == len(values):
        return []
    return [(place, m["_error"]) for place, m in enumerate(messages) if "_error" in m]


def one_by_one(
    producer: Producer,
    target: Target,
    values: Sequence[bytes | None],
    headers: Sequence[Headers],
    report: BatchReport,
) -> Failed:
    """As `at_once`, for records with headers, which that call does not know."""
    refused: Failed = []
    for place, (value, own) in enumerate(zip(values, headers, strict=True)):
        try:
            producer.produce(target.topic, value, target.key, target.partition, report, headers=list(own))
        except BufferError:
            refused.append((place, KafkaError(KafkaError._QUEUE_FULL)))
        except KafkaException as error:
            refused.append((place, error.args[0]))
    return refused
