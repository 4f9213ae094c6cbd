"""Readings as JSON records, and a driver that counts: for tests of the writer against a server."""

import json
from collections.abc import Sequence
from typing import Any

from taosink.ports import Driver, Result

T0 = 1_700_000_000_000


def reading(device: str, at: int, *cols: Any) -> bytes:
    """A record of `device`, `at` milliseconds after the tests' own epoch."""
    seconds, millis = divmod(T0 + at, 1000)
    days, second = divmod(seconds - 1_699_920_000, 86_400)
    assert days == 0
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{millis:03d}"
    return json.dumps({"DeviceID": device, "Timestamp": f"2023-11-14T{clock}Z", "Cols": cols}).encode()


class CountingDriver:
    """Passes everything on; `inserts` and `others` hold what was sent."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.inserts: list[bytes] = []
        self.others: list[str] = []

    def execute(self, sql: bytes | str) -> int:
        if isinstance(sql, bytes):
            self.inserts.append(sql)
        else:
            self.others.append(sql)
        return self._driver.execute(sql)

    def query(self, sql: str) -> Result:
        self.others.append(sql)
        return self._driver.query(sql)

    def close(self) -> None:
        self._driver.close()


def rows_of(driver: Driver, sql: str) -> list[list[Any]]:
    return [list(row) for row in driver.query(sql).rows]


def everything(driver: Driver, database: str, columns: Sequence[str]) -> dict[tuple[str, int], list[Any]]:
    """(device, number of the reading) to values: the readings' first column holds their number."""
    names = ", ".join(columns)
    rows = rows_of(driver, f"SELECT device, {names} FROM `{database}`.`stb`")
    return {(device, int(number)): rest for device, number, *rest in rows}
