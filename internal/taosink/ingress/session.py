"""One device's connection: bytes in, answers out, and what it may cost. Knows no socket and no clock."""

from collections.abc import Mapping, Sequence
from typing import Any

from taosdevice.framing import FrameError, FrameSplitter, Framing, encode_frame
from taosdevice.protocol import closing
from taosink.ingress.limits import Bucket
from taosink.ingress.session_ports import Desk, Link, Pause, State

NOT_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This is no HTTP port: it speaks JSON lines and length-prefixed MessagePack.\n"
)
LINGER = 5.0
"""Seconds that a closed connection may take to let its last words be read."""


class Session:
    """Used on the loop's thread. `client_id` is this connection's name for ever."""

    __slots__ = (
        "_bucket",
        "_held",
        "_link",
        "_partial_since",
        "_since",
        "_splitter",
        "address",
        "client_id",
        "connected_at",
        "desk",
        "device",
        "in_flight",
        "last_seen",
        "paused_at",
        "pauses",
        "slot",
        "state",
        "tls",
        "unread_since",
    )

    def __init__(
        self,
        desk: Desk,
        link: Link,
        client_id: str,
        address: str,
        now: float,
        *,
        tls: bool = False,
        connected_at: float = 0.0,
    ) -> None:
        self.desk = desk
        self.client_id = client_id
        self.address = address
        self.tls = tls
        self.connected_at = connected_at
        self.device: str | None = None
        self.state: str = State.NEW
        self.pauses = 0
        self.in_flight = 0
        self.last_seen = now
        self.slot = -1
        self._since = now
        self._link = link
        self._splitter = FrameSplitter(desk.limits.max_frame)
        self._bucket = Bucket(desk.limits.burst, now)
        self._held: list[bytes] = []
        self._partial_since = 0.0
        self.paused_at = 0.0
        """When reading stopped."""
        self.unread_since = 0.0
        """When the device stopped reading its answers."""
        desk.file(self, now + desk.limits.handshake)

    def __repr__(self) -> str:
        return f"<Session {self.client_id} {self.device!r} {self.state} in_flight={self.in_flight}>"

    @property
    def framing(self) -> Framing | None:
        """None before the first byte."""
        return self._splitter.framing

    @property
    def sure_framing(self) -> Framing:
        """For whoever has a frame of it in hand."""
        return self._splitter.framing or Framing.JSON_LINES

    @property
    def open(self) -> bool:
        """Whether requests are taken."""
        return self.state in _OPEN

    @property
    def writable(self) -> bool:
        """Whether anything can be said to the device still."""
        return self.state in _WRITABLE

    @property
    def quiet(self) -> bool:
        """Whether nothing that came is without its answer."""
        return not self.in_flight and not self._held and self.state != State.CONNECTING

    def certificate(self) -> Mapping[str, Any] | None:
        return self._link.certificate()

    # What comes in

    def received(self, data: bytes | memoryview, now: float) -> None:
        """Bytes of the device, in any pieces."""
        if self.state not in _OPEN:
            return
        self.last_seen = now
        try:
            frames = self._splitter.feed(data)
        except FrameError as error:
            self._unreadable(error, now)
            return
        self._watch_partial(frames, now)
        if self._held:
            self._hold(frames)
        elif frames:
            self._take(frames, now)

    def go_on(self, now: float, pause: int, *, last: bool = False) -> None:
        """What held the session back has ended; with `last` what still finds no room is answered `busy`."""
        frames, self._held, since = self._held, [], self.paused_at
        if frames:
            self.desk.holds(self, -sum(map(len, frames)))
        self.pauses &= ~pause
        if frames and self.state in _OPEN:
            self._take(frames, now, last=last)
        if self._held:
            self.paused_at = since  # what waits still came before then
        if not self.pauses:
            self._link.resume()

    def pause(self, why: int, now: float) -> None:
        """Stops reading; TCP tells the device. What is held already stays held."""
        if not self.pauses:
            self.paused_at = now
            self._link.pause()
        if not self.pauses & why:
            self.pauses |= why
            if why == Pause.OUTPUT:
                self.unread_since = now
            self.desk.paused(self)

    def resume(self, why: int, now: float) -> None:
        """One reason less; the last one's end handles what is held."""
        if not self.pauses & why:
            return
        # A device that has said all is to be answered all the same.
        if not self.pauses & ~(why | Pause.ENDED):
            self.go_on(now, why)
        else:
            self.pauses &= ~why

    def bound(self, device: str, bucket: Bucket, now: float) -> None:
        """It is this device's from now on, and its rate is the device's, whatever connection it comes by."""
        self.device, self.state, self.last_seen, self._bucket = device, State.BOUND, now, bucket

    def may_send(self, now: float) -> bool:
        """Whether the device's rate allows one more message."""
        limits = self.desk.limits
        return not limits.rate or self._bucket.take(limits.rate, limits.burst, now)

    # What goes out

    def send(self, message: Mapping[str, Any]) -> bool:
        """Writes a message; False where the connection is over, or its framing is not known yet."""
        framing = self._splitter.framing
        if framing is None or self.state not in _WRITABLE:
            return False
        self._link.write(encode_frame(framing, message))
        return True

    def write(self, frame: bytes) -> None:
        """A frame that is encoded already."""
        if self.state in _WRITABLE:
            self._link.write(frame)

    def close(self, code: str, text: str = "") -> None:
        """Tells the device why, and closes. Only the first call counts."""
        if self.state not in _WRITABLE:
            return
        self.send(closing(code, text or code))
        self._end(code)
        self._link.close()
        self.desk.file(self, self.last_seen + LINGER)

    def finish(self) -> None:
        """Closes a connection whose device has said all, and has heard all."""
        if self.state in _WRITABLE:
            self._end("left")
            self._link.close()
            self.desk.file(self, self.last_seen + LINGER)

    def abort(self, code: str) -> None:
        """Closes at once, for a device that does not read."""
        if self.state not in _ENDED:
            self._end(code)
        self._link.abort()

    def leave(self, message: Mapping[str, Any], now: float) -> Sequence[bytes]:
        """Says goodbye and takes nothing more; gives back frames that had come and were not handled."""
        if self.state not in _OPEN:
            return ()
        self.send(message)
        frames, self._held = self._held, []
        if frames:
            self.desk.holds(self, -sum(map(len, frames)))
        self.pause(Pause.LEAVING, now)
        self.state = State.LEAVING
        return frames

    def lost(self) -> bool:
        """The socket is gone; True where the device did it."""
        by_device = self.state not in _ENDED
        if by_device:
            self._end("left" if self.state != State.LEAVING else "goodbye")
        self.state = State.LOST
        return by_device

    # What time does

    def check(self, now: float) -> None:
        """Closes what is over time, and says when to look again."""
        limits = self.desk.limits
        if self.state == State.CLOSING:
            self._link.abort()
            return
        if self.state in _ENDED:
            return
        if self.state != State.BOUND:
            until, code = self._since + limits.handshake, "handshake_timeout"
        elif self.pauses:
            # Who is not read cannot show that he lives; the socket's keepalive looks after that.
            until, code = now + limits.idle, "idle"
        elif self._partial_since and self._partial_since + limits.frame < self.last_seen + limits.idle:
            until, code = self._partial_since + limits.frame, "slow_frame"
        else:
            until, code = self.last_seen + limits.idle, "idle"
        if until <= now and self.state != State.LEAVING:
            self.close(code, _LATE[code])
        else:
            self.desk.file(self, max(until, now))

    # Inside

    def _take(self, frames: Sequence[bytes], now: float, *, last: bool = False) -> None:
        take = self.desk.take
        for index, frame in enumerate(frames):
            if self.state not in _OPEN:
                return
            if self.pauses & Pause.CONNECTING:
                self._hold(frames[index:])
                return
            if not take(self, frame, now, last=last):
                self._hold(frames[index:])
                self.pause(Pause.ROOM, now)
                return

    def _hold(self, frames: Sequence[bytes]) -> None:
        self._held += frames
        self.desk.holds(self, sum(map(len, frames)))

    def _watch_partial(self, frames: Sequence[bytes], now: float) -> None:
        if not self._splitter.buffered:
            self._partial_since = 0.0
        elif frames or not self._partial_since:
            self._partial_since = now
            self.desk.file(self, now + self.desk.limits.frame)

    def _unreadable(self, error: FrameError, now: float) -> None:
        if error.code == "http":
            self._link.write(NOT_HTTP)
        # What came whole before the fault counts, unless it would have to wait.
        if error.frames and not self._held:
            self._take(error.frames, now, last=True)
        self.close(error.code, error.text)

    def _end(self, code: str) -> None:
        self.state = State.CLOSING
        if self._held:
            self.desk.holds(self, -sum(map(len, self._held)))
            self._held = []
        self.desk.closed(self, code)


_OPEN = frozenset({State.NEW, State.CONNECTING, State.BOUND})
_WRITABLE = _OPEN | {State.LEAVING}
_ENDED = frozenset({State.CLOSING, State.LOST})
_LATE = {
    "handshake_timeout": "no connect in time",
    "idle": "nothing came for too long",
    "slow_frame": "a message was not complete in time",
}
