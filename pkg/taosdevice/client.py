"""A device, in asyncio: sends until the gateway says what became of it, and does what it is told once."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from taosbatch.backoff import Backoff
from taosdevice.conversation import converse
from taosdevice.desk import ClientLimits, Desk
from taosdevice.framing import Framing, encode_frame
from taosdevice.link import Address, Link, LinkError
from taosdevice.names import BATCH, DATA, Ack, Code
from taosdevice.orders import Command
from taosdevice.outbox import Entry
from taosdevice.outcomes import ClientClosedError, DeviceClientError, Outcome, RefusedError, ReplacedError
from taosdevice.readings import Cell, reading

OnCommand = Callable[[Command], Awaitable[Any]]
Token = str | Callable[[], str] | None

FINAL_REFUSALS = frozenset(
    {
        Code.UNAUTHORIZED,
        Code.TOKEN_EXPIRED,
        Code.WRONG_DEVICE,
        Code.UNSUPPORTED_VERSION,
        Code.BAD_MESSAGE,
    }
)
"""Refusals of a connect that will be the same the next time."""


LIMITS, RECONNECT, BUSY_AGAIN = ClientLimits(), Backoff(0.5, max=30.0), Backoff(0.2, max=5.0)


class DeviceClient:
    """`async with DeviceClient(...)`: connects in the background, and again whenever the connection is lost.

    For one loop. `token` may be a function: asked at each connect, so that an expired one is no end.
    `ReplacedError` and `RefusedError` from a call mean that the client has ended for good.
    """

    def __init__(
        self,
        url: str,
        device: str,
        *,
        token: Token = None,
        ack: Ack = "kafka",
        framing: Framing = Framing.MSGPACK,
        tls: ssl.SSLContext | None = None,
        on_command: OnCommand | None = None,
        limits: ClientLimits = LIMITS,
        backoff: Backoff = RECONNECT,
        busy_backoff: Backoff = BUSY_AGAIN,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._address = Address.parse(url, tls)
        self.device = device
        self._token = token
        self._ack = ack
        self._framing = framing
        self._on_command = on_command
        self._backoff = backoff
        self._clock, self._sleep, self._rand = clock, sleep, rand
        self._desk = Desk(framing, limits, busy_backoff, clock, rand)
        self._limits = limits
        self._room = asyncio.Semaphore(limits.pending)
        self._connected = asyncio.Event()
        self._uid = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: DeviceClientError | None = None
        self.connects = 0
        self.server: Mapping[str, Any] = {}
        self.last_error = ""

    def __repr__(self) -> str:
        return f"<DeviceClient {self.device!r} connects={self.connects} {self._desk!r} ended={self._ended!r}>"

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._obey())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(ClientClosedError("the client was closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # For the device's program

    async def connected(self) -> None:
        """Waits until the gateway has taken the connection; raises DeviceClientError once that cannot be."""
        await self._connected.wait()
        if self._ended:
            raise self._ended

    async def send(self, timestamp_ns: int, cols: Sequence[Cell], *, ack: Ack | None = None) -> Outcome:
        """One reading. Waits for room, and until it is known what became of it. ValueError for what cannot be
        sent at all, DeviceClientError once the client has ended."""
        return await self._ask(DATA, reading(self._framing, timestamp_ns, cols), ack=ack)

    async def send_batch(
        self, readings: Sequence[tuple[int, Sequence[Cell]]], *, ack: Ack | None = None
    ) -> Outcome:
        """Many readings as one request, as `send`; `Outcome.rejected` names those that were not taken."""
        return await self._ask(BATCH, [reading(self._framing, *one) for one in readings], ack=ack)

    async def request(self, action: str, data: Any = None, *, resend: bool = True) -> Outcome:
        """The application's own action. Without `resend` it goes on the wire once, and a lost answer is
        `unknown`: for what must not be done twice."""
        return await self._ask(action, data, resend=resend)

    async def _ask(self, action: str, data: Any, *, ack: Ack | None = None, resend: bool = True) -> Outcome:
        async with self._room:
            if self._ended:
                raise self._ended
            self._uid += 1
            return await self._desk.outcome(Entry(self._uid, self._frame_of(action, data, ack), resend))

    def _frame_of(self, action: str, data: Any, ack: Ack | None) -> bytes:
        message: dict[str, Any] = {"action": action, "uid": self._uid}
        if data is not None:
            message["data"] = data
        if action in (DATA, BATCH) and (ack or self._ack) != "kafka":
            message["ack"] = ack or self._ack
        frame = encode_frame(self._framing, message)
        if self._desk.too_large(frame):
            limit = self._desk.max_frame
            raise ValueError(
                f"the request has {len(frame)} bytes, the gateway takes {limit}: send less at once"
            )
        return frame

    # The connection

    async def _run(self) -> None:
        failures = 0
        while self._ended is None:
            before = self._clock()
            wait: float | None = None
            try:
                await self._connection()
            except LinkError as error:
                self.last_error = error.text
                self._judge(error)
                wait = error.retry_after
            except Exception as error:  # noqa: BLE001  # a token that cannot be had, or a defect: nobody may wait on
                self._end(DeviceClientError(f"the client failed: {error!r}"))
            # A gateway that takes connections and drops them at once is not hammered either.
            failures = 0 if self._clock() - before >= self._backoff.max else failures + 1
            if self._ended is None:
                await self._sleep(self._pause(wait, failures))

    def _pause(self, wait: float | None, failures: int) -> float:
        if wait is None:
            return self._backoff.delay(max(0, failures - 1), self._rand)
        return wait * (1 + 0.5 * self._rand())  # all of a gateway's devices were told the same

    def _judge(self, error: LinkError) -> None:
        if error.code == Code.REPLACED:
            self._end(
                ReplacedError("the same device has connected elsewhere; this client does not come back")
            )
        elif error.code in FINAL_REFUSALS and not (
            error.code == Code.TOKEN_EXPIRED and callable(self._token)
        ):
            self._end(RefusedError(error.code, error.text))

    async def _connection(self) -> None:
        """One connection from its opening to its end, which is a LinkError."""
        link: Link | None = None
        try:
            try:
                async with asyncio.timeout(self._limits.connect_timeout):
                    link = await Link.open(self._address, self._framing, self._clock)
                    token = self._token() if callable(self._token) else self._token
                    self.server = await link.introduce(self.device, token)
            except TimeoutError:
                raise LinkError("the gateway did not answer in time", Code.TIMEOUT) from None
            self._desk.take_limits(self.server.get("limits"))
            self.connects += 1
            self._connected.set()
            await converse(link, self._desk)
        finally:
            for entry in self._desk.outbox.lost():
                self._desk.tell(entry)
            if link is not None:
                await link.close()

    def _end(self, error: DeviceClientError) -> None:
        if self._ended is None:
            self._ended = error
        self._connected.set()
        self._desk.end(self._ended)

    # Commands

    async def _obey(self) -> None:
        """One after another, in the order in which they came."""
        desk = self._desk
        while True:
            command = desk.orders.next()
            if command is None:
                desk.ordered.clear()
                await desk.ordered.wait()
            else:
                desk.result(desk.orders.done(command, *await self._handled(command)))

    async def _handled(self, command: Command) -> tuple[Any, str]:
        if self._on_command is None:
            return None, "this device takes no commands"
        try:
            data = await self._on_command(command)
            encode_frame(self._framing, {"data": data})
        except Exception as error:  # noqa: BLE001  # the handler is somebody else's: its failure is the result
            return None, str(error) or type(error).__name__
        return data, ""
