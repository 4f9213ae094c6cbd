"""DDL texts, and what a supertable lacks."""

import pytest

from taosbatch.encoding import Stable
from taosink.ports import Result
from taosink.taos.catalogue import read_database
from taosink.taos.ddl import (
    ColumnType,
    Table,
    alterations,
    column_type,
    create_database,
    create_stable,
    qualified,
    quoted,
)

STABLE = Stable(
    "db",
    "stb",
    (("ts", "TIMESTAMP"), ("col0", "DOUBLE"), ("col1", "VARCHAR(64)")),
    (("device", "VARCHAR(128)"),),
)


def test_create_texts() -> None:
    """Names in backticks, IF NOT EXISTS always, options at the end."""
    assert (
        create_database("db", "us", "KEEP 30") == "CREATE DATABASE IF NOT EXISTS `db` PRECISION 'us' KEEP 30"
    )
    assert create_stable(STABLE) == (
        "CREATE STABLE IF NOT EXISTS `db`.`stb` (`ts` TIMESTAMP, `col0` DOUBLE, `col1` VARCHAR(64))"
        " TAGS (`device` VARCHAR(128))"
    )


@pytest.mark.parametrize("name", ["", "a`b", "a\x00b"])
def test_names_that_backticks_cannot_hold_are_refused(name: str) -> None:
    """Nothing that a name holds can become SQL."""
    with pytest.raises(ValueError, match="cannot hold"):
        quoted(name)


def test_unqualified_where_no_database_is_known() -> None:
    """An empty database leaves the name alone."""
    assert (qualified("", "t"), qualified("d", "t")) == ("`t`", "`d`.`t`")


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("VARCHAR(64)", None, ColumnType("VARCHAR", 64)),
        ("binary(8)", None, ColumnType("VARCHAR", 8)),
        ("NCHAR", 16, ColumnType("NCHAR", 16)),
        ("DOUBLE", 8, ColumnType("DOUBLE")),
        ("bigint unsigned", 8, ColumnType("BIGINT UNSIGNED")),
        ("DECIMAL(10,2)", 8, ColumnType("DECIMAL(10,2)")),
    ],
)
def test_types_as_ddl_and_describe_write_them(text: str, length: int | None, expected: ColumnType) -> None:
    """Only strings have a length that matters."""
    assert column_type(text, length) == expected


def test_alterations_add_and_widen_and_never_retype() -> None:
    """A missing column is added, a narrow string widened up to the server's bound; other types stay."""
    live = Table(
        {"ts": ColumnType("TIMESTAMP"), "col0": ColumnType("BIGINT"), "col1": ColumnType("NCHAR", 8)},
        {"device": ColumnType("VARCHAR", 16)},
    )
    wanted = Stable(
        "db",
        "stb",
        (("time", "TIMESTAMP"), ("col0", "DOUBLE"), ("col1", "VARCHAR(60000)"), ("col2", "BOOL")),
        (("device", "VARCHAR(32)"), ("site", "VARCHAR(8)")),
    )
    assert alterations(live, wanted) == [
        "ALTER STABLE `db`.`stb` MODIFY COLUMN `col1` NCHAR(16379)",
        "ALTER STABLE `db`.`stb` ADD COLUMN `col2` BOOL",
        "ALTER STABLE `db`.`stb` MODIFY TAG `device` VARCHAR(32)",
        "ALTER STABLE `db`.`stb` ADD TAG `site` VARCHAR(8)",
    ]
    assert len(alterations(live, wanted, add=False)) == 2
    assert len(alterations(live, wanted, widen=False)) == 2


def test_nothing_to_alter_where_it_fits() -> None:
    """Narrower is not asked for: a column is never made smaller."""
    live = Table(
        {n: column_type(t) for n, t in STABLE.columns} | {"col1": ColumnType("VARCHAR", 100)},
        {"device": ColumnType("VARCHAR", 128)},
    )
    assert alterations(live, STABLE) == []


@pytest.mark.parametrize(
    ("keep", "minutes"),
    [("5256000m,5256000m,5256000m", 5_256_000), ("10d,20d,30d", 43_200), ("2h", 120), ("", 0), (None, 0)],
)
def test_keep_is_the_last_tier_in_minutes(keep: str | None, minutes: int) -> None:
    """Servers write KEEP with three tiers; rows are taken as far back as the last."""

    class Says:
        def execute(self, sql: bytes | str) -> int:
            raise NotImplementedError(sql)

        def query(self, sql: str) -> Result:
            assert "`name`='it\\'s'" in sql
            return Result(["name", "precision", "keep"], [["it's", "us", keep]])

        def close(self) -> None: ...

    info = read_database(Says(), "it's")
    assert info is not None
    assert (info.precision, info.keep_minutes) == ("us", minutes)
