"""Programs of the machine that some tests need: a browser, Prometheus' own checker, compose."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def needed(*names: str) -> str:
    """The path of the first of these programs that is there, beside this Python or on PATH; without any the test is
    skipped, or fails where TAOSINK_TEST_REQUIRE_TOOLS=1 promises them, as CI does."""
    own = str(Path(sys.prefix) / "bin")
    for name in names:
        if path := shutil.which(name, path=own) or shutil.which(name):
            return path
    missing = f"needs {' or '.join(names)} on PATH"
    if os.environ.get("TAOSINK_TEST_REQUIRE_TOOLS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
