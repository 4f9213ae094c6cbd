"""Keys, secrets and certificates read anew while devices are served."""

import asyncio
from typing import Protocol

from taosink.ingress.ports import Authenticator


class Reloadable(Protocol):
    def reload(self) -> None:
        """Never raises; what cannot be read stays as it was."""
        ...


class Reloading:
    """Used on the loop's thread. `tls` None: there is none."""

    def __init__(self, authenticator: Authenticator, tls: Reloadable | None) -> None:
        self._authenticator, self._tls = authenticator, tls
        self._task: asyncio.Task[None] | None = None
        self._asked = False

    def __repr__(self) -> str:
        return f"<Reloading {'under way' if self._task else 'idle'}>"

    def ask(self) -> None:
        """Returns at once. Where one is under way another follows it: a file may have changed behind its back."""
        self._asked = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def end(self, seconds: float) -> None:
        """Waits for the one under way."""
        self._asked = False
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=seconds)

    async def _run(self) -> None:
        try:
            while self._asked:
                self._asked = False
                # A file of many secrets takes a while, and devices are to be answered meanwhile.
                await asyncio.to_thread(self._authenticator.reload)
                if self._tls is not None:
                    # Handshakes are this thread's, so its contexts are too.
                    self._tls.reload()
        finally:
            self._task = None
