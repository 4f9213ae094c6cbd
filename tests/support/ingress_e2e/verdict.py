"""What is held against what devices were told: the database's rows, and the gateways' words on commands."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from support.ingress_e2e.commands import Sender, final, told
from support.ingress_e2e.fleet import Device
from support.ingress_e2e.ledger import Ledger, Reading
from support.ingress_e2e.stage import DATABASE, Stage

from taosink.audit.stored_rows import NO_TABLE, stored_rows
from taosink.ports import Driver
from taosink.taos.address import parse
from taosink.taos.ddl import quoted
from taosink.taos.drivers import connect
from taosink.taos.errors import TaosError

LOOK = 0.25


class Database:
    """One connection, for one thread at a time."""

    def __init__(self, taosuri: str) -> None:
        self._driver: Driver = connect(parse(taosuri))

    def close(self) -> None:
        self._driver.close()

    def rows(self, device: str) -> dict[int, tuple[Any, ...]]:
        """Columns by time of everything stored of a device; empty where there is no such table."""
        table = f"{quoted(DATABASE)}.{quoted(device)}"
        try:
            return {at: tuple(cells) for at, cells in stored_rows(self._driver, table, 3, "ms")}
        except TaosError as error:
            if error.code in NO_TABLE:
                return {}
            raise

    def holds(self, reading: Reading) -> bool:
        """Whether it is there at this moment, as it was sent."""
        table = f"{quoted(DATABASE)}.{quoted(reading.device)}"
        sql = f"SELECT {', '.join(quoted(f'col{i}') for i in range(3))} FROM {table} WHERE ts = {reading.ms}"
        return [tuple(row) for row in self._rows(sql)] == [reading.cols]

    def _rows(self, sql: str) -> Sequence[Sequence[object]]:
        try:
            return self._driver.query(sql).rows
        except TaosError as error:
            if error.code in NO_TABLE:
                return []
            raise


def lost_readings(taosuri: str, ledger: Ledger) -> tuple[int, list[str]]:
    """How many rows there are, and the acknowledged readings that are not among them."""
    by_device: dict[str, list[Reading]] = {}
    for reading in ledger.readings:
        by_device.setdefault(reading.device, []).append(reading)
    stored, lost = 0, []
    with closing(Database(taosuri)) as database:
        for device, readings in by_device.items():
            rows = database.rows(device)
            stored += len(rows)
            lost += [
                f"{reading} is stored as {rows.get(reading.ms)}"
                for reading in readings
                if reading.acknowledged and rows.get(reading.ms) != reading.cols
            ]
    return stored, lost


def drained(stage: Stage, partitions: int, patience: float) -> int:
    """Waits until the consumers have committed all there is; returns what is left after that time."""
    settings = {"bootstrap.servers": stage.bootstrap, "group.id": stage.topic, "log_level": 0}
    left, end = -1, time.monotonic() + patience
    with closing(Consumer(settings)) as consumer:
        while left and time.monotonic() < end:
            try:
                answer = consumer.committed(
                    [TopicPartition(stage.topic, p) for p in range(partitions)], timeout=5
                )
                ends = [consumer.get_watermark_offsets(tp, timeout=5, cached=False)[1] for tp in answer]
            except KafkaException:
                continue
            left = sum(last - max(0, tp.offset) for last, tp in zip(ends, answer, strict=True))
            time.sleep(LOOK)
    return left


Views = Mapping[str, Mapping[str, Any]]


async def settled_commands(
    sender: Sender, stage: Stage, ledger: Ledger, devices: Sequence[str], patience: float
) -> tuple[dict[str, int], list[str]]:
    """Waits until every gateway tells the same final states of every device's commands; returns the states' counts
    and, of the devices where it does not come to that, what each gateway says."""
    by_device: dict[str, set[str]] = {device: set() for device in devices}
    for order in ledger.orders.values():
        by_device[order.device].add(order.id)
    end, states = time.monotonic() + patience, Counter[str]()
    said: dict[str, tuple[Views, ...]] = {}
    while by_device and time.monotonic() < end:
        open_ = list(by_device)
        told_by = [await sender.views(admin, open_) for admin in sorted(stage.admins().values())]
        said = dict(zip(open_, zip(*told_by, strict=True), strict=True))
        for device, views in said.items():
            if _alike(views, by_device[device]):
                del by_device[device]
                states.update(str(view["state"]) for view in views[0].values())
                for name, view in views[0].items():
                    _judge(ledger, name, view)
        await asyncio.sleep(LOOK)
    return dict(states), [f"{device}: {said.get(device)}" for device in by_device]


def _alike(views: Sequence[Views], wanted: set[str]) -> bool:
    first = {name: told(view) for name, view in views[0].items()}
    same = all({name: told(view) for name, view in others.items()} == first for others in views[1:])
    return same and wanted <= first.keys() and all(map(final, views[0].values()))


def _judge(ledger: Ledger, name: str, view: Mapping[str, Any]) -> None:
    order = ledger.orders.get(name)
    if order is None:  # the application's own: which of them expire depends on when a device was away
        return
    result = {"status": "ok", "data": {"done": order.seq}}
    expected = "expired" if order.ghost else "answered" if order.answer else "delivered"
    fine = view["state"] == expected and (expected != "answered" or view["result"] == result)
    if not fine or order.handled > 1 or (expected == "answered" and order.handled != 1):
        ledger.wrong.append(f"{order} ended as {view}")


def out_of_order(ledger: Ledger) -> list[str]:
    """Devices that did their commands in another order than they were put in."""
    return [f"{device} did {done}" for device, done in ledger.done.items() if done != sorted(done)]


async def presence(sender: Sender, stage: Stage, devices: Sequence[Device], patience: float) -> list[str]:
    """Waits until every gateway names the right holder of every device; returns what stays wrong."""
    end, wrong = time.monotonic() + patience, ["nobody was asked"]
    while wrong and time.monotonic() < end:
        wrong = []
        for admin in sorted(stage.admins().values()):
            listed = await _listed(sender, admin)
            for device in devices:
                assert device.client is not None
                server = device.client.server
                mine = (server.get("serverId"), server.get("clientId"))
                if listed.pop(device.name, None) != mine:
                    wrong.append(f"{admin} does not say that {device.name} is at {mine}")
            wrong += [f"{admin} has {name} at {where}" for name, where in listed.items()]
        await asyncio.sleep(LOOK)
    return wrong


async def _listed(sender: Sender, admin: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    after = ""
    while True:
        status, said = await sender.ask("GET", f"{admin}/devices?limit=1000&after={after}")
        if status != 200:
            return {}
        found |= {d["deviceUid"]: (d["serverId"], d["clientId"]) for d in said["devices"]}
        after = said.get("after", "")
        if not after:
            return found
