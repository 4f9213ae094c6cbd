"""`taosink offsets show|reset`: asks the group's broker, shows, and sets what it was told to."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taosink.clients import kafka_properties
from taosink.doctor.brokers import why_no_broker
from taosink.kafka.group_admin import (
    GroupClient,
    GroupError,
    GroupInUseError,
    GroupState,
    GroupUnsupportedError,
)
from taosink.kafka.start import Start, start_at
from taosink.kafka.topics import BrokerUnreachableError, TopicError
from taosink.offsets import view
from taosink.offsets.plan import Move, PartitionMissingError, plan
from taosink.offsets.state import Place, chosen, places
from taosink.settings.connection import KafkaSettings
from taosink.settings.offsets import GroupPlaceSettings, OffsetsResetSettings, OffsetsShowSettings
from taosink.tools import FINE, fail, terminal

Properties = Mapping[str, Any]


def run_show(settings: OffsetsShowSettings) -> int:
    """Blocks for the broker. Exit code 0, or 1 where the group's offsets cannot be read."""
    return _guarded("offsets show", settings.kafka, lambda: _show(settings))


def run_reset(settings: OffsetsResetSettings) -> int:
    """Blocks for the broker. Exit code 0 where it is done, or told; 1 where it cannot be done: the group has
    members, the broker does not serve it or is out of reach."""
    return _guarded("offsets reset", settings.kafka, lambda: _reset(settings))


def _guarded(command: str, kafka: KafkaSettings, run: Callable[[], int]) -> int:
    try:
        return run()
    except BrokerUnreachableError as error:
        return fail(command, why_no_broker(kafka) or f"{error.reason} ({error.name})")
    except (TopicError, GroupError, PartitionMissingError) as error:
        return fail(command, error)


def _show(settings: OffsetsShowSettings) -> int:
    group = settings.group
    with GroupClient(kafka_properties(settings.kafka), group.name) as client:
        found = _of(group, places(client, chosen(client.topics(), group.topic)))
        try:
            state = client.state()
        except GroupUnsupportedError:
            state = None
    if group.as_json:
        _say(view.shown_json(group.name, state, found))
        return FINE
    console = terminal()
    console.print(view.group_line(group.name, state), markup=False)
    console.print(view.place_table(found))
    console.print(f"lag {sum(p.lag or 0 for p in found):,}")
    return FINE


def _of(group: GroupPlaceSettings, found: Sequence[Place]) -> Sequence[Place]:
    if not group.partitions:
        return found
    missing = group.partitions - {p.lane.partition for p in found}
    if missing:
        last = max(p.lane.partition for p in found)
        raise PartitionMissingError(f"there is no partition {min(missing)}: the last one is {last}")
    return [p for p in found if p.lane.partition in group.partitions]


def _reset(settings: OffsetsResetSettings) -> int:
    group, yes = settings.group, settings.reset.yes
    if settings.reset.to is None:
        return fail("offsets reset", "--to is missing: earliest, latest, an offset, or a time")
    to = start_at(settings.reset.to)
    with GroupClient(kafka_properties(settings.kafka), group.name) as client:
        state = client.state()
        moves = _plan(client, group, to)
        if yes:
            if state.members:
                reason = f"nothing was done: {view.group_line(group.name, state)}; stop them first"
                return fail("offsets reset", reason)
            _set(client, moves)
    if group.as_json:
        _say(view.moved_json(group.name, state, moves, done=yes, to=str(to)))
    else:
        _tell(group.name, state, moves, done=yes)
    return FINE


def _plan(client: GroupClient, group: GroupPlaceSettings, to: Start) -> list[Move]:
    found = places(client, chosen(client.topics(), group.topic))
    lanes = [place.lane for place in found]
    at_time = client.at_time(lanes, to.value) if to.at == "time" else {}
    return plan(found, to, at_time, group.partitions)


def _set(client: GroupClient, moves: Sequence[Move]) -> None:
    wanted = {move.place.lane: move.commit for move in moves if move.changes}
    if not wanted:
        return
    client.set_offsets(wanted)
    now = client.committed(list(wanted))
    if any(now.get(lane) != commit for lane, commit in wanted.items()):
        # A consumer that joined in between has committed behind us.
        raise GroupInUseError(
            client.group, 0, "CHANGED", "its offsets moved meanwhile: stop its members first"
        )


def _tell(group: str, state: GroupState, moves: Sequence[Move], *, done: bool) -> None:
    console = terminal()
    console.print(view.group_line(group, state), markup=False)
    console.print(view.move_table(moves))
    if done:
        console.print(f"set: {view.totals(moves)}")
        return
    console.print(f"would set: {view.totals(moves)}; nothing was done: --yes does it")
    if state.members:
        console.print("WARNING: the group has members; stop them first, --yes is refused until then")


def _say(told: object) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()
