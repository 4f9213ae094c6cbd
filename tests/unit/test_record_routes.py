"""A user's own mapping: how it is found, and what becomes of what it makes."""

import json
from pathlib import Path

import pytest

from taosbatch.encoding import Encoder, Layout, Reason, Stable
from taosbatch.rows import Row, RowError
from taosink.records.routes import RecordRoute, RouteEncoder, RouteError, load_route

LAYOUT = Layout("db", "stb")


def plant(value: bytes) -> Row:
    """Reads `{"machine", "at", "temperature", "hall"}`."""
    found = json.loads(value)
    if "machine" not in found:
        raise RowError(Reason.SHAPE, "machine is missing")
    return Row(
        table=found["machine"],
        timestamp_ns=found["at"],
        supertable="machines",
        columns=["temperature", "state"],
        values=[found["temperature"], found.get("state")],
        tags=[("hall", found["hall"])],
    )


def message(**change: object) -> bytes:
    return json.dumps({"machine": "m1", "at": 5_000_000, "temperature": 1.5, "hall": "A", **change}).encode()


def test_a_users_mapping_is_written() -> None:
    """Supertable, tags and columns are the route's."""
    encoder: Encoder = RouteEncoder(plant)
    encoded = encoder.encode([message(), message(machine="m2", state="on")], LAYOUT, {"m2"})
    assert [s.sql for s in encoded.statements] == [
        b"INSERT INTO `db`.`m1` USING `db`.`machines` (`hall`) TAGS ('A') "
        b"(`ts`,`temperature`,`state`) VALUES (5,1.5,null) `db`.`m2` "
        b"(`ts`,`temperature`,`state`) VALUES (5,1.5,'on')"
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{}", Reason.SHAPE),
        (b"not JSON", Reason.MALFORMED),
        (message(machine=7), Reason.MALFORMED),
        (message(machine="a.b"), Reason.DEVICE),
        (message(at="now"), Reason.TIMESTAMP),
        (message(temperature=[1]), Reason.VALUE),
        (message(temperature="x" * 300), Reason.TOO_LARGE),
    ],
)
def test_what_a_route_cannot_use_costs_one_record(value: bytes, reason: Reason) -> None:
    """Whatever it raises or makes, the neighbour is written."""
    layout = Layout("db", "stb", max_statement_bytes=300)
    encoded = RouteEncoder(plant).encode([value, message()], layout, ())
    assert [(r.index, r.reason) for r in encoded.rejects] == [(0, reason)]
    assert [s.rows.tolist() for s in encoded.statements] == [[1]]


def test_infer_gives_each_supertable() -> None:
    """From the rows that can be written."""
    values = [message(state=None), message(machine="a.b", state="x"), b"", message(state=True)]
    assert RouteEncoder(plant).infer(values, LAYOUT) == [
        Stable(
            "db",
            "machines",
            (("ts", "TIMESTAMP"), ("temperature", "DOUBLE"), ("state", "BOOL")),
            (("hall", "VARCHAR(64)"),),
        )
    ]


def test_load_route_finds_functions_and_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """module:attribute, with dots behind the colon."""
    (tmp_path / "plant_route.py").write_text(
        "class Plant:\n    @staticmethod\n    def row(value): ...\nNUMBER = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert callable(load_route("plant_route:Plant.row"))
    for name, word in {
        "plant_route": "module:attribute",
        ":row": "module:attribute",
        "plant_route:": "module:attribute",
        "plant_route:missing": "does not exist",
        "plant_route:NUMBER": "cannot be called",
        "no_such_module_here:row": "failed",
    }.items():
        with pytest.raises(RouteError, match=word):
            load_route(name)


def test_state_is_readable() -> None:
    """The reprs say what is read and how."""
    assert repr(RouteEncoder(RecordRoute("json"))) == "RouteEncoder(RecordRoute(codec='json'))"
