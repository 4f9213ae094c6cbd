"""How much one turn of the loop takes, and in which order the rest goes on."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.ingress_parts import Rig

from taosdevice.framing import Framing, encode_frame
from taosink.ingress.limits import Limits
from taosink.ingress.session import Session
from taosink.ingress.session_ports import Pause, State
from taosink.ingress.turns import BUDGET, Turns

COST = BUDGET / 4
"""Of one message: a turn takes four, or five where the last of them begins in time."""


class Loop:
    """Turns that a test takes, and a clock that stands still but for what messages cost."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def turn(self) -> None:
        """The end of this turn's sockets."""
        calls, self.soon = self.soon, []
        for call in calls:
            call()


class Line:
    """Items with numbered messages, taken while their turn lasts."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.turns: Turns[str] = Turns(self.loop.call_soon, self.go_on, clock=lambda: self.loop.now)
        self.held: dict[str, list[int]] = {}
        self.taken: list[tuple[str, int]] = []

    def come(self, item: str, *messages: int) -> None:
        self.held.setdefault(item, []).extend(messages)
        self.go_on(item)

    def go_on(self, item: str) -> None:
        held = self.held[item]
        while held:
            if self.turns.spent():
                self.turns.wait(item)
                return
            self.loop.now += COST
            self.taken.append((item, held.pop(0)))


def test_a_turn_takes_its_share_and_the_next_one_goes_on() -> None:
    """A hundred messages at once take a turn for every four, and nothing is lost or passed over."""
    line = Line()
    for n in range(100):
        line.come(f"s{n}", n)
    assert len(line.taken) == 4

    turns = 0
    while line.loop.soon:
        before = len(line.taken)
        line.loop.turn()
        assert len(line.taken) - before <= 5
        turns += 1

    assert [n for _, n in line.taken] == list(range(100))
    assert turns >= 19
    assert len(line.turns) == 0


def test_a_turn_that_is_not_full_lets_nobody_wait() -> None:
    """Each turn has its share anew, however many have been."""
    line = Line()
    for n in range(50):
        line.come("a", n)
        line.loop.turn()
    assert len(line.taken) == 50
    assert line.loop.soon == []


def test_one_that_has_much_goes_behind_those_that_have_little() -> None:
    """Its messages keep their order."""
    line = Line()
    line.come("much", *range(12))
    line.come("few", 0)
    line.come("late", 0)
    assert line.taken == [("much", n) for n in range(4)]

    line.loop.turn()
    line.loop.turn()
    assert ("few", 0) in line.taken
    assert ("late", 0) in line.taken
    while line.loop.soon:
        line.loop.turn()

    assert [n for item, n in line.taken if item == "much"] == list(range(12))
    assert line.taken.index(("late", 0)) < line.taken.index(("much", 8))


def test_who_comes_while_others_wait_stands_behind_them() -> None:
    """Also where the new turn has time left."""
    line = Line()
    line.held["a"] = [0, 1]
    line.turns.wait("a")
    line.come("b", 0)
    assert line.taken == []

    line.loop.turn()

    assert line.taken == [("a", 0), ("a", 1), ("b", 0)]


def test_who_waits_twice_stands_in_line_once_and_keeps_his_place() -> None:
    """One who is called needlessly goes on before the others no more often than they do."""
    told: list[str] = []
    loop = Loop()
    turns: Turns[str] = Turns(loop.call_soon, told.append, clock=lambda: loop.now)
    for item in ("a", "b", "a", "c", "a"):
        turns.wait(item)
    turns.forget("b")
    turns.forget("nobody")
    assert len(turns) == 2
    assert len(loop.soon) == 1

    loop.turn()

    assert told == ["a", "c"]


def test_a_defect_in_one_leaves_the_others_their_turn() -> None:
    """The loop hears of it."""
    told: list[str] = []

    def go_on(item: str) -> None:
        if item == "bad":
            raise ValueError(item)
        told.append(item)

    loop = Loop()
    turns: Turns[str] = Turns(loop.call_soon, go_on, clock=lambda: loop.now)
    turns.wait("bad")
    turns.wait("good")
    with pytest.raises(ValueError, match="bad"):
        loop.turn()

    loop.turn()

    assert told == ["good"]
    assert not turns.spent()


class Socket:
    """A `session.Link` that keeps what is written."""

    def __init__(self) -> None:
        self.raw = b""
        self.reading = True

    def write(self, data: bytes) -> None:
        self.raw += data

    def certificate(self) -> Mapping[str, Any] | None:
        return None

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def uids(self) -> list[Any]:
        return [json.loads(line)["uid"] for line in self.raw.splitlines()]


class Busy:
    """A gateway whose turns a test takes; each look at the stopwatch costs half a message."""

    def __init__(self, sessions: int = 3) -> None:
        self.loop = Loop()
        self.rig = Rig(Limits(rate=0), events=False, soon=self.loop.call_soon, stopwatch=self._watch)
        self.cost = 0.0
        self.sockets = [Socket() for _ in range(sessions)]
        self.sessions = [self._connected(n, socket) for n, socket in enumerate(self.sockets)]
        self.cost = COST

    def _watch(self) -> float:
        self.loop.now += self.cost
        return self.loop.now

    def _connected(self, number: int, socket: Socket) -> Session:
        session = self.rig.gateway.open(socket, "192.0.2.1")
        session.device, session.state = f"d{number}", State.BOUND
        return session

    def ping(self, number: int, *uids: int) -> None:
        frames = [encode_frame(Framing.JSON_LINES, {"action": "ping", "uid": uid}) for uid in uids]
        self.sessions[number].received(b"".join(frames), self.rig.now)

    @property
    def answered(self) -> int:
        return sum(len(socket.uids()) for socket in self.sockets)

    @property
    def held(self) -> float:
        return self.rig.gateway.figures()["held_bytes"]


def test_sessions_beyond_a_turns_share_are_not_read_and_go_on_in_order() -> None:
    """Every message is answered once, in its session's order, over several turns."""
    busy = Busy()
    for number in range(3):
        busy.ping(number, *range(10))
    assert 0 < busy.answered < 10
    assert [socket.reading for socket in busy.sockets] == [False] * 3
    assert busy.held > 0

    turns = 0
    while busy.loop.soon:
        before = busy.answered
        busy.loop.turn()
        assert busy.answered - before <= 5
        turns += 1

    assert [socket.uids() for socket in busy.sockets] == [list(range(10))] * 3
    assert turns > 5
    assert [socket.reading for socket in busy.sockets] == [True] * 3
    assert busy.held == 0
    assert busy.rig.gateway.figures()["paused"] == 0


