"""What the embedded database answers to SELECT, SHOW and DDL beyond the recorded transcripts."""

from collections.abc import Iterator

import pytest
from support.embedded_engine import Asker

T = 1_700_000_000_000


@pytest.fixture(scope="module")
def db() -> Iterator[Asker]:
    asker = Asker()
    asker.ask(
        "create stable s (ts timestamp, v double, u bigint unsigned, f float, w varchar(8)) tags (g varchar(8), z int)"
    )
    asker.ask(
        f"insert into a using s tags ('g1',1) values ({T},1.5,18446744073709551615,0.1,'Xy')({T + 1},2.5,5,1.1,'y_z') "
        f"b using s tags ('g2',null) (ts,v) values ({T},10)({T + 2},20)"
    )
    asker.ask("create table e using s tags ('g1',9)")
    yield asker
    asker.close()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select v from s where tbname='a' and v > 2", [[2.5]]),
        ("select count(*) from s where not (g = 'g1')", [[2]]),
        ("select w from a where w like 'x%'", [["Xy"]]),
        ("select w from a where w like '%\\_%'", [["y_z"]]),
        ("select w from a where w not like 'x%'", [["y_z"]]),
        ("select v from a where ts >= '2023-11-14 22:13:20.001'", [[2.5]]),
        (f"select v from s where ts between {T + 1} and {T + 2} order by v", [[2.5], [20]]),
        ("select count(*) from s where z is null", [[2]]),
        ("select count(*) from s where v in (1.5, '20')", [[2]]),
        ("select count(*) from s where v = '1.5'", [[1]]),
        ("select count(*) from a where u > 5", [[1]]),
        ("select count(*) from a where u = 18446744073709551615", [[1]]),
        ("select sum(u), min(u), max(u) from a", [[4, 5, 18446744073709551615]]),
        ("select f from a order by f", [[0.1], [1.1]]),
        ("select first(v), last(v), last_row(w) from s", [[1.5, 20, None]]),
        ("select last(*) from b", [["2023-11-14T22:13:20.002Z", 20, None, None, None]]),
        ("select max(v) - min(v) from s", [[18.5]]),
        ("select v*2 from a order by ts desc limit 1", [[5]]),
        ("select v x from s order by x limit 1, 2", [[2.5], [10]]),
        ("select v from s order by 1 desc limit 1", [[20]]),
        ("select max(v) from e", []),
        ("select count(v), max(v) from e", [[0, None]]),
        ("select tbname, count(*) from s group by tbname order by tbname", [["a", 2], ["b", 2], ["e", 0]]),
        ("select g, count(v) from s where v > 2 group by g order by g", [["g1", 1], ["g2", 2]]),
        ("select g, sum(v) from s group by g order by g", [["g1", 4], ["g2", 30]]),
        ("select distinct g from s order by g", [["g1"], ["g2"]]),
        ("select distinct tbname, g from s order by tbname", [["a", "g1"], ["b", "g2"], ["e", "g1"]]),
        ("select tbname, last(v) from s partition by tbname order by tbname", [["a", 2.5], ["b", 20]]),
        ("select count(*) from (select v from s where v < 3)", [[2]]),
        ("select max(m) from (select g, max(v) m from s group by g)", [[20]]),
        ("select ts + 1s from a limit 1", [["2023-11-14T22:13:21.000Z"]]),
        ("select cast(ts as bigint) from a limit 1", [[T]]),
        ("select 1+1, -5, 'it''s', true", [[2, -5, "it's", True]]),
        ("select a.v from a where a.w = 'Xy'", [[1.5]]),
        ("show tables like 'a%'", [["a"]]),
        ("show d.stables", [["s"]]),
        ("select type from information_schema.ins_tables where table_name='a'", [["CHILD_TABLE"]]),
        (
            "select tag_value from information_schema.ins_tags where table_name='b' order by tag_name",
            [["g2"], [None]],
        ),
    ],
)
def test_queries(db: Asker, query: str, rows: list[list[object]]) -> None:
    """Projection, conditions, aggregates, groups, subqueries and the catalogue."""
    assert db.ask(query) == rows


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select v from a, b", 0x2600),
        ("select count(*) from s interval(1s)", 0x2600),
        ("select stddev(v) from s", 0x2600),
        ("select nosuch(v) from s", 0x264D),
        ("select sum(w) from s", 0x2802),
        ("select v, count(*) from s", 0x260C),
        ("select v, count(*) from s group by g", 0x260A),
        ("select v from s where count(*) > 1", 0x2608),
        ("select sum(max(v)) from s", 0x2627),
        ("select `V` from s", 0x2602),
        ("select * from nosuch", 0x2662),
        ("select * from nodb.s", 0x2662),
        ("select v from s where", 0x2601),
        ("select v from s union select v from s", 0x2600),
        ("select v from s partition by tbname limit 1", 0x2600),
        ("delete from a", 0x2600),
        ("show vgroups", 0x2600),
        ("explain select 1", 0x2600),
        ("alter table s drop column ts", 0x264A),
        ("alter table s drop column nosuch", 0x036C),
        ("alter table s add column v int", 0x036B),
        ("alter table a add column q int", 0x2649),
        ("alter stable nosuch add column q int", 0x0362),
        ("create table k (v int, ts timestamp)", 0x2641),
        ("create table k (ts timestamp, v varchar(70000))", 0x2642),
        ("create table k (ts timestamp, select int)", 0x2600),
        ("create table `a.b` (ts timestamp, v int)", 0x2617),
        (f"create table `{'n' * 193}` (ts timestamp, v int)", 0x2617),
        ("create table k using s tags (1,2,3)", 0x260D),
        ("create table k using s (nosuch) tags (1)", 0x260E),
        (f"create table k (ts timestamp,{','.join(f'c{i} int' for i in range(4096))})", 0x2640),
        (f"create table k (ts timestamp,{','.join(f'c{i} int' for i in range(2500))})", 0x2600),
        (f"create stable k (ts timestamp, v int) tags ({','.join(f't{i} int' for i in range(129))})", 0x2643),
        (f"create table k (ts timestamp, `{'c' * 65}` int)", 0x2617),
        ("create table k (ts timestamp, v varchar(65517), w varchar(10))", 0x263E),
        ("create stable k (ts timestamp, v int) tags (t varchar(16383))", 0x263D),
        ("create database d", 0x0381),
        ("create database k precision 'xs'", 0x2619),
        ("create database k nosuch 1", 0x2600),
        ("create stable k (ts timestamp, v int) tags (t json)", 0x2600),
    ],
)
def test_refusals(db: Asker, query: str, code: int) -> None:
    """What is wrong gets TDengine's number, what is not supported its syntax error."""
    assert db.code(query) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("add column w varchar(5511)", 0),
        ("add column w varchar(5512)", 0x263E),
        ("add column w nchar(1378)", 0x263E),
        ("modify column v varchar(65514)", 0x263E),
        ("modify column v varchar(65513)", 0),
        ("add tag u varchar(6382)", 0),
        ("add tag u varchar(6383)", 0x263D),
        ("modify tag t varchar(16382)", 0),
        ("modify tag t varchar(16383)", 0x263D),
    ],
)
def test_alter_keeps_to_the_rows_length(db: Asker, change: str, code: int) -> None:
    """As CREATE does: the row and the tags end at the same byte, whatever made them as long."""
    db.ask("create stable wide (ts timestamp, v varchar(60000), n bigint) tags (t varchar(9998))")
    try:
        assert db.code(f"alter stable wide {change}") == code
    finally:
        db.ask("drop stable wide")


def test_titles_and_types(db: Asker) -> None:
    """Titles are the lowered text of an expression, or its alias; types are TDengine's."""
    assert db.columns("select COUNT( * ), Sum(V), w AS `Wide`, avg(U) from A group by w") == [
        ["count( * )", "BIGINT", 8],
        ["sum(v)", "DOUBLE", 8],
        ["Wide", "VARCHAR", 8],
        ["avg(u)", "DOUBLE", 8],
    ]


def test_a_dropped_column_is_gone_and_may_come_back_empty() -> None:
    """A new column of an old name holds nothing of the old one."""
    db = Asker()
    try:
        db.ask("create table t (ts timestamp, v int, w int)")
        db.ask(f"insert into t values ({T},1,2)")
        db.ask("alter table t drop column v")
        assert db.code("select v from t") == 0x2602
        db.ask("alter table t add column v bigint")
        assert db.ask("select w, v from t") == [[2, None]]
    finally:
        db.close()
