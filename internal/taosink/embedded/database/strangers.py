"""Keeps clients that speak no HTTP, and try again for ever, from filling the log."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from taosink.observe.repeats import Repeats

log = structlog.get_logger()

QUIET_S = 600.0
_UVICORN = "uvicorn.error"
_NOT_HTTP = "Invalid HTTP request received."


class Strangers(logging.Filter):
    """Lets uvicorn's warnings through once per `QUIET_S` and text; errors always. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._repeats = Repeats(QUIET_S)

    def __repr__(self) -> str:
        return f"Strangers({self._repeats!r})"

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        text = record.getMessage()
        quiet = self._repeats.due(text, self._clock())
        if quiet is None or text != _NOT_HTTP:
            return quiet is not None
        log.warning(
            "embedded.database.not_http",
            meaning="what calls this port speaks no HTTP: a Kafka client or a native TDengine one, or https",
            do="check its address; this server is http:// alone",
            unsaid=quiet,
        )
        return False


@contextmanager
def few_warnings() -> Iterator[None]:
    """For as long as a server runs in this process."""
    strangers, logger = Strangers(), logging.getLogger(_UVICORN)
    logger.addFilter(strangers)
    try:
        yield
    finally:
        logger.removeFilter(strangers)
