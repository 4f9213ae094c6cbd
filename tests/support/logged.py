"""A `taosink` process whose whole output is kept, to be searched for what must not stand there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.watched_process import PATIENCE, until


class Logged:
    """`text` is everything that it has written so far, on both streams."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err

    def __repr__(self) -> str:
        return f"<Logged {self.process.args!r} exit={self.process.poll()}>"

    @property
    def text(self) -> str:
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in (self._out, self._err))

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """The log's whole lines; with `event` those alone."""
        written = self._err.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [json.loads(line) for line in written if line.startswith("{") and line.endswith("\n")]
        return [line for line in found if event in ("", line["event"])]

    def line(self, event: str) -> dict[str, Any]:
        """The first of this event; waits for it."""
        self.until(lambda: self.lines(event), event)
        return self.lines(event)[0]

    def until(self, done: Callable[[], object], what: str = "") -> None:
        until(self.process, done, lambda: self.text[-2000:], what)

    def ended(self) -> int:
        """Waits for it to end by itself; its exit code."""
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()


@contextmanager
def logged(
    folder: Path,
    command: str,
    flags: Mapping[str, str],
    *,
    environ: Mapping[str, str] | None = None,
    level: str = "debug",
    more: Sequence[str] = (),
) -> Iterator[Logged]:
    """Stopped on leaving. `folder` takes its output."""
    name = f"{command.replace(' ', '-')}-{time.monotonic_ns()}"
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    arguments = [f"--{flag}={value}" for flag, value in flags.items()]
    arguments += [f"--log.level={level}", "--log.format=json", *more]
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            [sys.executable, "-m", "taosink_cli", *command.split(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    found = Logged(process, out, err)
    try:
        yield found
    finally:
        found.stop()
