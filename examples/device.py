"""A device in Python: sends a reading a second, asks for its settings, and obeys commands.

`DeviceClient` connects again by itself, and sends again what nobody has acknowledged.
"""
# ruff: noqa: T201 -- a program for a terminal

import argparse
import asyncio
import time

from taosdevice.client import DeviceClient
from taosdevice.orders import Command


async def obey(command: Command) -> dict[str, object]:
    """What is returned is the command's result; what is raised is its failure."""
    print("command:", command.data, flush=True)
    return {"done": True}


async def run(options: argparse.Namespace) -> None:
    async with DeviceClient(options.gateway, options.device, token=options.token, on_command=obey) as client:
        await client.connected()
        settings = await client.request("settings.get") if options.settings else None
        print("settings:", settings.data if settings else "not asked for", flush=True)
        for number in range(options.readings):
            outcome = await client.send(time.time_ns(), [20 + number % 5 / 10, number, True, "ok"])
            print("reading", number, outcome.status, outcome.text, flush=True)
            await asyncio.sleep(options.interval)


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description="A device that speaks to taosink ingress.")
    flags.add_argument("--gateway", default="tcp://localhost:3000", help="tls://... for TLS")
    flags.add_argument("--device", default="pump-7")
    flags.add_argument("--token")
    flags.add_argument("--readings", type=int, default=10)
    flags.add_argument("--interval", type=float, default=1.0, help="seconds between two readings")
    flags.add_argument(
        "--settings", action="store_true", help="ask an application's worker for settings first"
    )
    asyncio.run(run(flags.parse_args()))
