"""The log's forms, levels and redaction; keeping repeated events quiet."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from taosink.observe import logs
from taosink.observe.repeats import Repeats
from taosink.settings.redact import Redactor


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process's own: each test puts back what it found."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    config = structlog.get_config()
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_is_one_object_a_line_with_utc_time() -> None:
    """Also where a value holds line breaks or what JSON has no form for."""
    stream = io.StringIO()
    logs.configure("info", "auto", stream=stream)
    structlog.get_logger().info("queue.full", text="two\nlines", odd={1, 2}, raw=b"x", name="Žižkov")
    (event,) = written(stream)
    assert (event["event"], event["level"], event["text"]) == ("queue.full", "info", "two\nlines")
    assert event["timestamp"].endswith("Z")
    assert event["name"] == "Žižkov"


def test_a_terminal_gets_text() -> None:
    """And json where it is asked for."""
    terminal = Terminal()
    logs.configure("info", "auto", stream=terminal)
    structlog.get_logger().info("queue.full")
    assert "queue.full" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    terminal = Terminal()
    logs.configure("info", "json", stream=terminal)
    structlog.get_logger().info("queue.full")
    assert written(terminal)


def test_events_below_the_level_are_not_written() -> None:
    """The level is the least severe one."""
    stream = io.StringIO()
    logs.configure("warning", "json", stream=stream)
    structlog.get_logger().info("a.b")
    structlog.get_logger().warning("c.d")
    assert [e["event"] for e in written(stream)] == ["c.d"]


def test_secrets_are_taken_out_wherever_they_stand() -> None:
    """In texts, nested values, keys, foreign objects, traces, and under telling names."""
    stream = io.StringIO()
    logs.configure("info", "json", stream=stream, hide=Redactor(["hunter22"]))
    try:
        raise ValueError("cannot log in with hunter22")
    except ValueError as error:
        structlog.get_logger().exception(
            "login.hunter22",
            deep={"a": [{"hunter22": ("hunter22",)}]},
            error=error,
            password="short",
            nested={"Token": "short"},
        )
    text = stream.getvalue()
    assert "hunter22" not in text
    assert "short" not in text
    assert "cannot log in with ***" in text


def test_a_trace_shows_no_local_variables() -> None:
    """On a terminal too, where a prettier form would print them, and what they hold."""
    stream = Terminal()
    logs.configure("info", "console", stream=stream)
    try:
        secret = "hunter" + "22"
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger().exception("it.failed")
    assert "ValueError: 8" in stream.getvalue()
    assert "hunter22" not in stream.getvalue()


def test_libraries_log_through_the_same_form() -> None:
    """Warnings of a library become events, without secrets; its chatter does not."""
    stream = io.StringIO()
    logs.configure("info", "json", stream=stream, hide=Redactor(["hunter22"]))
    logging.getLogger("urllib3").info("chatter")
    logging.getLogger("urllib3").warning("retrying with %s", "hunter22")
    (event,) = written(stream)
    assert (event["event"], event["logger"], event["text"]) == ("library.log", "urllib3", "retrying with ***")


def test_a_broken_stream_does_not_reach_who_logs() -> None:
    """A full disk or a closed pipe under the log must not end a worker."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    logs.configure("info", "json", stream=Broken())
    structlog.get_logger().info("still.alive")


def test_the_first_is_due_and_then_one_an_interval() -> None:
    """With how many were kept quiet; each key for itself."""
    repeats = Repeats(10)
    assert repeats.due("a", 0) == 0
    assert [repeats.due("a", t) for t in (1, 5, 9.9)] == [None] * 3
    assert repeats.due("b", 5) == 0
    assert repeats.due("a", 10) == 3
    assert repeats.due("a", 20) == 0


def test_keys_are_bounded() -> None:
    """Keys that come from data must not fill the memory."""
    repeats = Repeats(10)
    for n in range(5000):
        repeats.due(f"key-{n}", 0)
    assert "keys=1000" in repr(repeats)


def test_a_stranger_does_not_write_to_the_terminal() -> None:
    """Neither a line of its own, nor what colours, moves or clears; a trace keeps its lines."""
    terminal = Terminal()
    logs.configure("info", "console", stream=terminal)
    structlog.get_logger().info("a.b", device="x\x1b[2J\u202e", uid="\nforged", name="Žižkov")
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger().exception("c.d")
    first, *rest = terminal.getvalue().splitlines()
    assert "x\\x1b[2J\\u202e" in first
    assert "'\\nforged'" in first
    assert "Žižkov" in first
    assert len(rest) > 3
