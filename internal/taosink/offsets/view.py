"""How places and moves are shown: a table for people, one object for programs. Pure."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from taosink.doctor.findings import counted
from taosink.kafka.group_admin import GroupState
from taosink.offsets.plan import Move
from taosink.offsets.state import Place

_NONE = "-"


def group_line(group: str, state: GroupState | None) -> str:
    if state is None:
        return f"group {group}: this broker does not tell who is in it"
    if not state.members:
        return f"group {group}: {'no such group' if state.state == 'dead' else state.state}, no members"
    hosts = ", ".join(sorted({f"{m.client_id} at {m.host}" for m in state.members})[:3])
    more = ", ..." if len(state.members) > 3 else ""
    return f"group {group}: {state.state}, {counted(len(state.members), 'member')} ({hosts}{more})"


def place_table(places: Iterable[Place]) -> Table:
    table = _table("topic", "partition", "committed", "low", "high", "lag", "metadata", "")
    for place in places:
        committed = _NONE if place.committed is None else str(place.committed)
        table.add_row(
            Text(place.lane.topic),
            str(place.lane.partition),
            committed,
            str(place.low),
            str(place.high),
            _NONE if place.lag is None else str(place.lag),
            Text(_metadata(place)),
            Text(place.note),
        )
    return table


def move_table(moves: Iterable[Move]) -> Table:
    table = _table("topic", "partition", "from", "to", "low", "high", "")
    for move in moves:
        place = move.place
        table.add_row(
            Text(place.lane.topic),
            str(place.lane.partition),
            _NONE if place.committed is None else str(place.committed),
            str(move.offset),
            str(place.low),
            str(place.high),
            Text("; ".join(_remarks(move))),
        )
    return table


def totals(moves: Sequence[Move]) -> str:
    """What the moves come to, in records."""
    skipped, again = sum(m.skipped for m in moves), sum(m.again for m in moves)
    parts = [counted(len(moves), "partition")]
    if skipped:
        parts.append(f"{skipped:,} offsets are passed over and never stored")
    if again:
        parts.append(f"{again:,} offsets are read and stored again")
    return ", ".join(parts)


def shown_json(group: str, state: GroupState | None, places: Sequence[Place]) -> dict[str, object]:
    return {
        **_group_json(group, state),
        "lag": sum(p.lag or 0 for p in places),
        "partitions": [_place_json(place) for place in places],
    }


def moved_json(
    group: str, state: GroupState, moves: Sequence[Move], *, done: bool, to: str
) -> dict[str, object]:
    listed = [
        {
            **_place_json(move.place),
            "to": move.offset,
            "skipped": move.skipped,
            "again": move.again,
            "remark": move.remark,
        }
        for move in moves
    ]
    return {**_group_json(group, state), "to": to, "done": done, "partitions": listed}


def _group_json(group: str, state: GroupState | None) -> dict[str, object]:
    return {
        "group": group,
        "state": state.state if state else None,
        "protocol": state.protocol or None if state else None,
        "members": len(state.members) if state else None,
    }


def _place_json(place: Place) -> dict[str, object]:
    return {
        "topic": place.lane.topic,
        "partition": place.lane.partition,
        "committed": place.committed,
        "low": place.low,
        "high": place.high,
        "lag": place.lag,
        "metadata": place.commit.metadata if place.commit else None,
        "note": place.note,
    }


def _metadata(place: Place) -> str:
    stamp = place.metadata
    if stamp is not None:
        return f"topic id {stamp.topic_id or 'unknown'}, of {stamp.partitions}"
    # Anybody may have written it: no line of it may break the table.
    return " ".join(place.commit.metadata.split())[:40] if place.commit else ""


def _remarks(move: Move) -> Iterable[str]:
    if move.remark:
        yield move.remark
    if not move.changes:
        yield "stays as it is"
    if move.skipped:
        yield f"passes over {move.skipped:,}"
    if move.again:
        yield f"reads {move.again:,} again"
    if move.place.other_topic:
        yield "its commit was of a deleted topic"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        numbers = name in {"partition", "committed", "low", "high", "lag", "from", "to"}
        table.add_column(name, justify="right" if numbers else "left", no_wrap=numbers)
    return table
