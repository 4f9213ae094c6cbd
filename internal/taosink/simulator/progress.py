"""What a person or a log sees of a run."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = structlog.get_logger(__name__)


class Shown(Protocol):
    """Told once a second how many records have been produced in all."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, produced: int, delivered: int) -> None: ...


class LogLines:
    """One log line a second, when anything moved."""

    def __init__(self) -> None:
        self._last = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, produced: int, delivered: int) -> None:
        if (produced, delivered) == self._last:
            return
        last_second = produced - self._last[0]
        self._last = (produced, delivered)
        log.info("producer.progress", produced=produced, last_second=last_second, delivered=delivered)


class Bar:
    """A progress bar on standard error, redrawn by its owner's updates."""

    def __init__(self, topic: str, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(f"records into {topic}", total=total, speed=0)
        self._last = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, produced: int, delivered: int) -> None:
        self._progress.update(self._task, completed=delivered, speed=produced - self._last)
        self._last = produced


def shown(topic: str, total: int, *, is_terminal: Callable[[], bool] | None = None) -> Shown:
    """A bar where standard error is a terminal, else log lines."""
    terminal = (is_terminal or sys.stderr.isatty)()
    return Bar(topic, total) if terminal else LogLines()
