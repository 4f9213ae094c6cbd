"""What operators ask of presence and commands."""

import heapq
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taosink.ingress.broker.command_service import CommandService
from taosink.ingress.broker.commands import CommandRecord
from taosink.ingress.broker.presence import Claim
from taosink.ingress.broker.presence_service import PresenceService, now_ms
from taosink.ingress.broker.worker_messages import CommandWish
from taosink.ingress.http.desk import CommandRefusedError, Holder, NewCommand


class Desk:
    """`http.desk.CommandDesk`. Used on the loop's thread."""

    def __init__(
        self, commands: CommandService, holders: "Holders", *, wall_ms: Callable[[], int] = now_ms
    ) -> None:
        self._commands, self._holders, self._wall_ms = commands, holders, wall_ms

    def __repr__(self) -> str:
        return f"<Desk of {self._commands!r}>"

    async def put(self, command: NewCommand) -> Mapping[str, Any]:
        """As `http.desk.CommandDesk`. A command for a client that nobody knows ends at once as expired."""
        if not self._commands.ready:
            raise CommandRefusedError("not_ready", "the commands topic is not read to its end yet")
        device = (
            command.device if command.device is not None else self._holders.device_of(command.client or "")
        )
        known = self._commands.find(command.id) if command.id else None
        if known is not None:
            return _view(_same(known, command, device))
        wish = CommandWish(
            command.id or uuid.uuid4().hex,
            device,
            command.client,
            command.data,
            command.answer,
            command.ttl_ms,
            self._wall_ms(),
        )
        record = self._commands.new(wish, device or "")
        if device is None:
            record = record.moved("expired", self._wall_ms(), reason="no_such_client")
        elif self._commands.room(device):
            raise CommandRefusedError("too_many", "too many commands wait; try again later")
        failure = await self._commands.put(record)
        if failure:
            text = f"Kafka did not acknowledge the command ({failure}); the same id is safe to send again"
            raise CommandRefusedError("busy", text)
        return _view(self._commands.find(record.id) or record)

    def view(self, command: str) -> Mapping[str, Any] | None:
        """As `http.desk.CommandDesk`."""
        found = self._commands.find(command)
        return None if found is None else _view(found)

    def views_of(self, device: str) -> Sequence[Mapping[str, Any]]:
        """As `http.desk.CommandDesk`."""
        return [_view(record) for record in self._commands.find_of_device(device)]


class Holders:
    """`http.desk.PresenceView`. Used on the loop's thread; `holders` looks at every device."""

    def __init__(self, presence: PresenceService, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._presence, self._clock = presence, clock

    def __repr__(self) -> str:
        return f"<Holders of {self._presence!r}>"

    def holder(self, device: str) -> Holder | None:
        """As `http.desk.PresenceView`."""
        claim = self._presence.holder(device)
        return None if claim is None else self._holder(device, claim)

    def holders(self, after: str, limit: int) -> Sequence[Holder]:
        """As `http.desk.PresenceView`."""
        found = ((d, claim) for d, claim in self._presence.state.present(self._clock()) if d > after)
        return [
            self._holder(d, claim) for d, claim in heapq.nsmallest(limit, found, key=lambda item: item[0])
        ]

    def device_of(self, client: str) -> str | None:
        """The device that this connection is of, at whichever gateway."""
        here = self._presence.state.device_here(client)
        if here is not None:
            return here
        found = self._presence.state.present(self._clock())
        return next((device for device, claim in found if claim.client_id == client), None)

    def _holder(self, device: str, claim: Claim) -> Holder:
        server = self._presence.servers().get(claim.server_id)
        return Holder(device, claim.server_id, claim.client_id, claim.at, server.url if server else "")


def _same(known: CommandRecord, command: NewCommand, device: str | None) -> CommandRecord:
    """What has ended keeps no data, so only the rest of it is compared then."""
    other_device = device is not None and known.device_uid != device
    other_data = not known.final and known.data != command.data
    if other_device or other_data or known.answer != command.answer:
        raise CommandRefusedError("conflict", "another command has this id")
    return known


def _view(record: CommandRecord) -> Mapping[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(record)
    found.setdefault("answer", record.answer)
    found.pop("settled", None)
    return found
