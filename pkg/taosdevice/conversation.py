"""One connection while it lasts: reading, writing, and finding out that nobody is there any more."""

import asyncio
from contextlib import suppress
from typing import Any

from taosdevice.desk import Desk
from taosdevice.framing import encode_frame
from taosdevice.link import Link, LinkError, reconnect_after
from taosdevice.names import CLOSE, COMMAND, GOODBYE, PING, REPLACED_ACTION

LAST_WORDS = 1.0
"""Seconds in which the reason of a close may still be read, after writing has failed."""


async def converse(link: Link, desk: Desk) -> None:
    """Blocks until the connection is over, and raises the LinkError that says why."""
    reader = asyncio.create_task(_read(link, desk))
    writer = asyncio.create_task(_write(link, desk))
    tasks = [reader, writer, asyncio.create_task(_watch(link, desk))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if writer in done:
            # The writer knows that it is over, the reader may know why: without that a device that was
            # replaced would come back, and replace the other.
            await asyncio.wait([reader], timeout=LAST_WORDS)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(link: Link, desk: Desk) -> None:
    while True:
        message = await link.receive()
        action = message.get("action")
        if action in (GOODBYE, CLOSE, REPLACED_ACTION):
            raise _farewell(message)
        if action == COMMAND:
            desk.result(desk.orders.take(message))
            desk.ordered.set()
            continue
        entry = desk.outbox.answered(message, desk.clock(), desk.rand())
        if entry is not None:
            desk.tell(entry)
        desk.wake.set()  # there is room on the wire, or a time to look at


def _farewell(message: dict[str, Any]) -> LinkError:
    code = str(message.get("errorCode") or message["action"])
    return LinkError(str(message.get("errorMessage", code)), code, reconnect_after(message))


async def _write(link: Link, desk: Desk) -> None:
    while True:
        desk.wake.clear()
        for entry in desk.outbox.expire(desk.clock()):
            desk.tell(entry)
        while desk.results:
            await link.send(encode_frame(desk.framing, desk.results.pop(next(iter(desk.results)))))
        while desk.outbox.on_the_wire < desk.in_flight and (entry_ := desk.outbox.take(desk.clock())):
            if desk.too_large(entry_.frame):
                desk.refuse(entry_)
            else:
                await link.send(entry_.frame)
        due = desk.outbox.next_due()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - desk.clock())):
                await desk.wake.wait()


async def _watch(link: Link, desk: Desk) -> None:
    ping = encode_frame(desk.framing, {"action": PING})
    quiet, grace = desk.limits.keepalive, desk.limits.keepalive_grace
    while True:
        silent = desk.clock() - link.last_heard
        if silent < quiet:
            await asyncio.sleep(quiet - silent)
            continue
        asked = desk.clock()
        try:
            async with asyncio.timeout(grace):
                await link.send(ping)
                while link.last_heard <= asked:
                    await asyncio.sleep(grace / 20)
        except TimeoutError:
            text = f"nothing was heard from the gateway for {quiet + grace:g} s: the connection is dead"
            raise LinkError(text) from None
