"""Keys and certificates read anew: beside the loop, and never fewer times than it was asked for."""

import asyncio
import threading

from support.ingress_parts import Door

from taosink.ingress.reloading import Reloading


class Slow(Door):
    """Reads for as long as it is held; remembers on which threads."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.threads: list[int] = []

    def reload(self) -> None:
        self.threads.append(threading.get_ident())
        assert self.go_on.wait(10)


class Tls:
    def __init__(self) -> None:
        self.threads: list[int] = []

    def reload(self) -> None:
        self.threads.append(threading.get_ident())


def test_a_slow_file_does_not_hold_the_loop_and_is_read_again_where_asked_meanwhile() -> None:
    """Many signals in one reading are one more reading; certificates are the loop's own thread's."""

    async def scenario() -> None:
        door, tls = Slow(), Tls()
        reloading = Reloading(door, tls)
        reloading.ask()
        while not door.threads:
            await asyncio.sleep(0.001)
        for _ in range(3):
            reloading.ask()
        door.go_on.set()
        while len(tls.threads) < 2:
            await asyncio.sleep(0.001)
        await reloading.end(5)
        here = threading.get_ident()
        assert len(door.threads) == 2
        assert here not in door.threads
        assert tls.threads == [here, here]

    asyncio.run(asyncio.wait_for(scenario(), 20))
