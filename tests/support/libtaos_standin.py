"""Builds the scripted libtaos, and runs Python code over it in a process of its own."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).with_name("libtaos_standin.c")
_DEFINED = re.compile(r"^[\w\s*]*?\**(taos_\w+)\(", re.MULTILINE)
_USED = re.compile(r"_libtaos\.(\w+)")


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def build(where: Path) -> Path:
    """Compiles `libtaos.so` into a directory; names that taospy only looks up are stubs."""
    found = importlib.util.find_spec("taos")
    assert found is not None
    assert found.origin is not None
    used = set(_USED.findall(Path(found.origin).with_name("cinterface.py").read_text()))
    defined = set(_DEFINED.findall(_SOURCE.read_text()))
    stubs = where / "stubs.c"
    stubs.write_text("".join(f"int {name}(void) {{ return -1; }}\n" for name in sorted(used - defined)))
    library = where / "libtaos.so"
    cc = compiler()
    assert cc is not None
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([cc, *flags, "-o", str(library), str(_SOURCE), str(stubs)], check=True)
    return library


def run(library: Path, code: str) -> dict[str, Any]:
    """Runs `code` with this libtaos; it sets `report`, which comes back. A crash shows its own words."""
    program = f"{_PRELUDE}\n{code}\nprint(json.dumps(report))\n"
    environment = os.environ | {"LD_LIBRARY_PATH": str(library.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


_PRELUDE = """
import json, threading, time
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import TaosError

report = {}

def driver(host="h", database="db", password="taosdata"):
    return connect(parse(f"taos://root:{password}@{host}:6030/{database}"))

def failure(work):
    try:
        work()
    except TaosError as error:
        return [error.code, error.kind.value, str(error)]
    return None
"""
