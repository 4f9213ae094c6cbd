"""Commands that were put here and have not come back from the topic yet. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from taosink.ingress.broker.commands import CommandRecord


@dataclass(slots=True)
class _Put:
    record: CommandRecord
    taken: bool = False


class Unread:
    """Whoever asks right behind a put is to hear of it, although the topic's order alone says what became of it.

    `limit` bounds them; beyond it they are not remembered. Used by one thread.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: dict[str, _Put] = {}
        self._devices: dict[str, dict[str, None]] = {}

    def __repr__(self) -> str:
        return f"<Unread {len(self._all)}>"

    def __len__(self) -> int:
        return len(self._all)

    def get(self, command: str) -> CommandRecord | None:
        """The record as it was put, once the broker has it."""
        found = self._all.get(command)
        return found.record if found is not None and found.taken else None

    def of_device(self, device: str) -> Sequence[CommandRecord]:
        """Those that the broker has, in the order of the puts."""
        found = (self.get(command) for command in self._devices.get(device, ()))
        return [record for record in found if record is not None]

    def coming(self, device: str) -> int:
        """How many are on their way for this device, those included that the broker has not taken yet."""
        return len(self._devices.get(device, ()))

    def put(self, record: CommandRecord) -> None:
        """It was handed over. What was handed over under the same id before counts no more."""
        self.read(record.id)
        if len(self._all) < self._limit:
            self._all[record.id] = _Put(record)
            self._devices.setdefault(record.device_uid, {})[record.id] = None

    def taken(self, record: CommandRecord) -> None:
        """The broker has it. Where it was read already nothing is remembered."""
        found = self._all.get(record.id)
        if found is not None and found.record is record:
            found.taken = True

    def failed(self, record: CommandRecord) -> None:
        """The broker has not said that it has it."""
        found = self._all.get(record.id)
        if found is not None and found.record is record:
            self.read(record.id)

    def read(self, command: str) -> None:
        """The topic speaks of it, and so it counts from now on."""
        found = self._all.pop(command, None)
        if found is None:
            return
        of_device = self._devices[found.record.device_uid]
        del of_device[command]
        if not of_device:
            del self._devices[found.record.device_uid]

    def forget(self, before_ms: int) -> None:
        """Those that were put before then: nothing of them was ever read."""
        while self._all:
            command, first = next(iter(self._all.items()))
            if first.record.created_at >= before_ms:
                return
            self.read(command)

    def clear(self) -> None:
        self._all.clear()
        self._devices.clear()
