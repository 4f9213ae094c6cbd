"""docs/LOGS.md and the source tell of the same events."""

import re
from pathlib import Path

import pytest
from support.log_events import ANY, UnfindableError, calls, events, levels_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "LOGS.md"
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


def catalogue() -> dict[str, tuple[str, str, set[str]]]:
    """Event: level, meaning, fields."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and line.count("|") == 6
    ]
    found = {}
    for name, level, meaning, _do, fields in rows:
        event = name.strip("`")
        assert event not in found, f"{event} stands there twice"
        found[event] = (level, meaning, set(filter(None, re.split(r",\s*", fields))))
    return found


def test_every_event_of_the_source_is_in_the_catalogue() -> None:
    """Where this fails, put its row into docs/LOGS.md and say what it means."""
    missing = [event.row() for name, event in events().items() if name not in catalogue()]
    assert not missing, "\n".join(missing)


def test_every_event_of_the_catalogue_is_in_the_source() -> None:
    """An event that is gone is not to be waited for."""
    assert not set(catalogue()) - set(events())


def test_levels_are_those_of_the_source() -> None:
    """Alerts go by them."""
    written = catalogue()
    wrong = {
        name: levels_text(event.levels)
        for name, event in events().items()
        if name in written and written[name][0] != levels_text(event.levels)
    }
    assert not wrong


def test_fields_are_those_of_the_source() -> None:
    """All that can be read off the source, and no others where all can be."""
    written = catalogue()
    for name, event in events().items():
        fields = written.get(name, ("", "", set()))[2]
        assert event.fields <= fields, (name, event.fields - fields, event.places)
        assert event.open or fields <= event.fields, (name, fields - event.fields, event.places)


def test_every_event_has_a_stable_name_and_a_meaning() -> None:
    """Dotted and in snake case."""
    for name, (_level, meaning, _fields) in catalogue().items():
        assert _NAME.fullmatch(name), name
        assert len(meaning) > 5, name


@pytest.mark.parametrize(
    "source",
    [
        'log.info(f"kafka.{what}")',
        "log.info(name)",
        "log.info(*arguments)",
        'Notice("settings." + name, {})',
    ],
)
def test_a_name_that_cannot_be_found_is_a_fault(source: str) -> None:
    """Else the catalogue would be complete by not looking."""
    with pytest.raises(UnfindableError):
        list(calls(source, "x.py"))


def test_names_and_levels_are_found_in_every_form_that_is_used() -> None:
    """Chosen ones, those of a table, and those that a name stands for."""
    source = """
EVENTS = {"a": "table.a", "b": "table.b"}
def f(kind, bad):
    log.warning(EVENTS[kind], x=1)
    say = log.error if bad else log.warning
    say("chosen.level", y=1, **more)
    event = "name.one" if bad else "name.two"
    log.exception(event)
    tell = log.info if good else log.error
    tell("went.well" if good else "went.wrong")
    log.log(number, "any.level")
    structlog.get_logger().critical("got.directly")
    math.log(2)
"""
    found = {name: (levels, fields, is_open) for name, levels, fields, is_open, _ in calls(source, "x.py")}
    assert found == {
        "table.a": ({"warning"}, {"x"}, False),
        "table.b": ({"warning"}, {"x"}, False),
        "chosen.level": ({"error", "warning"}, {"y"}, True),
        "name.one": ({"error"}, set(), False),
        "name.two": ({"error"}, set(), False),
        "went.well": ({"info"}, set(), False),
        "went.wrong": ({"error"}, set(), False),
        "any.level": ({ANY}, set(), False),
        "got.directly": ({"critical"}, set(), False),
    }
