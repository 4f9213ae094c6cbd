"""Posts to addresses that the operator names: the link's, the application's."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

TOLD_BYTES = 300
TRY_AGAIN = frozenset({408, 425, 429})
"""Refusals that are of the moment: timeout, too early, too many requests (RFC 9110, 8470, 6585)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a post. `status` 0: no answer came, so it may or may not have arrived."""

    status: int
    detail: str = ""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Refused for what it is: the same post again would be refused again."""
        return 400 <= self.status < 500 and self.status not in TRY_AGAIN


class Poster:
    """Posts JSON to one URL over kept-alive connections. Thread-safe; a call blocks for at most `timeout`
    seconds to connect, and again for each wait for the answer. Follows no redirect and tries nothing again: only
    the caller knows what a second copy does."""

    def __init__(
        self, url: str, *, timeout: float = 10.0, connections: int = 4, token: str = "", ca: str = ""
    ) -> None:
        self._url = url
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=connections,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            retries=False,
            ca_certs=ca or None,
        )

    def __repr__(self) -> str:
        return f"<Poster {shown(self._url)}>"

    def post(self, body: bytes) -> Answer:
        """Never raises for what the other side does."""
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=self._headers, redirect=False, preload_content=False
            )
        except (HTTPError, OSError) as error:
            return Answer(0, _told(error))
        try:
            if response.status == 204 or response.headers.get("content-length") == "0":
                response.drain_conn()
                return Answer(response.status)
            told = response.read(TOLD_BYTES)
            if len(told) < TOLD_BYTES:
                response.drain_conn()
            else:
                # The rest is of no interest, and may be without end.
                response.close()
            return Answer(response.status, told.decode(errors="replace"))
        except (HTTPError, OSError) as error:
            # The status has come, and with it the decision.
            response.close()
            return Answer(response.status, _told(error))
        finally:
            response.release_conn()

    def close(self) -> None:
        """Closes idle connections; one that is in use is closed by its call. Idempotent."""
        self._pool.clear()


def shown(url: str) -> str:
    """The address without its query, which may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:TOLD_BYTES]
