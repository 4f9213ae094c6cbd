"""What an exit code says, to the supervisor that reads it."""

from enum import IntEnum


class Exit(IntEnum):
    """Of every command."""

    DRAINED = 0
    CONFIGURATION = 1
    USAGE = 2
    ABANDONED = 3
    """Work was pending, or the last commit failed: it is read again by the next owner."""
    FATAL_CLIENT = 4
    """The Kafka client's handle is dead; a new process goes on."""
    DEFECT = 5
    FAULT_FOUND = 6
    """A check found what it looked for: audit, doctor, demo."""
