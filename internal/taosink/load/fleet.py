"""Opens and holds the connections of a run."""

import asyncio
import errno
import ipaddress
import time
from collections import Counter
from collections.abc import Callable

from taosdevice.link import Address
from taosink.load.device import Device, Listener
from taosink.load.frames import connect_frame
from taosink.load.options import LoadOptions
from taosink.simulator.pacing import due_in

AT_ONCE = 200
"""Handshakes under way: more would wait in the gateway's backlog, and tell of that alone."""


class Fleet:
    """Used on the loop's thread. `devices` are those whose `connect` was taken."""

    def __init__(
        self,
        options: LoadOptions,
        address: Address,
        token: Callable[[str], str] | None,
        listener: Listener,
    ) -> None:
        self._options = options
        self._address = address
        self._token = token
        self._listener = listener
        self._room = asyncio.Semaphore(AT_ONCE)
        self.devices: list[Device] = []
        self.failed: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Fleet {len(self.devices)} held, failed={sum(self.failed.values())}>"

    async def connect(self, progress: Callable[[int], None]) -> float:
        """Returns the seconds that it took, whatever has failed."""
        began, tasks = time.monotonic(), set()
        for number in range(self._options.connections):
            while wait := due_in(self._options.connect_rate, number, time.monotonic() - began):
                await asyncio.sleep(wait)
            await self._room.acquire()
            task = asyncio.create_task(self._one(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            progress(len(self.devices))
        while tasks:
            await asyncio.wait(tasks)
        return time.monotonic() - began

    async def close(self) -> None:
        for device in self.devices:
            device.close()
        await asyncio.sleep(0)

    async def _one(self, number: int) -> None:
        try:
            reason = await self._introduced(number)
        finally:
            self._room.release()
        if reason:
            self.failed[reason] += 1

    async def _introduced(self, number: int) -> str:
        """Why the connection is not held, or nothing."""
        loop, address = asyncio.get_running_loop(), self._address
        name = f"{self._options.prefix}{number}"
        device = Device(self._listener, loop.create_future())
        try:
            async with asyncio.timeout(self._options.patience):
                await loop.create_connection(
                    lambda: device,
                    address.host,
                    address.number,
                    ssl=address.tls,
                    server_hostname=address.host if address.tls else None,
                    local_addr=source(address.host, number // self._options.per_source),
                )
                device.send(connect_frame(name, self._token(name) if self._token else None))
                reason = await device.bound
        except TimeoutError:
            reason = "timeout"
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if reason:
            device.close()
        else:
            self.devices.append(device)
        return reason


def source(host: str, place: int) -> tuple[str, int] | None:
    """Where connections to loopback come from: 127.0.0.2, 127.0.0.3 and so on, as if from many machines. One
    address has 28,000 ports, and gateways bound what one address may open."""
    try:
        to = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
    if to.version != 4 or not to.is_loopback:
        return None
    return str(ipaddress.ip_address("127.0.0.2") + place), 0
