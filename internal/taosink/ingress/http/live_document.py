"""A look at the gateway as one JSON document: what its `/status.json` and `/events` say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from taosink.ingress.http.live_figures import Moving
from taosink.observe.happenings import Happening
from taosink.observe.page.headline import Headline, Level

FORM = 1
"""Grows when a field changes its meaning or goes."""
COUNTED = ("answer", "reject", "records", "auth", "refused", "closed", "command", "published", "failed")


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while it runs. `settings` are as a person reads them, without secrets."""

    server: str
    version: str
    topic: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gateway stands. `reasons`: why new devices are not welcome, and whether it takes somebody to end that;
    `fault`: why it cannot go on. `was_ready`: it has been, so that this is no start any more."""

    ready: bool = True
    was_ready: bool = True
    stopping: bool = False
    fault: str = ""
    reasons: Sequence[str] = ()
    needs_operator: bool = False
    paused: int = 0
    devices: int = 0


def headline(standing: Standing) -> Headline:
    """What an operator reads first; its time is for who saw it begin."""
    reasons = "; ".join(standing.reasons)
    if standing.fault:
        text = "It ends by itself; whoever supervises it starts it anew."
        return Headline("bad", "fault", "The gateway cannot go on", standing.fault, text)
    if standing.stopping:
        text = "Devices are asked to come back elsewhere; what is in flight is answered."
        return Headline("stop", "stopping", "Stopping", text, "Nothing: it ends by itself.")
    if reasons and (standing.was_ready or standing.needs_operator):
        return _kafka(reasons, needs_operator=standing.needs_operator)
    if reasons or not standing.ready:
        text = "Devices are let in when Kafka's topics are known; if it lasts, look at brokers and login."
        return Headline("wait", "starting", "Starting", reasons or "Listeners are being opened.", text)
    level: Level = "good"
    if standing.paused:
        text = f"{_devices(standing.devices)}; {standing.paused} of the sockets wait: Kafka or the device is slow."
        return Headline(level, "slow", "Running, and holding back", text)
    return Headline(level, "running", "Running", f"{_devices(standing.devices)}.")


def _kafka(reasons: str, *, needs_operator: bool) -> Headline:
    level: Level = "bad" if needs_operator else "wait"
    text = "Put right what the message names: it then goes on." if needs_operator else "It goes on by itself."
    text += " Devices stay connected; what Kafka has not taken is not acknowledged."
    return Headline(level, "kafka", "Waiting for Kafka", reasons, text)


def document(
    *,
    at: float,
    uptime: float,
    facts: Facts,
    head: Headline,
    moving: Moving,
    counts: Mapping[str, Mapping[str, int]],
    acks: Mapping[str, int],
    figures: Mapping[str, float],
    bounds: Mapping[str, float],
    standing: Standing,
    errors: Sequence[Happening],
) -> dict[str, Any]:
    """Plain values only: msgspec encodes them as they are. Holds no secret."""
    return {
        "form": FORM,
        "at": _time(at),
        "uptime_seconds": round(uptime, 1),
        "server": facts.server,
        "version": facts.version,
        "topic": facts.topic,
        "headline": head._asdict(),
        "ready": standing.ready and not standing.reasons,
        "reasons": list(standing.reasons),
        "fault": standing.fault or None,
        "rates": {
            "frames_in": round(moving.frames_in, 1),
            "frames_out": round(moving.frames_out, 1),
            "readings": round(moving.readings, 1),
            "rejects": round(moving.rejects, 1),
        },
        "acks": [_ack(kind, n, moving) for kind, n in acks.items()],
        "totals": {kind: dict(found) for kind, found in counts.items()},
        "figures": dict(figures),
        "limits": dict(bounds),
        "errors": [
            {"at": _time(one.at), "kind": one.kind, "text": one.text, "times": one.times} for one in errors
        ],
        "settings": dict(facts.settings),
    }


def _ack(kind: str, n: int, moving: Moving) -> dict[str, Any]:
    p50, p99 = moving.times.get(kind, (None, None))
    rate = round(moving.acks.get(kind, 0.0), 1)
    return {"kind": kind, "total": n, "rate": rate, "p50_seconds": p50, "p99_seconds": p99}


def _devices(n: int) -> str:
    return "No device is connected" if not n else f"{n:,} device{'s are' if n > 1 else ' is'} connected"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
