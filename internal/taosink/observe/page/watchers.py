"""Who follows a page's stream: bounded, and counted from the moment that it is let in."""

from collections.abc import AsyncIterator, Callable

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

MOST = 16
TOO_MANY = f"{MOST} others watch already: close one of them, or ask /status.json"
_TYPE = "text/event-stream"
_HEADERS = {"cache-control": "no-store"}


class Watchers:
    """Used on one loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._now = most, 0

    def __repr__(self) -> str:
        return f"<Watchers {self._now}>"

    def __len__(self) -> int:
        return self._now

    def answer(self, method: str, stream: Callable[[], AsyncIterator[bytes]]) -> Response | None:
        """The stream as an answer, None where there are too many. HEAD gets its headers, and is no watcher: its
        connection would stay, with nothing to read from it."""
        if method == "HEAD":
            response = Response(media_type=_TYPE, headers=_HEADERS)
            del response.headers["content-length"]
            return response
        if self._now >= self._most:
            return None
        # Not with the stream's first look: others are asked for before that comes.
        self._now += 1
        return _Followed(stream(), self._left)

    def _left(self) -> None:
        self._now -= 1


class _Followed(StreamingResponse):
    def __init__(self, stream: AsyncIterator[bytes], left: Callable[[], None]) -> None:
        super().__init__(stream, media_type=_TYPE, headers=_HEADERS)
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._left()
