"""Logs: structlog to standard error, one JSON object a line or text for people, without secrets."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from taosink.observe.happenings import Happenings
from taosink.observe.places import spell
from taosink.observe.restraint import Restraint

Event = MutableMapping[str, Any]
Hide = Callable[[str], str]

_SECRET_KEYS = frozenset({"password", "secret", "token", "authorization", "sasl.password"})
_HIDDEN = "***"
_DEPTH = 6


class SteadyStream:
    """A text stream whose failures are swallowed: a full disk under the log must not end a worker thread.

    None, as Python gives for a standard error that was closed at start, takes everything in silence.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()

    def __repr__(self) -> str:
        return f"SteadyStream({self._stream!r})"

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()


class Bridge(logging.Handler):
    """Hands what libraries log by the standard library to structlog, in the same form and without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(record.levelno, "library.log", logger=record.name, text=record.getMessage())


def configure(
    level: str = "info",
    form: Literal["auto", "json", "console"] = "auto",
    *,
    stream: TextIO | None = None,
    hide: Hide = str,
) -> None:
    """Sets up all logging of the process; may be called again. `hide` frees a text of secrets.

    That is a second line of defence. `auto` is text on a terminal, else JSON.
    """
    steady = SteadyStream(sys.stderr if stream is None else stream)
    text = form == "console" or (form == "auto" and steady.is_terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=_processors(text, steady.is_terminal, hide),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(steady),  # type: ignore[arg-type]  # write and flush are all it calls
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[Bridge()], force=True)
    logging.raiseExceptions = False
    global _debugging  # noqa: PLW0603 -- logging is the process's own, as structlog's configuration is
    _debugging = number <= logging.DEBUG


_debugging = False


def debugging() -> bool:
    """Whether debug lines are written. Where a line is due a thousand times a second, asking costs less than a call
    of the logger that writes nothing."""
    return _debugging


def _processors(text: bool, colours: bool, hide: Hide) -> list[Processor]:
    common: list[Processor] = [
        Restraint(),
        structlog.contextvars.merge_contextvars,
        spell,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redaction(hide),
        remember,
    ]
    if text:
        # Its default prints the local variables of a trace where rich is installed, and secrets with them.
        plain = structlog.dev.plain_traceback
        return [*common, printable, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
    return [*common, structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]


RECENT = Happenings()
"""The last warnings and errors of the process, without secrets: what a status page shows."""

_TOLD = {"warning", "error", "critical"}


_QUOTED = frozenset(" \t=\r\n\"'")
"""A text with one of these is quoted by structlog's renderer for people, which spells out the rest with it."""


def printable(_logger: Any, _method: str, event: Event) -> Event:
    """Spells out what is no printable character: a stranger's name must not colour, move or clear the terminal.
    JSON does so by itself."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and not _QUOTED.intersection(value):
            event[key] = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)
    return event


_APART = {"event", "level", "timestamp"}


def _says(key: str, value: object) -> bool:
    """Fields that hold nothing are for programs; a person would read them before what matters."""
    return value not in (None, "") and not (key == "unsaid" and value == 0)


def remember(_logger: Any, method: str, event: Event) -> Event:
    """Keeps warnings and errors in `RECENT`; to stand behind the redaction."""
    if method in _TOLD:
        fields = " ".join(f"{k}={v}" for k, v in event.items() if k not in _APART and _says(k, v))
        RECENT.add(method, f"{event.get('event')} {fields}".rstrip())
    return event


class Redaction:
    """Takes secrets out of an event: known ones wherever they stand, and whatever a telling key names."""

    def __init__(self, hide: Hide) -> None:
        self._hide = hide

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        for key, value in event.items():
            event[key] = _HIDDEN if key.lower() in _SECRET_KEYS else self._clean(value, _DEPTH)
        return event

    def _clean(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict) and depth:
            return {
                self._hide(str(k)): _HIDDEN if str(k).lower() in _SECRET_KEYS else self._clean(v, depth - 1)
                for k, v in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self._clean(v, depth - 1) for v in value]
        # Whatever else it is would become text in the renderer, behind this defence.
        return self._hide(str(value))