@pytest.mark.parametrize("end", ["close", "lost"])
def test_a_session_that_ends_in_the_line_is_forgotten(end: str) -> None:
    """Nothing is held for it, and those behind it go on."""
    busy = Busy()
    busy.ping(0, *range(9))
    busy.ping(1, 1)
    session = busy.sessions[0]
    heard = len(busy.sockets[0].uids())

    if end == "close":
        session.close("idle")
        heard += 1
    else:
        busy.rig.gateway.lost(session)
    assert len(busy.rig.gateway._turns) == 1
    while busy.loop.soon:
        busy.loop.turn()

    assert busy.sockets[0].raw.count(b"\n") == heard
    assert busy.sockets[1].uids() == [1]
    assert busy.held == 0


def test_nobody_stands_in_line_longer_than_busy_after() -> None:
    """However often it was his turn without an end: what is left then is taken at once."""
    busy = Busy(1)
    busy.ping(0, *range(40))
    while busy.rig.now < 1000.0 + busy.rig.gateway.limits.busy_after:
        assert len(busy.sockets[0].uids()) < 40
        busy.loop.turn()
        busy.rig.now += 1.0

    busy.rig.gateway.tick()

    assert busy.sockets[0].uids() == list(range(40))
    assert len(busy.rig.gateway._turns) == 0


def test_beyond_all_that_may_be_held_nobody_waits_for_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory counts for more than an even turn."""
    monkeypatch.setattr("taosink.ingress.gateway.MOST_HELD", 100)
    busy = Busy(2)
    busy.ping(0, *range(20))
    assert busy.held > 100

    busy.ping(1, *range(20))

    assert busy.sockets[1].uids() == list(range(20))


def test_a_device_that_has_said_all_is_still_answered_in_its_turn() -> None:
    """It has closed its side while its messages were in line."""
    busy = Busy(1)
    busy.ping(0, *range(9))
    session = busy.sessions[0]
    session.pause(Pause.ENDED, busy.rig.now)
    while busy.loop.soon:
        busy.loop.turn()

    assert busy.sockets[0].uids() == list(range(9))
    busy.rig.gateway.tick()
    assert session.state == State.CLOSING


def test_a_message_that_waits_for_its_turn_costs_its_rate_once() -> None:
    """A device within its rate is not told that it is too fast because the gateway is busy."""
    busy = Busy(1)
    busy.rig.gateway.limits = Limits(rate=1, burst=12)
    session = busy.rig.gateway.open(busy.sockets[0], "192.0.2.1")
    session.device, session.state = "other", State.BOUND
    busy.sessions[0] = session
    busy.ping(0, *range(12))
    while busy.loop.soon:
        busy.loop.turn()

    assert busy.sockets[0].uids() == list(range(12))
    assert busy.rig.seen("reject", "rate_limited") == 0


def test_the_loops_own_turns_serve_the_line() -> None:
    """With asyncio's call_soon in place of a test's."""
    told: list[int] = []

    async def run() -> None:
        came = asyncio.Event()
        ticks = iter(range(1_000_000))

        def go_on(item: int) -> None:
            told.append(item)
            if item == 99:
                came.set()

        turns: Turns[int] = Turns(
            asyncio.get_running_loop().call_soon, go_on, clock=lambda: next(ticks) * COST
        )
        for item in range(100):
            turns.wait(item)
        await asyncio.wait_for(came.wait(), 10)

    asyncio.run(run())
    assert told == list(range(100))
