"""The audit's memory does not grow with the topic."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.audit_rig import Rig
from support.kafka_broker import KafkaUnderTest
from support.taos_server_under_test import TaosUnderTest, found, fresh_database

from taosink.records.record import Record, encode_msgpack
from taosink.simulator.fleet import Fleet, FleetSettings

pytestmark = [pytest.mark.kafka, pytest.mark.soak]

GROWTH_MB = 100
RECORDS, DEVICES, LOST = 1_000_000, 1_000, 123_456

MEASURED = """
import json, sys
import taosink.audit.app
from taosink_cli import audit
from taosink_cli.main import Call

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(name))

before = memory("VmRSS")
code = audit.main(sys.argv[1:], Call("audit", "", own_process=False))
print(json.dumps({"code": code, "growth": memory("VmHWM") - before}))
"""


@pytest.fixture(scope="module")
def taos() -> Iterator[TaosUnderTest]:
    with found() as server:
        yield server


def test_a_million_records_in_bounded_memory(real_kafka: KafkaUnderTest, taos: TaosUnderTest) -> None:
    """One lost record of a million is named, in less than 100 MB more than the process began with."""
    fleet = Fleet(FleetSettings(tables=DEVICES, records_per_table=RECORDS // DEVICES, shape="demo"))
    with fresh_database(taos) as database:
        rig = Rig(real_kafka, taos, database)
        batch: list[bytes] = []
        for n, (device, row, _) in enumerate(fleet.readings()):
            record = Record(fleet.device_name(device), fleet.timestamp_ns(row), fleet.values(device, row))
            batch.append(encode_msgpack(record))
            if len(batch) == 10_000:
                rig.send(batch)
                rig.write([value for at, value in enumerate(batch, n - 9_999) if at != LOST])
                batch.clear()
        rig.commit({0: RECORDS})
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *rig.flags, "--json"], capture_output=True, text=True, check=True
        )
    report, measured = map(json.loads, done.stdout.splitlines())
    print(f"audit of {RECORDS:,} records: {measured['growth']} MB, {report['seconds']} s")  # noqa: T201 - for the soak's log
    assert (measured["code"], report["lost"], report["stored"]) == (6, 1, RECORDS - 1)
    assert report["named"][0]["offset"] == LOST
    assert measured["growth"] < GROWTH_MB
