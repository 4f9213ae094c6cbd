"""The server under test answers as a real TDengine did when the transcripts were recorded."""

import itertools
import os
from collections.abc import Iterator

import pytest
from support import golden
from support.golden import Player, Scenario

from taosink.embedded.database.server import running

VARIABLE = "TAOSINK_TEST_TAOS"
_NUMBERS = itertools.count()


def _load(file: str) -> list[Scenario]:
    return list(golden.scenarios(golden.folder() / file))


def _say(config: pytest.Config, server: str) -> None:
    report = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    assert report is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        report.ensure_newline()
        report.write_line(f"golden transcripts of {golden.folder()} against {server}")


@pytest.fixture(scope="module")
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    """A real server where the environment names one over REST, else the embedded database; its name is printed."""
    given = os.environ.get(VARIABLE, "")
    if given.startswith(("http://", "https://")):
        _say(request.config, f"the server in {VARIABLE}")
        playing = Player(given)
        yield playing
        playing.close()
        return
    with running() as url:
        _say(request.config, f"the embedded database at {url}")
        playing = Player(url)
        yield playing
        playing.close()


def _check(player: Player, scenario: Scenario) -> None:
    found = player.play(scenario, f"golden_{os.getpid()}_{next(_NUMBERS)}")
    listed = {step for name, step in golden.unserved() if name == scenario.name}
    unlisted = [m for m in found if m.step not in listed]
    assert not unlisted, "\n".join(map(str, unlisted))
    served = listed - {m.step for m in found}
    assert not served, f"served after all, take them off unserved.toml: {scenario.name} {sorted(served)}"


@pytest.mark.parametrize("scenario", _load(golden.REST), ids=lambda s: s.name)
def test_what_the_product_does(player: Player, scenario: Scenario) -> None:
    """Every step of everyday use is answered as recorded."""
    _check(player, scenario)


@pytest.mark.parametrize("scenario", _load(golden.FORMS), ids=lambda s: s.name)
def test_how_statements_are_taken(player: Player, scenario: Scenario) -> None:
    """Every literal, escape and form of INSERT is answered as recorded, except what unserved.toml lists."""
    _check(player, scenario)


def test_the_list_of_what_is_not_served_is_short() -> None:
    """No step of everyday use is on the list, and at most one in twenty of the statement forms."""
    listed = golden.unserved()
    everyday = {s.name for s in _load(golden.REST)}
    assert not [key for key in listed if key[0] in everyday]
    assert len(listed) <= 0.05 * sum(len(s.steps) for s in _load(golden.FORMS))


def test_the_comparison_tells_answers_apart() -> None:
    """A changed status, code, column type or cell is a mismatch; the wording of an error is none."""
    rows = {"code": 0, "column_meta": [["v", "BOOL", 1]], "data": [[True]], "rows": 1}
    answer = {"status": 200, "content_encoding": None, "body": rows}
    refused = {"status": 200, "content_encoding": None, "body": {"code": 534, "desc": "one wording"}}
    assert golden.alike(answer, answer)
    assert golden.alike(refused, refused | {"body": {"code": 534, "desc": "another"}})
    assert not golden.alike(refused, refused | {"body": {"code": 535, "desc": "one wording"}})
    assert not golden.alike(answer, answer | {"status": 500})
    assert not golden.alike(answer, refused)
    assert not golden.alike(answer, answer | {"body": rows | {"data": [[1]]}})
    assert not golden.alike(answer, answer | {"body": rows | {"column_meta": [["v", "INT", 4]]}})
