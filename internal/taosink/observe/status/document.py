"""A look at the consumer as one JSON document: what `/status.json`, `/events` and `/healthz` say."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from taosink.observe.happenings import Happening
from taosink.observe.health import Health, Reason
from taosink.observe.logs import RECENT
from taosink.observe.page.headline import Outage, Pace, headline
from taosink.observe.status.look import Look, Partition
from taosink.observe.status.memory import resident_bytes
from taosink.observe.status.parts import Facts, Parts

FORM = 1
"""Grows when a field changes its meaning or goes."""


def health_document(health: Health) -> dict[str, Any]:
    """What `/healthz` says."""
    return {
        "live": not health.live,
        "ready": not health.ready,
        "healthy": not health.healthy,
        "reasons": reasons(health.healthy),
    }


def headline_document(look: Look) -> dict[str, Any]:
    """What the page says first: `level` is good, wait, bad or stop."""
    code = look.health.healthy[0].code if look.health.healthy else ""
    outage = _outages(look).get(code)
    stopped = [f"{p.lane.topic}/{p.lane.partition}" for p in look.partitions if p.state == "stopped"]
    pace = Pace(look.speed.stored, look.speed.arriving, look.lag, len(look.partitions), look.lag_seconds)
    return headline(look.health.healthy, outage, stopped, pace)._asdict()


def _outages(look: Look) -> dict[str, Outage]:
    """By the code of the reason that tells of it."""
    state, found = look.state, {}
    if state.kafka and state.kafka_since is not None:
        found["kafka"] = Outage(state.kafka, round(look.now - state.kafka_since, 1), state.kafka_operator)
    if (wait := state.database) is not None:
        found["database"] = Outage(wait.message, round(look.now - wait.since, 1), wait.operator)
    return found


def reasons(found: Sequence[Reason]) -> list[dict[str, str]]:
    return [{"code": r.code, "message": r.message} for r in found]


def document(look: Look, parts: Parts, facts: Facts) -> dict[str, Any]:
    """Plain values only: msgspec encodes them as they are. Holds no secret."""
    return {
        "form": FORM,
        "at": _time(look.at),
        "uptime_seconds": round(look.now - look.state.started, 1),
        "member": facts.member,
        "version": facts.version,
        "group": facts.group,
        "topics": facts.topics,
        "protocol": parts.source.protocol,
        "state": _state(look),
        "headline": headline_document(look),
        "health": health_document(look.health),
        "totals": _totals(look),
        "rates": _rates(look),
        "lag": look.lag,
        "lag_seconds": _rounded(look.lag_seconds),
        "partitions": [_partition(p, look, facts.member) for p in look.partitions],
        "queue": _queue(parts),
        "memory": _memory(look, parts, facts),
        "database": database_document(look),
        "kafka": {"fault": look.state.kafka or None, "answered": look.state.answered},
        "dead_letters": _letters(look),
        "workers": _workers(look, parts, facts),
        "replies": dict(parts.replies.counts()) if parts.replies is not None else None,
        "errors": [_happening(h) for h in RECENT.newest_first()],
        "last_dead_letters": [_happening(h) for h in parts.letters.newest_first()],
        "settings": dict(facts.settings),
    }


def _state(look: Look) -> str:
    if look.state.stopping:
        return "stopping"
    return look.state.ended or "running"


def _totals(look: Look) -> dict[str, Any]:
    counts = look.counts
    return {
        "consumed": counts.consumed,
        "consumed_bytes": counts.consumed_bytes,
        "stored": counts.stored,
        "dead_lettered": counts.dead_lettered,
        "dead_lettered_by_reason": counts.rejected_by_reason,
        "retries": counts.waits,
        "retries_by_class": counts.waits_by_class,
        "rebalances": counts.rebalances,
        "lost_by_broker": counts.lost_by_broker,
    }


def _rates(look: Look) -> dict[str, Any]:
    speed = look.speed
    return {
        "consumed": round(speed.consumed, 1),
        "stored": round(speed.stored, 1),
        "dead_lettered": round(speed.dead_lettered, 1),
        "arriving": _rounded(speed.arriving),
        "desired_consumers": round(speed.desired_consumers, 2),
    }


def _partition(partition: Partition, look: Look, member: str) -> dict[str, Any]:
    offsets = partition.offsets
    return {
        "topic": partition.lane.topic,
        "partition": partition.lane.partition,
        "owner": member,
        "state": partition.state,
        "note": partition.note or None,
        "lag": partition.lag,
        "lag_seconds": _rounded(partition.lag_seconds),
        "committed": offsets.committed if offsets else None,
        "committable": offsets.committable if offsets else None,
        "delivered": offsets.delivered if offsets else None,
        "pending": offsets.pending if offsets else 0,
        "consumed": look.counts.per_lane.get(partition.lane, 0),
        "queued_bytes": partition.queued_bytes,
        "breaker": partition.breaker or None,
    }


def _queue(parts: Parts) -> dict[str, Any]:
    queue = parts.queue
    return {
        "fill": round(queue.fill, 3),
        "records": queue.records,
        "bytes": queue.nbytes,
        "parked_partitions": len(queue.parked()),
    }


def _memory(look: Look, parts: Parts, facts: Facts) -> dict[str, Any]:
    shares = facts.shares
    return {
        "budget": facts.budget,
        "shares": {
            "prefetch": shares.prefetch,
            "poll": shares.refill,
            "queue": shares.queue,
            "workers": facts.budget // 2,
        },
        "used": memory_used(look, parts),
        "resident": resident_bytes(),
    }


def memory_used(look: Look, parts: Parts) -> dict[str, int]:
    """Bytes of records that are held, as the budget counts them; prefetched ones are librdkafka's and not known."""
    return {
        "queue": parts.queue.nbytes,
        "workers": parts.queue.held_bytes,
        "dead_letters": look.letters.unacknowledged_bytes,
    }


def database_document(look: Look) -> dict[str, Any]:
    """Whether rows wait for the database, for how long and why. `code` is TDengine's number, where it gave one."""
    wait = look.state.database
    if wait is None:
        return {"waiting": False}
    return {
        "waiting": True,
        "class": wait.kind,
        "code": f"0x{wait.code:04X}" if 0 < wait.code <= 0xFFFF else None,
        "message": wait.message,
        "since_seconds": round(look.now - wait.since, 1),
        "needs_operator": wait.operator,
    }


def _letters(look: Look) -> dict[str, Any]:
    letters = look.letters
    return {
        "published": letters.published,
        "unacknowledged": letters.unacknowledged,
        "cut": letters.cut,
        "blocked": dict(letters.blocked),
    }


def _workers(look: Look, parts: Parts, facts: Facts) -> dict[str, Any]:
    busy = {name: round(look.now - since, 1) for name, since in parts.pool.busy_since().items()}
    return {"configured": facts.workers, "alive": parts.pool.alive, "busy_seconds": busy}


def _happening(happening: Happening) -> Mapping[str, Any]:
    return {
        "at": _time(happening.at),
        "kind": happening.kind,
        "text": happening.text,
        "times": happening.times,
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
