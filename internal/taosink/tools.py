"""What the operator's tools share: exit codes, one line for a failure, and progress on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from taosink.taos.errors import TaosError

FINE, FAILED, FAULT = 0, 1, 6
"""Done; not done (configuration, or something is unreachable); done, and the check found a fault."""

PIPE_WIDTH = 240
REDRAW = 0.1

Step = Callable[[str, int, int], None]
"""Told what is done of what: (phase, done, total). Cheap enough for every chunk."""


def fail(command: str, error: object) -> int:
    """Says on standard error why nothing was done, in one line; returns the exit code for it."""
    text = " ".join(_told(error).split())
    sys.stderr.write(f"taosink {command}: {text}\n")
    return FAILED


def _told(error: object) -> str:
    if not isinstance(error, TaosError):
        return str(error)
    # Its own text says what an error means for rows that are being written: here none are.
    return f"TDengine at {error.server or '(no address)'}: {error.message} (0x{error.code:04X})"


def terminal() -> Console:
    """Standard output for people; wide where it goes into a pipe or a file, so that no cell is cut."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


@contextmanager
def progress(*, shown: bool | None = None, clock: Callable[[], float] = time.monotonic) -> Iterator[Step]:
    """A bar for each phase on standard error, and nothing at all where that is no terminal."""
    console = Console(stderr=True, force_terminal=shown)
    if not console.is_terminal:
        yield lambda _phase, _done, _total: None
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    drawn = 0.0
    with Progress(*columns, console=console, transient=True) as bars:

        def step(phase: str, done: int, total: int) -> None:
            nonlocal drawn
            now = clock()
            # Each update takes a lock and some 10 µs: once a row would cost more than the row.
            if phase in tasks and done < total and now - drawn < REDRAW:
                return
            drawn = now
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=total)
            bars.update(tasks[phase], completed=done, total=total)

        yield step
