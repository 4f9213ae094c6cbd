"""Which gateway holds which device, from the records of the presence topic alone. Pure.

Every gateway reads the same records in the same order for each device, also one that comes later, after the broker
has compacted them: the last record of a key must therefore mean by itself what all of them meant together. Where a
record changes nothing, the device's holder says again who it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import msgspec

SERVER_KEY = "\0server/"
DEVICE_KEY = "\0device/"
SCANNED = 2_000


class Claim(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A value of the presence topic. `at` (ms) is when the device connected, or, of what is `gone`, when it left.

    `again`: a repeated claim, or one that comes late: it wins only where it is the newer one by `at`, since what
    came between it and the first is not known to who repeats it.
    """

    server_id: str
    client_id: str = ""
    at: int = 0
    gone: bool = False
    again: bool = False
    url: str = ""

    @property
    def who(self) -> tuple[str, str]:
        return self.server_id, self.client_id

    @property
    def rank(self) -> tuple[int, str, str]:
        return self.at, self.server_id, self.client_id


@dataclass(frozen=True, slots=True)
class Server:
    """A gateway as it was last heard of; `seen` on the clock of who reads."""

    url: str
    at: int
    seen: float
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What this gateway has to do: close the `replaced` session, say again (`reclaim`) that it holds the device, or
    say that it does not (`left`)."""

    kind: Literal["replaced", "reclaim", "left"]
    device: str
    client: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Claim).decode


def encode(claim: Claim) -> bytes:
    return _encode(claim)


def device_key(device: str) -> str:
    """A device must not pass for a gateway, whatever its id."""
    return DEVICE_KEY + device if device.startswith("\0") else device


class Presence:
    """The records read so far, and the sessions of the gateway `server` itself. Used by one thread.

    `limit` bounds the devices that are remembered; beyond it only this gateway's own are, and the others are
    counted in `overflow`. `silent` and `kept` are seconds.
    """

    def __init__(
        self, server: str, *, limit: int = 1_000_000, silent: float = 20.0, kept: float = 3600.0
    ) -> None:
        self.overflow = self.broken = 0
        self._server = server
        self._limit, self._silent, self._kept = limit, silent, kept
        self._holders: dict[str, Claim] = {}
        self._servers: dict[str, Server] = {}
        self._local: dict[str, str] = {}
        self._clients: dict[str, str] = {}
        self._scan: Iterator[str] = iter(())

    def __repr__(self) -> str:
        return (
            f"<Presence {len(self._holders)} devices, {len(self._local)} here, {len(self._servers)} servers>"
        )

    def __len__(self) -> int:
        return len(self._holders)

    def hold(self, device: str, client: str) -> None:
        """A session of this gateway has been bound."""
        self.release(device, self._local.get(device, ""))
        self._local[device] = client
        self._clients[client] = device

    def release(self, device: str, client: str) -> bool:
        """The session has ended. False where it did not hold the device any more, so that nothing is to be
        said of it."""
        if self._local.get(device) != client:
            return False
        del self._local[device]
        self._clients.pop(client, None)
        return True

    def client_here(self, device: str) -> str | None:
        return self._local.get(device)

    def device_here(self, client: str) -> str | None:
        return self._clients.get(client)

    def holder(self, device: str, now: float) -> Claim | None:
        """Who holds the device; None where nobody does, or its gateway is silent."""
        found = self._holders.get(device_key(device))
        return None if found is None or found.gone or not self.alive(found.server_id, now) else found

    def present(self, now: float) -> Iterator[tuple[str, Claim]]:
        """Every device that is held, with its holder, in no order."""
        for key, claim in self._holders.items():
            if not claim.gone and self.alive(claim.server_id, now):
                yield key.removeprefix(DEVICE_KEY), claim

    def alive(self, server: str, now: float) -> bool:
        known = self._servers.get(server)
        return known is not None and not known.stopped and now - known.seen <= self._silent

    def servers(self, now: float) -> dict[str, Server]:
        """The gateways that are heard of."""
        return {name: server for name, server in self._servers.items() if self.alive(name, now)}

    def leads(self, now: float) -> bool:
        """Whether this gateway does what one of them has to do. For a moment two may, or none."""
        return all(self._server <= name for name in self.servers(now))

    def left_behind(self) -> list[tuple[str, Claim]]:
        """Claims under this gateway's name that are none of its sessions': those of a process before it."""
        return [
            (key, claim)
            for key, claim in self._holders.items()
            if claim.server_id == self._server and not claim.gone and claim.client_id not in self._clients
        ]

    def apply(self, key: str, value: bytes | None, now: float) -> Effect | None:
        """One record; `now` on the reader's clock. What cannot be understood is counted and passed over."""
        claim = None
        if value:
            try:
                claim = _decode(value)
            except msgspec.DecodeError:
                self.broken += 1
                return None
        if key.startswith(SERVER_KEY):
            self._heartbeat(key.removeprefix(SERVER_KEY), claim, now)
            return None
        before = self._holders.get(key)
        if claim is None:
            self._holders.pop(key, None)
        elif self._counts(before, claim):
            self._remember(key, claim)
        if claim is not None and not claim.gone:
            self._seen(claim.server_id, now)
        return self._effect(key.removeprefix(DEVICE_KEY), before, claim, self._holders.get(key))

    def stale(self, now: float, now_ms: int, most: int = 500) -> list[str]:
        """Keys whose records are to be deleted. Looks at a part of the devices at each call."""
        old = now_ms - self._kept * 1000
        found = [
            SERVER_KEY + name
            for name, server in self._servers.items()
            if server.at < old and not self.alive(name, now) and now - server.seen > self._silent
        ]
        part = list(islice(self._scan, SCANNED))
        if not part:
            self._scan = iter(list(self._holders))
        for key in part:
            claim = self._holders.get(key)
            if claim is not None and claim.at < old and (claim.gone or claim.server_id not in self._servers):
                found.append(key)
        return found[:most]

    def restart(self) -> Sequence[tuple[str, str]]:
        """The topic is read anew from its beginning; returns what is held here, to be claimed again."""
        self._holders.clear()
        self._servers.clear()
        return list(self._local.items())

    def _counts(self, before: Claim | None, claim: Claim) -> bool:
        if before is None:
            return True
        if claim.gone:
            return before.who == claim.who
        if not claim.again or before.gone:
            return True
        # A gateway knows the order of its own sessions, whatever its clock did between them.
        return before.server_id == claim.server_id or claim.rank > before.rank

    def _remember(self, key: str, claim: Claim) -> None:
        if key not in self._holders and len(self._holders) >= self._limit and claim.server_id != self._server:
            self.overflow += 1
            return
        if claim.gone and len(self._holders) >= self._limit:
            # It says what its absence says too; ids that come once each would fill the memory otherwise.
            self._holders.pop(key, None)
            return
        self._holders[key] = claim

    def _effect(
        self, device: str, before: Claim | None, record: Claim | None, after: Claim | None
    ) -> Effect | None:
        if record is not None and record is after and record.again and self._is_left(record):
            # Said again before this gateway had read that the device is elsewhere, and won all the same.
            return Effect("left", device, record.client_id)
        client = self._local.get(device)
        if client is None:
            return None
        mine = (self._server, client)
        was_mine = before is not None and not before.gone and before.who == mine
        if after is None or after.gone:
            return Effect("reclaim", device, client) if was_mine else None
        if after.who == mine:
            return Effect("reclaim", device, client) if record is None or record.who != mine else None
        # Where neither holds, this gateway's own claim is on its way, and later than what was read.
        lost = was_mine or (record is not None and record.who == mine)
        return Effect("replaced", device, client) if lost else None

    def _is_left(self, claim: Claim) -> bool:
        return claim.server_id == self._server and claim.client_id not in self._clients

    def _heartbeat(self, name: str, claim: Claim | None, now: float) -> None:
        if claim is None:
            self._servers.pop(name, None)
        else:
            self._servers[name] = Server(claim.url, claim.at, now, claim.gone)

    def _seen(self, name: str, now: float) -> None:
        # Its first heartbeat may stand in a partition that is read later.
        known = self._servers.get(name)
        self._servers[name] = replace(known, seen=now, stopped=False) if known else Server("", 0, now)
