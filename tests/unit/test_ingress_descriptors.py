"""Connections are bounded by the descriptors that the process may have."""

import subprocess
import sys

import pytest

from taosink.config import IngressSettings
from taosink.ingress.descriptors import KEPT, shares
from taosink.ingress.wiring import told_limits


@pytest.mark.parametrize(
    ("tcp", "http", "limit", "expected"),
    [
        (600, 40, 640 + KEPT, (600, 40)),
        (20_000, 1_000, 1024, (609, 31)),
        (20_000, 0, 1024, (640, 0)),
        (20_000, 1_000, 8, (3, 1)),
    ],
)
def test_some_descriptors_are_kept(tcp: int, http: int, limit: int, expected: tuple[int, int]) -> None:
    """Whatever strangers open, Kafka and operators are reached; what is short is shared in proportion."""
    assert shares(tcp, http, limit) == expected


def test_the_soft_limit_is_raised() -> None:
    """Most systems start a process with 1024 and allow it many more; beyond the hard limit less is let in."""
    program = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (100, 1000))\n"
        "from taosink.ingress.descriptors import room_for\n"
        "print(room_for(500, 100), r.getrlimit(r.RLIMIT_NOFILE)[0])\n"
        "print(room_for(1500, 100)[0] < 600, r.getrlimit(r.RLIMIT_NOFILE)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "few_descriptors" not in line]
    assert lines == ["(500, 100) 984", "True 1000"]
    assert "ingress.few_descriptors" in done.stdout + done.stderr


def test_the_bounds_that_are_told_are_those_in_force() -> None:
    """The page's bar of connections is full when no more are let in, and not before."""
    told = told_limits(IngressSettings.model_construct(), (600, 40))
    assert (told["connections"], told["http_connections"]) == (600, 40)
