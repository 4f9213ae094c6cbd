"""The script that runs docker-compose.yml with images made here: what of it can be tried without an engine."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.machine_tools import needed

HERE = Path(__file__).parents[2] / "deployments" / "compose"
SCRIPT = HERE / "proof.sh"


def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compose_report", HERE / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def audit(**found: object) -> str:
    fine: dict[str, object] = {
        "lost": 0,
        "agrees": True,
        "records": 12,
        "stored": 9,
        "dead_lettered": 1,
        "repeated": 2,
    }
    return json.dumps(fine | {"partitions": [{"partition": 0}], "named": []} | found)


def test_shellcheck_has_no_objection() -> None:
    """With the files that it sources, and with what runs in the images."""
    mine = Path(sys.prefix) / "bin" / "shellcheck"
    program = str(mine) if mine.exists() else needed("shellcheck")
    kafka = HERE / "standin" / "kafka"
    files = [
        SCRIPT,
        HERE / "engine.sh",
        HERE / "standin" / "images.sh",
        kafka / "run",
        kafka / "kafka-topics.sh",
    ]
    done = subprocess.run(
        [program, "-x", *map(str, files)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_it_says_what_it_does_and_what_it_does_not_prove() -> None:
    """Nobody is to take the embedded database for TDengine."""
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0
    assert "NOT TDengine" in done.stdout
    assert "proves nothing of the\nofficial images" in done.stdout


def test_a_misspelt_option_starts_nothing() -> None:
    """Exit code 2, and one line."""
    done = subprocess.run([SCRIPT, "--record", "5"], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "--record is no option" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("arguments", [["--records"], ["--records", "many"], ["--records", "0"]])
def test_a_wrong_number_starts_nothing(arguments: list[str]) -> None:
    """It is told before an engine is started."""
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "--records" in done.stderr


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """Before anything is started."""
    for name in ("bash", "dirname", "cat"):
        (tmp_path / name).symlink_to(needed(name))
    done = subprocess.run(
        [SCRIPT],
        env={"PATH": str(tmp_path), "HOME": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr == "proof.sh: dockerd is not on PATH; see --help\n"


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({}, ""),
        ({"lost": 1}, "lost 1, agrees: True"),
        ({"agrees": False}, "lost 0, agrees: False"),
        ({"stored": 8}, "9 records are stored or dead-lettered, and 10 were produced"),
    ],
)
def test_what_an_audit_proves(found: dict[str, object], fault: str) -> None:
    """Nothing lost, all agree, and as many as were produced; those that were sent again do not count."""
    assert report().fault(audit(**found), 10) == fault


def test_the_report_keeps_numbers_numbers() -> None:
    """And the audit as what it is."""
    line = json.dumps(dict(report().audit(audit())))
    found = report().report(f"stop_seconds\t7\nhost_as_before\ttrue\nimage a:1\t9 MB\naudit\t{line}\n")
    assert found == {
        "stop_seconds": 7,
        "host_as_before": True,
        "image a:1": "9 MB",
        "audit": {k: v for k, v in json.loads(audit()).items() if k not in ("partitions", "named")},
    }


def test_what_stands_in_kafka() -> None:
    """Nothing where nobody answered: that is no zero."""
    shown = json.dumps({"lag": 4, "partitions": [{"committed": 3}, {"committed": None}, {"committed": 5}]})
    assert report().offsets(shown, "lag") == 4
    assert report().offsets(shown, "committed") == 8
    assert report().offsets("", "lag") is None
