"""The one line that an operator reads first: what the consumer does, what holds it up, and what to do. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from taosink.observe.health import Reason

Level = Literal["good", "wait", "bad", "stop"]
STEADY = 0.1
"""Share of what arrives by which storing has to be faster or slower before anything is said of it: rates waver."""
AHEAD = 5.0
"""Seconds of storing that are no backlog, but what is on its way."""


class Headline(NamedTuple):
    """`code` and `title` change only when the matter does: they are what is read aloud. `since`: seconds."""

    level: Level
    code: str
    title: str
    detail: str
    action: str = ""
    since: float | None = None


class Outage(NamedTuple):
    """A server that is waited for: `since` in seconds, and whether it takes an operator to end it."""

    message: str
    since: float
    operator: bool


class Pace(NamedTuple):
    """Records a second, how many are to go, and the seconds that the oldest has waited; None where it is not known."""

    stored: float
    arriving: float | None
    lag: int | None
    partitions: int
    oldest: float | None = None


_BACK = "It goes on by itself"
_TOLD: dict[str, tuple[Level, str, str]] = {
    "wedged": ("bad", "A thread is stuck", "Restart the process: what is not stored is read again."),
    "stopping": ("stop", "Stopping", "Nothing: it ends by itself."),
    "ended": ("bad", "Reading has ended", "The last errors say why; the process ends with an exit code."),
    "kafka": ("wait", "Waiting for Kafka", f"{_BACK} when brokers answer."),
    "not_assigned": ("wait", "Waiting for partitions", f"{_BACK}; if it lasts, look at the group's members."),
    "dead_letters": (
        "bad",
        "Dead letters are not taken",
        "Nothing is lost, and its partitions commit nothing more: give the dead-letter topic back.",
    ),
    "lease": ("bad", "No commit is confirmed", f"{_BACK} when the group answers: look at the brokers."),
    "all_partitions_stopped": (
        "bad",
        "Every partition is stopped",
        "Look at the dead letters' reasons, put the sender right, then close the breakers below.",
    ),
    "partition_blocked": ("bad", "A partition is not read", "Decide what the message asks for."),
    "breaker": (
        "bad",
        "A partition is stopped",
        "Look at the dead letters' reasons, put the sender right, then close the breaker below.",
    ),
    "no_progress": ("bad", "Nothing is stored", "Look at the database's load, and at the last errors."),
    "partition_still": ("bad", "A partition stands still", "Look at the last errors, and at the workers."),
}


def headline(
    reasons: Sequence[Reason], outage: Outage | None, stopped: Sequence[str], pace: Pace
) -> Headline:
    """Of the first reason, which is the one that matters most; of the pace where there is none. `outage`: what is
    known of that reason where it is `kafka` or `database`. `stopped`: the partitions whose breaker is open."""
    if not reasons:
        return _running(pace)
    code, message = reasons[0].code, reasons[0].message
    if code in _SERVERS and outage is not None:
        return _waiting(code, outage)
    level, title, action = _TOLD.get(code.partition("_")[0] if code.startswith("wedged") else code, _OTHER)
    if code == "breaker" and stopped:
        title = f"Partition {stopped[0]} is stopped"
        title += f", and {len(stopped) - 1} more" if len(stopped) > 1 else ""
    return Headline(level, code, title, message, action)


_OTHER: tuple[Level, str, str] = ("bad", "Something is wrong", "")


_SERVERS = {
    "database": ("the database", "when the database answers"),
    "kafka": ("Kafka", "when brokers answer and have what it asks for"),
}


def _waiting(code: str, outage: Outage) -> Headline:
    server, until = _SERVERS[code]
    if outage.operator:
        action = "Put right what the message names: it then goes on by itself, and nothing is lost."
    else:
        action = f"{_BACK} {until}: records wait in Kafka, nothing is lost."
    level: Level = "bad" if outage.operator else "wait"
    return Headline(level, code, f"Waiting for {server}", outage.message, action, outage.since)


def _running(pace: Pace) -> Headline:
    if not pace.partitions:
        text = "No partition is its own at the moment: the group has others for all of them."
        return Headline("good", "idle", "Ready, without partitions", text)
    if not pace.lag:
        text = (
            "Every record that was read is stored."
            if pace.lag == 0
            else "The brokers are asked how far to go."
        )
        return Headline("good", "running", "Running", text)
    late = (pace.oldest or 0.0) > 2 * AHEAD
    if pace.lag <= pace.stored * AHEAD and not late:
        return Headline("good", "running", "Running", f"It keeps up: {pace.lag:,} records are on their way.")
    text, arriving = f"{pace.lag:,} records behind", pace.arriving or 0.0
    text += f", the oldest for {_spoken(pace.oldest or 0.0)}" if late else ""
    gain, least = pace.stored - arriving, max(1.0, STEADY * arriving)
    if pace.arriving is not None and gain >= least:
        text += f", caught up in about {_spoken(pace.lag / gain)}"
    elif pace.arriving is not None and gain <= -least:
        text += ", and more arrive than it stores"
    return Headline("good", "running", "Running", text + ".")


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"
