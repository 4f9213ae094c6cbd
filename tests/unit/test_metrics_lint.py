"""Prometheus' own opinion of what both programs expose."""

import subprocess
from collections.abc import Callable

import pytest
from support.machine_tools import needed
from support.metrics_exposed import exposed_consumer, exposed_gateway


@pytest.mark.parametrize("exposed", [exposed_consumer, exposed_gateway], ids=["consumer", "gateway"])
def test_promtool_finds_nothing(exposed: Callable[[], str]) -> None:
    """Names, units and helps as Prometheus asks for them."""
    said = check(exposed())
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_promtool_would_find_something() -> None:
    """A metric without help, and a counter that does not end in `_total`."""
    said = check("# HELP taosink_x Things.\n# TYPE taosink_x counter\ntaosink_x 1\n")
    assert said.returncode != 0
    assert "_total" in said.stdout + said.stderr


def check(text: str) -> subprocess.CompletedProcess[str]:
    command = [needed("promtool"), "check", "metrics"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
