"""When a consumer with `until-idle` counts as finished, asked look by look."""

from dataclasses import dataclass, field

import pytest

from taosbatch.offsets import Lane
from taosink.idle import SETTLED, IdleWatch
from taosink.kafka.errors import SourceFault
from taosink.kafka.source import View

LANES = frozenset({Lane("t", 0)})


@dataclass
class ScriptedSource:
    """What a `Source` shows of itself."""

    at_end: bool = True
    fault: SourceFault | None = None
    view: View = field(default_factory=lambda: View(lanes=LANES, all_read=True))


def watch(source: ScriptedSource) -> IdleWatch:
    # Nobody is asked about the group: the address answers nothing.
    properties = {"bootstrap.servers": "127.0.0.1:1"}
    return IdleWatch(source, properties, ["t"], "g", clock=lambda: 0.0)  # type: ignore[arg-type]  # all that is used


def test_it_must_look_finished_for_a_while() -> None:
    """A view may be older than what has just come: one look proves nothing."""
    found = watch(ScriptedSource())
    assert [found.look(now) for now in (0.0, SETTLED / 2, SETTLED)] == [False, False, True]


def test_what_comes_meanwhile_begins_it_anew() -> None:
    """The time counts from the last look at which something was left."""
    source = ScriptedSource()
    found = watch(source)
    found.look(0.0)
    source.at_end = False
    assert not found.look(SETTLED)
    source.at_end = True
    assert not found.look(SETTLED * 1.5)
    assert found.look(SETTLED * 2.5)


@pytest.mark.parametrize(
    "source",
    [
        ScriptedSource(at_end=False),
        ScriptedSource(fault=SourceFault("topic_missing", 3, "topic t does not exist")),
        ScriptedSource(view=View(all_read=True)),
    ],
    ids=["records are left", "the topic is missing", "nothing is assigned, and the group cannot be asked"],
)
def test_it_is_not_finished(source: ScriptedSource) -> None:
    """However long one looks."""
    found = watch(source)
    assert not any(found.look(now) for now in (0.0, 1.0, 100.0))
