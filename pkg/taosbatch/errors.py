"""The errors of the mechanism: each names the fields that an operator or a caller needs."""


class TaosbatchError(Exception):
    """Root of everything that this package raises on purpose, apart from ValueError for wrong arguments."""


class QueueClosedError(TaosbatchError):
    """The queue takes no more, or has no more to give. Nothing is lost: what is not stored stays pending."""


class NotHeldError(TaosbatchError):
    """A batch or lane was given back by somebody who does not hold it: a defect of the caller."""


class LaneNotAssignedError(TaosbatchError):
    """A lane without a live epoch was used: its records belong to another owner."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"{topic}[{partition}] is not assigned; its records are left to their owner")
        self.topic = topic
        self.partition = partition


class OutOfOrderError(TaosbatchError):
    """A lane's offsets went backwards or stood still inside one epoch; nothing was tracked."""

    def __init__(self, topic: str, partition: int, offset: int, position: int) -> None:
        super().__init__(
            f"{topic}[{partition}] delivered offset {offset} after position {position}; "
            "nothing of it is tracked: end the lane's epoch and assign it anew to read it again"
        )
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.position = position


class TicketOverrunError(TaosbatchError):
    """More records were reported as ended than a ticket has: a defect, the count can no longer be trusted."""

    def __init__(self, topic: str, partition: int, first: int, remaining: int, reported: int) -> None:
        super().__init__(
            f"{topic}[{partition}] from offset {first}: {reported} records reported as ended "
            f"where {remaining} were out; the report is not counted"
        )
        self.topic = topic
        self.partition = partition
        self.first = first
        self.remaining = remaining
        self.reported = reported
