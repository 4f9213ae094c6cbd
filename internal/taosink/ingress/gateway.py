"""The gateway's heart: every session, what they share, and what time does to them."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from taosdevice.protocol import Code, ProtocolError, connected, goodbye
from taosdevice.requests import Request
from taosink.ingress import spoken
from taosink.ingress.actions import Actions
from taosink.ingress.asking import ASKING
from taosink.ingress.envelopes import connection_event
from taosink.ingress.limits import Admission, Buckets, Limits
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Authenticator, Commands, Counting, Failures, Presence, Publishing, Verdict
from taosink.ingress.session import Session
from taosink.ingress.session_ports import Link, Pause, State
from taosink.ingress.sessions import Sessions
from taosink.ingress.turns import Turns
from taosink.ingress.wheel import Wheel

TICK = 0.25
"""Seconds between two looks at what is due."""
MOST_HELD = 64 * 2**20
"""Bytes of messages, of all sessions together, that wait for room; beyond it they are answered `busy` at once."""


class Gateway:
    """Used on the loop's thread. `attach` gives it the broker's side before the first session comes.

    It is what sessions hand their frames to (`session.Desk`), and what HTTP asks (`ports.Health`).
    """

    def __init__(
        self,
        *,
        server_id: str,
        limits: Limits,
        admission: Admission,
        owed: OwedAnswers,
        counting: Counting,
        clock: Callable[[], float],
        wall: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        stopwatch: Callable[[], float] = time.monotonic,
        events: bool = True,
    ) -> None:
        self.server_id = server_id
        self.limits = limits
        self.admission = admission
        self.owed = owed
        self.counting = counting
        self.sessions = Sessions()
        self.ready = False
        self._clock = clock
        self._wall = wall
        self._events = events
        self._wheel: Wheel[Session] = Wheel(TICK)
        self._waiting: set[Session] = set()
        self._turns: Turns[Session] = Turns(soon, self._go_on, clock=stopwatch)
        self._buckets, self._held, self._frames = Buckets(limits.burst), 0, 0
        self._logins: set[asyncio.Task[None]] = set()
        self._prefix, self._numbers = secrets.token_hex(6), count(1)

    def __repr__(self) -> str:
        return f"<Gateway {self.server_id} {self.sessions!r} {self.owed!r} held={self._held}>"

    def attach(
        self,
        *,
        publishing: Publishing,
        presence: Presence,
        commands: Commands,
        authenticator: Authenticator,
        requests: bool = True,
        stored: bool = True,
    ) -> None:
        """The parts that were built with this gateway as their Downlink."""
        self._publishing = publishing
        self._presence = presence
        self._commands = commands
        self._authenticator = authenticator
        self._events = self._events and requests
        self._actions = Actions(
            server_id=self.server_id,
            publishing=publishing,
            commands=commands,
            owed=self.owed,
            counting=self.counting,
            login=self._login,
            clock=self._clock,
            requests=requests,
            stored=stored,
        )
        publishing.on_room(self._room)

    # Sessions

    def open(self, link: Link, address: str, *, tls: bool = False) -> Session:
        """A connection that `admission` has let in."""
        session = Session(
            self,
            link,
            f"{self._prefix}-{next(self._numbers)}",
            address,
            self._clock(),
            tls=tls,
            connected_at=self._wall(),
        )
        self.sessions.add(session)
        self.counting.count("accepted", "tls" if tls else "plain")
        return session

    def take(self, session: Session, frame: bytes, now: float, *, last: bool) -> bool:
        """As `session.Desk`."""
        if not last and self._held <= MOST_HELD and self._turns.spent():
            self._turns.wait(session)
            return False
        self._frames += 1
        if not session.may_send(now):
            # Reading stops until the next tick, so that a flood costs little more than its answers.
            self._actions.too_fast(session, frame)
            session.pause(Pause.RATE, now)
            return True
        return self._actions.take(session, frame, now, last=last or self._held > MOST_HELD)

    def holds(self, session: Session, nbytes: int) -> None:
        """As `session.Desk`."""
        self._held += nbytes
        if nbytes > 0 and self._held > MOST_HELD and session.state == State.CONNECTING:
            session.close(Code.BUSY, "too much waits for logins already: come back later")

    def paused(self, session: Session) -> None:
        """As `session.Desk`."""
        self._waiting.add(session)

    def file(self, session: Session, at: float) -> None:
        """As `session.Desk`."""
        self._wheel.file(session, at)

    def closed(self, session: Session, code: str) -> None:
        """As `session.Desk`: nothing goes to its device any more."""
        self.counting.count("closed", code)
        spoken.closed(session, code)
        self._forget(session)
        device = session.device
        if self.sessions.remove(session) and device is not None:
            self._presence.gone(device, session.client_id)
        if device is not None:
            self._event("disconnect", device, session, {"reason": code})

    def lost(self, session: Session) -> None:
        """The socket is gone."""
        session.lost()
        self._wheel.drop(session)
        self._forget(session)

    def _forget(self, session: Session) -> None:
        self._waiting.discard(session)
        self._turns.forget(session)
        self.owed.forget(session.client_id)

    # Connect

    def _login(self, session: Session, request: Request) -> None:
        session.state = State.CONNECTING
        session.pause(Pause.CONNECTING, self._clock())
        task = asyncio.get_running_loop().create_task(self._authenticate(session, request))
        self._logins.add(task)
        task.add_done_callback(self._logins.discard)

    async def _authenticate(self, session: Session, request: Request) -> None:
        ASKING.set(session.client_id)
        try:
            verdict = await self._authenticator.check(
                request.device or "", request.token, session.certificate()
            )
        except Exception:  # noqa: BLE001 -- told by spoken; a defect in one check must leave its device an answer
            spoken.authentication_defect(session, request.device, request.uid)
            verdict = Verdict(ok=False, code=Code.INTERNAL, text="the gateway could not check who this is")
        if session.state == State.CONNECTING:
            self._decided(session, request, verdict)

    def _decided(self, session: Session, request: Request, verdict: Verdict) -> None:
        self.counting.count("auth", "ok" if verdict.ok else verdict.code)
        if not verdict.ok:
            self.counting.count("reject", verdict.code)
            spoken.connect_refused(session, request.device, request.uid, verdict.code)
            error = ProtocolError(verdict.code, verdict.text, uid=request.uid, action="connect")
            session.send(error.answer())
            session.close(verdict.code, verdict.text)
            return
        device, now = verdict.device, self._clock()
        session.bound(device, self._buckets.of(device, now), now)
        before = self.sessions.bind(device, session)
        if before is not None:
            before.close(Code.REPLACED, "the device has connected anew")
        self._wheel.drop(session)
        self._wheel.file(session, now + self.limits.idle)
        session.send(connected(request.uid, session.client_id, self.server_id, self.limits.told()))
        self.counting.count("answer", "ok")
        spoken.connected(session, request.uid)
        self._presence.claim(device, session.client_id)
        self._event("connect", device, session, {})
        self._commands.connected(device, session.client_id)
        session.resume(Pause.CONNECTING, now)

    def _event(self, action: str, device: str, session: Session, data: Mapping[str, Any]) -> None:
        if not self._events:
            return
        envelope = connection_event(self.server_id, session.client_id, device, action, data)
        if not self._publishing.request(envelope, device.encode(), self._event_done):
            self.counting.count("event", "connection_event_dropped")

    def _event_done(self, failures: Failures) -> None:
        self.counting.count("event", "connection_event_dropped" if failures else "connection_event")

    # Time

    def tick(self) -> None:
        """To be called every TICK seconds: deadlines, and sessions that wait."""
        now = self._clock()
        for session in self._wheel.due(now):
            session.check(now)
        for session in tuple(self._waiting):
            self._look_at(session, now)
        self.counting.count("frames", "in", self._frames)
        self._frames = 0
        if late := self.owed.expire(now):
            self.counting.count("event", "stored_timeout", late)

    def _look_at(self, session: Session, now: float) -> None:
        if session.pauses & Pause.RATE:
            session.resume(Pause.RATE, now)
        if session.pauses & Pause.ROOM and session.paused_at + self.limits.busy_after <= now:
            self._turns.forget(session)
            session.go_on(now, Pause.ROOM, last=True)
        if session.pauses & Pause.OUTPUT and session.unread_since + self.limits.slow_after <= now:
            session.abort(Code.SLOW_READER)
        if session.pauses & Pause.ENDED and session.quiet:
            session.finish()
        if not session.pauses:
            self._waiting.discard(session)

    def _room(self) -> None:
        """Kafka takes more: those that have waited longest come first."""
        for session in sorted(self._waiting, key=lambda s: s.paused_at):
            self._turns.wait(session)

    def _go_on(self, session: Session) -> None:
        session.resume(Pause.ROOM, self._clock())
        if not session.pauses:
            self._waiting.discard(session)

    # Stop

    def say_goodbye(self, reconnect_after: float, spread: float) -> None:
        """Tells every device; those that are bound come back spread over time. Nothing new is taken."""
        now = self._clock()
        for session in self.sessions:
            after = reconnect_after + random.random() * spread  # noqa: S311 -- spread, no secret
            for frame in session.leave(goodbye(int(after * 1000), text="the gateway stops"), now):
                self._actions.too_late(session, frame)

    def close_quiet(self) -> int:
        """Closes the sessions that wait for no answer; returns how many are left."""
        left = 0
        for session in self.sessions:
            if session.in_flight:
                left += 1
            else:
                session.close(Code.SHUTTING_DOWN, "the gateway stops")
        return left

    def close_all(self) -> None:
        """Closes what is left: its answers are not coming."""
        for session in self.sessions:
            session.close(Code.SHUTTING_DOWN, "the gateway stops")
        for task in self._logins:
            task.cancel()

    @property
    def in_flight(self) -> int:
        return sum(session.in_flight for session in self.sessions)

    def figures(self) -> Mapping[str, float]:
        """As `ports.Health`."""
        return {
            "connections": self.admission.count,
            "sessions": self.sessions.bound,
            "in_flight": self.in_flight,
            "owed": len(self.owed),
            "kafka_waiting": self._publishing.waiting,
            "paused": len(self._waiting),
            "held_bytes": self._held,
        }
