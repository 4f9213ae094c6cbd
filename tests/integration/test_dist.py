"""What is released, as a user gets it: built, checked, and installed away from the tree."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import taosink

ROOT = Path(__file__).parents[2]
PACKAGES = {"taosbatch", "taosdevice", "taosink", "taosink_cli"}
RELEASE = f"taosink-{taosink.__version__}"


@dataclass(frozen=True)
class Release:
    folder: Path
    environment: Path

    def run(self, *arguments: str) -> str:
        """What the installed command prints; it is called from a folder of its own, with no setting around it."""
        shown = subprocess.run(
            [str(self.environment / "bin" / "taosink"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if not k.startswith(("TAOSINK_", "PYTHONPATH"))},
        )
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert shown.stderr == ""
        return shown.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Made by what `make dist` calls."""
    made = Release(tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("user") / "environment")
    subprocess.run(
        [str(ROOT / ".ci" / "dist"), sys.prefix, str(made.folder), str(made.environment)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return made


def test_wheel_holds_exactly_the_packages(release: Release) -> None:
    """Nothing but the packages and the metadata is installed at top level."""
    with zipfile.ZipFile(release.folder / f"{RELEASE}-py3-none-any.whl") as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_sdist_holds_what_its_tests_need(release: Release) -> None:
    """Who builds from the sdist can run the suite and the containers as well."""
    with tarfile.open(release.folder / f"{RELEASE}.tar.gz") as archive:
        names = set(archive.getnames())
    for wanted in (
        "Makefile",
        ".ci/venv",
        "requirements.txt",
        "requirements-dev.txt",
        "tests/conftest.py",
        "docs/DESIGN.md",
        "docker-compose.yml",
        ".env.example",
        "deployments/docker/Dockerfile",
    ):
        assert f"{RELEASE}/{wanted}" in names


def test_the_bill_of_materials_names_what_is_installed(release: Release) -> None:
    """taosink with its version and the locked packages, nothing of the tools and no path of the machine."""
    text = (release.folder / f"{RELEASE}.cdx.json").read_text()
    bill: dict[str, Any] = json.loads(text)
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements.txt").read_text(), re.M))
    found = {_normal(part["name"]): part["version"] for part in bill["components"]}
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
        "taosink",
        taosink.__version__,
    )
    assert {"confluent-kafka", "pydantic", "structlog"} <= found.keys() <= locked.keys()
    assert all(found[name] == locked[name] for name in found)
    assert str(ROOT) not in text
    assert str(release.environment) not in text


def test_installed_wheel_runs(release: Release) -> None:
    """In an environment that has the wheel and its locked dependencies, far from the tree."""
    assert release.run("--version") == f"taosink {taosink.__version__}\n"
    assert "consumer" in release.run("--help")


def test_the_main_job_runs_from_the_wheel(release: Release) -> None:
    """Broker, database, producer, consumers, gateway and audit: no module or file was left out of it."""
    report = release.folder / "report.json"
    release.run("demo", "--records", "4000", "--devices", "2", "--report", str(report))
    assert json.loads(report.read_text())["lost"] == 0


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
