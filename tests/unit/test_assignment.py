"""What librdkafka is told of the partitions that a member has."""

from typing import Any

import pytest
from confluent_kafka import TopicPartition

from taosbatch.offsets import Lane
from taosink.kafka.assignment import Assignment
from taosink.kafka.start import Blocked

READ, UNKNOWN, STOPPED = Lane("t", 0), Lane("t", 1), Lane("t", 2)
WHY = Blocked("other_topic", 5, "made anew")


class Client:
    """Stands for librdkafka: where each partition was told to be read, and which are paused."""

    def __init__(self) -> None:
        self.places: dict[Lane, int] = {}
        self.paused: set[Lane] = set()

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.places = {Lane(tp.topic, tp.partition): tp.offset for tp in partitions}

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.places |= {Lane(tp.topic, tp.partition): tp.offset for tp in partitions}

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            del self.places[Lane(tp.topic, tp.partition)]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {Lane(tp.topic, tp.partition) for tp in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {Lane(tp.topic, tp.partition) for tp in partitions}


def begun(client: Any, *, cooperative: bool) -> Assignment:
    assignment = Assignment(client, cooperative=cooperative)
    assignment.add([READ, UNKNOWN, STOPPED], {READ: 7}, {STOPPED: WHY})
    return assignment


@pytest.mark.parametrize("cooperative", [False, True])
def test_every_place_that_librdkafka_is_told_is_a_number(cooperative: bool) -> None:
    """Also of what is not read: a logical offset is asked for, and its late answer moves a later assignment."""
    client = Client()
    assignment = begun(client, cooperative=cooperative)
    assert client.places == {READ: 7, UNKNOWN: 0, STOPPED: 0}
    assert client.paused == {UNKNOWN, STOPPED}
    assignment.begin({UNKNOWN: 40})
    assert client.places == {READ: 7, UNKNOWN: 40, STOPPED: 0}
    assert client.paused == {STOPPED}


@pytest.mark.parametrize("cooperative", [False, True])
def test_a_lane_out_of_range_waits_where_it_stood(cooperative: bool) -> None:
    client = Client()
    assignment = begun(client, cooperative=cooperative)
    assignment.suspend(READ)
    assert assignment.waiting == {READ: 7, UNKNOWN: None}
    assignment.begin({UNKNOWN: 40})
    assert client.paused == {READ, STOPPED}
    assert min(client.places.values()) >= 0
