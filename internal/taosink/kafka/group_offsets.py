"""Reads what a group has committed, without joining it."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition


class GroupOffsets:
    """A consumer that never subscribes: it only asks the group's coordinator. One thread's, in a `with`."""

    def __init__(
        self, properties: Mapping[str, Any], group: str, topic: str, partitions: Sequence[int]
    ) -> None:
        self._group = group
        self._partitions = [TopicPartition(topic, partition) for partition in partitions]
        self._consumer = Consumer(
            {"log_level": 0, **properties, "group.id": group, "enable.auto.commit": False}
        )

    def __repr__(self) -> str:
        return f"GroupOffsets({self._group}, {len(self._partitions)} partitions)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def committed(self, timeout: float = 1.0) -> Mapping[int, int]:
        """partition -> next offset, of the partitions that have one. Blocks up to `timeout` seconds.

        Empty where the coordinator does not answer: whoever waits for the group then waits on.
        """
        try:
            answer = self._consumer.committed(self._partitions, timeout=timeout)
        except KafkaException:
            return {}
        return {
            found.partition: found.offset for found in answer if found.error is None and found.offset >= 0
        }
