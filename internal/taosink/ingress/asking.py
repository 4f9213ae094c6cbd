"""The application's decision on a `connect`: asked on the request topic, answered on a response topic."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from itertools import count
from typing import Any

from taosdevice.messages import to_json
from taosdevice.protocol import CONNECT, RESPONSE
from taosink.ingress.ports import Failures, Publishing

ASKING: ContextVar[str] = ContextVar("ASKING", default="")
"""The client id of the connection that is being authenticated, in its task."""


class Asking:
    """`ports.Ask`. The question carries the client id that the connection has afterwards; what has none (a
    request over HTTP) gets one of its own. Used on the loop's thread."""

    def __init__(self, server_id: str, publishing: Callable[[], Publishing]) -> None:
        """`publishing` is called at the first question: it is built after this."""
        self._server_id = server_id
        self._publishing = publishing
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any] | None]] = {}
        self._numbers = count(1)

    def __repr__(self) -> str:
        return f"<Asking {len(self._waiting)}>"

    async def __call__(self, device: str, token: str | None, seconds: float) -> Mapping[str, Any] | None:
        """As `ports.Ask`."""
        client = ASKING.get() or f"ask-{next(self._numbers)}"
        data = {} if token is None else {"token": token}
        envelope = to_json(
            {
                "deviceRequest": {"action": CONNECT, "deviceUid": device, "uid": client, "data": data},
                "serverId": self._server_id,
                "clientId": client,
            }
        )
        future: asyncio.Future[Mapping[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._waiting[client] = future
        try:
            if not self._publishing().request(envelope, device.encode(), self._published(future)):
                return None
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._waiting[client]

    def answer(self, client: str | None, response: Mapping[str, Any]) -> bool:
        """A worker's answer: True where somebody waits for it."""
        if response.get("action") != CONNECT + RESPONSE:
            return False
        future = self._waiting.get(client or "")
        if future is None:
            return False
        if not future.done():
            future.set_result(response)
        return True

    @staticmethod
    def _published(future: "asyncio.Future[Mapping[str, Any] | None]") -> Callable[[Failures], None]:
        def done(failures: Failures) -> None:
            # Nobody has been asked: the device need not wait for the timeout.
            if failures and not future.done():
                future.set_result(None)

        return done
