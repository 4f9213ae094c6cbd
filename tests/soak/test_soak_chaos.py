"""The storm at length: TAOSINK_TEST_SOAK_SECONDS long, with the faults and readings of TAOSINK_TEST_SOAK_SEED."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chaos.run import ChaosPlan, run_chaos
from support.chaos.schedule import Cast, Pace
from support.chaos.servers import Operator, operated_kafka

pytestmark = [pytest.mark.soak, pytest.mark.kafka]

SECONDS = float(os.environ.get("TAOSINK_TEST_SOAK_SECONDS", "600"))
SEEDS = [int(seed) for seed in os.environ.get("TAOSINK_TEST_SOAK_SEED", "1").split(",")]
PROTOCOLS = os.environ.get("TAOSINK_TEST_SOAK_PROTOCOL", "classic,consumer").split(",")
REPORTS = os.environ.get("TAOSINK_TEST_SOAK_REPORT", "")
"""A directory for the reports; the test's own where it is not given."""
LONG = Cast(
    members=4, spares=2, pace=Pace(consumer=1.5, database=5, broker=30, frozen=(0.5, 9), trouble=(0.3, 5))
)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operated_kafka(tmp_path_factory.mktemp("soak") / "kafka") as found:
        yield found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_storm_loses_nothing(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str, seed: int
) -> None:
    """Half the time for each protocol: lost 0, different 0, no defect, no process that ends as none should."""
    plan = ChaosPlan(seed=seed, seconds=SECONDS / len(PROTOCOLS), protocol=protocol, cast=LONG)
    report = run_chaos(plan, operator, tmp_path / "logs")
    where = Path(REPORTS) if REPORTS else tmp_path
    where.mkdir(parents=True, exist_ok=True)
    told = json.dumps(report.as_json(), indent=2)
    (where / f"chaos-{protocol}-{seed}.json").write_text(told + "\n")
    with capsys.disabled():
        sys.stdout.write(f"\n{report.line}\n")
    assert report.clean, told
