"""Commands on the loop: put, delivered to the sockets that are here, ended one way or the other."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from taosbatch.fnv import partition as partition_of
from taosink.ingress.broker.commands import Change, CommandRecord, Commands, encode
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.outbox import Outbox, Records
from taosink.ingress.broker.presence_service import PresenceService, now_ms, text_of
from taosink.ingress.broker.unread import Unread
from taosink.ingress.broker.worker_messages import CommandWish
from taosink.ingress.ports import Command, Counting, Downlink, Failures

log = structlog.get_logger(__name__)

EXPIRE_AGAIN_MS = 5_000
"""How long others wait longer for the one that leads; and all of them for their own record to come back."""
FORGET_AGAIN_MS = 60_000


class CommandService:
    """`ports.Commands`, and what the command desk needs. Used on the loop's thread; only `put` waits."""

    def __init__(
        self,
        options: BrokerOptions,
        records: Records,
        downlink: Downlink,
        counting: Counting,
        presence: PresenceService,
        *,
        wall_ms: Callable[[], int] = now_ms,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._options, self._records = options, records
        self._downlink, self._counting, self._presence = downlink, counting, presence
        self._wall_ms, self._chance = wall_ms, chance
        self._outbox = Outbox(records, options.commands)
        self.partitions = options.other_partitions
        self.ready = False
        self.state = Commands(
            limit=options.max_commands,
            per_device=options.max_commands_per_device,
            kept_ms=round(options.timings.kept * 1000),
        )
        self._handed: dict[str, str] = {}
        self._stuck: set[str] = set()
        self._unread = Unread(options.max_commands)
        self._repairs: dict[str, int] = {}
        self._wishes: dict[str, tuple[int, CommandWish]] = {}

    def __repr__(self) -> str:
        return f"<CommandService {self.state!r}, {self._outbox!r}>"

    # What the admin listener asks.

    async def put(self, record: CommandRecord) -> str:
        """Returns when the broker has the queued command, or says that it has not: the client's name for why, empty
        where all is well. The command may be in a later state by then."""
        done: asyncio.Future[Failures] = asyncio.get_running_loop().create_future()

        def ended(failures: Failures) -> None:
            (self._unread.failed if failures else self._unread.taken)(record)
            if not done.done():
                done.set_result(failures)

        key = record.id.encode("utf-8", "surrogatepass")
        value, partition = encode(record), self._partition(record.device_uid)
        self._unread.put(record)
        if not self._records.own(self._options.commands, key, value, partition, ended):
            self._unread.failed(record)
            return "_QUEUE_FULL"
        return next(iter((await done).values()), "")

    def find(self, command: str) -> CommandRecord | None:
        """Its state by the topic; what was put here a moment ago counts as it was put until it is read."""
        return self.state.get(command) or self._unread.get(command)

    def find_of_device(self, device: str) -> list[CommandRecord]:
        """All that are remembered, in the topic's order, and behind them what is not read yet."""
        return [*self.state.of_device(device), *self._unread.of_device(device)]

    def room(self, device: str) -> str:
        """Empty where one more command may be put, else why not."""
        return self.state.room(device, self._unread.coming(device), len(self._unread))

    def new(self, wish: CommandWish, device: str) -> CommandRecord:
        """The record of a command that is put."""
        return CommandRecord(
            wish.id,
            device,
            "queued",
            created_at=wish.created_ms,
            ttl_ms=self._ttl(wish.ttl_ms),
            state_at=self._wall_ms(),
            data=wish.data,
            client_id=wish.client or "",
            answer=wish.answer,
        )

    # What sessions do.

    def connected(self, device: str, client: str) -> None:
        """As `ports.Commands`."""
        del client
        self._deliver(device)

    def result(self, device: str, command: str, data: Any, status: str) -> bool:
        """As `ports.Commands`."""
        record = self.state.get(command)
        if record is None or record.device_uid != device:
            return False
        if not record.final:
            answered = record.moved("answered", self._wall_ms(), result={"status": status, "data": data})
            try:
                encode(answered)
            except (TypeError, ValueError, OverflowError, RecursionError):
                answered = record.moved(
                    "answered", self._wall_ms(), result={"status": status}, reason="data_has_no_json_form"
                )
            self._move(answered)
        return True

    # What topics say.

    def wish(self, wish: CommandWish) -> None:
        """A command from a response topic. Every gateway hears it; whoever holds the device writes it down, the
        others only where nobody has."""
        here = self._here(wish)
        delay = 0.0 if here else (0.5 + self._chance()) * 2 * self._options.timings.repair
        if wish.device is None and not here:
            return
        if self.state.get(wish.id) is None and len(self._wishes) < self._options.max_commands:
            self._wishes[wish.id] = self._wall_ms() + round(delay * 1000), wish
            if here and self.ready:
                self._take_wishes()

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """One record of the commands topic."""
        name = text_of(key)
        change = self.state.apply(name, value)
        self._unread.read(name)
        record = change.command
        if change.meaning in {"overflow", "broken"}:
            self._counting.count("command", change.meaning)
        if record is None:
            return
        self._wishes.pop(record.id, None)
        if change.meaning == "ignored":
            self._plan_repair(change)
        else:
            self._repairs.pop(record.id, None)
        if record.final or change.meaning == "deleted":
            self._handed.pop(record.id, None)
        elif change.meaning == "new" and self._presence.state.client_here(record.device_uid) is not None:
            self._deliver(record.device_uid)

    def restart(self) -> None:
        """The topic was deleted and made again."""
        self.state.restart()
        self._unread.clear()
        self._handed.clear()

    def caught_up(self) -> None:
        """Everything that stood in the topic at the start has been read."""
        self.ready = self.state.live = True
        for device, _ in list(self._downlink.held()):
            self._deliver(device)

    def tick(self) -> None:
        """What waits for time or for room."""
        self._outbox.retry()
        if not self.ready:
            return
        self._take_wishes()
        stuck, self._stuck = self._stuck, set()
        for device in stuck:
            self._deliver(device)
        now = self._wall_ms()
        for command in [c for c, at in self._repairs.items() if at <= now]:
            del self._repairs[command]
            self._repair(command)
        self._end_old(now)
        self._unread.forget(now - round(self._options.timings.kept * 1000))

    def _deliver(self, device: str) -> None:
        client = self._presence.state.client_here(device)
        if client is None or not self.ready:
            return
        for record in self.state.open(device):
            if self._handed.get(record.id) == client or (record.client_id and record.client_id != client):
                continue
            if record.ends_at <= self._wall_ms():
                continue
            if not self._downlink.command(device, client, Command(record.id, record.data, record.answer)):
                # Those behind it wait too: a device gets its commands in order.
                self._stuck.add(device)
                return
            self._handed[record.id] = client
            self._counting.count("command", "delivered")
            if record.state == "queued":
                self._move(record.moved("delivered", self._wall_ms()))

    def _here(self, wish: CommandWish) -> bool:
        state = self._presence.state
        if wish.device is not None:
            return state.client_here(wish.device) is not None
        return wish.client is not None and state.device_here(wish.client) is not None

    def _take_wishes(self) -> None:
        now = self._wall_ms()
        for name in [name for name, (at, _) in self._wishes.items() if at <= now]:
            _, wish = self._wishes.pop(name)
            device = wish.device or self._presence.state.device_here(wish.client or "")
            if device is None or self.state.get(wish.id) is not None:
                continue
            record = self.new(wish, device)
            if why := self.state.room(device):
                self._counting.count("command", why)
                record = record.moved("expired", now, reason=why)
            self._say(record)

    def _move(self, record: CommandRecord) -> None:
        def again() -> bytes | None:
            found = self.state.get(record.id)
            return None if found is None or found.rank >= record.rank else encode(record)

        self._say(record, again)

    def _say(self, record: CommandRecord, again: Callable[[], bytes | None] = lambda: None) -> None:
        self._outbox.say(record.id, encode(record), self._partition(record.device_uid), again)

    def _plan_repair(self, change: Change) -> None:
        record = change.command
        if record is None or not self.ready:
            return
        # One of them is enough: whoever is first spares the others. Who has seen less waits longer.
        longest = self._options.timings.repair * (1 if change.known else 10)
        shortest = 0 if change.known else longest / 2
        wait = shortest + self._chance() * (longest - shortest)
        self._repairs.setdefault(record.id, self._wall_ms() + round(wait * 1000))

    def _repair(self, command: str) -> None:
        record = self.state.get(command)
        if record is not None:
            self._counting.count("command", "said_again")
            self._say(record.as_settled())

    def _end_old(self, now: int) -> None:
        leads = self._presence.leads()
        grace = round(self._options.timings.expiry_grace * 1000)
        for record in self.state.due(now):
            if record.final:
                if leads:
                    self._outbox.say(record.id, None, self._partition(record.device_uid))
                self.state.again(record, now + FORGET_AGAIN_MS)
                continue
            patience = grace + (0 if leads else EXPIRE_AGAIN_MS)
            if now < record.ends_at + patience:
                self.state.again(record, record.ends_at + patience)
                continue
            reason = "not_delivered" if record.state == "queued" else "not_answered"
            self._move(record.moved("expired", now, reason=reason))
            self.state.again(record, now + EXPIRE_AGAIN_MS)

    def _ttl(self, ttl_ms: int | None) -> int:
        longest = round(self._options.max_ttl * 1000)
        return min(ttl_ms if ttl_ms else round(self._options.default_ttl * 1000), longest)

    def _partition(self, device: str) -> int:
        return partition_of(device, self.partitions)
