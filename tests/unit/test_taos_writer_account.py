"""The writer's account and order, for any values, any cuts and any faults."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from support.taos_server_scripted import LineEncoder, ScriptedDatabase, live_schema, script, value

from taosbatch.encoding import Layout
from taosink.ports import Written
from taosink.taos.errors import CLASS_OF, ErrorClass
from taosink.taos.known_tables import KnownTables
from taosink.taos.writer import SqlBatchWriter

ANY = sorted(code for code in CLASS_OF if code < 0x1_0000)
PASSING = sorted(
    code
    for code, kind in CLASS_OF.items()
    if kind in {ErrorClass.UNAVAILABLE, ErrorClass.FULL, ErrorClass.REFRESH, ErrorClass.SCHEMA_GAP}
)

places = st.tuples(st.sampled_from(["d1", "d2", "d3"]), st.integers(0, 4))
readings = st.lists(places, min_size=1, max_size=40)
Gate = Callable[[Sequence[int], Sequence[object]], bool]
limits = st.integers(24, 200)


def make(
    database: ScriptedDatabase,
    limit: int,
    gate: Gate | None = None,
) -> SqlBatchWriter:
    schema = live_schema(create=True, alter=True, layout=Layout("db", "stb", max_statement_bytes=limit))
    known = KnownTables(4)
    if gate is None:
        return SqlBatchWriter(database, LineEncoder(), schema, known=known)
    return SqlBatchWriter(database, LineEncoder(), schema, known=known, allow_poison=gate)


def ends(written: Written, size: int) -> tuple[set[int], set[int], set[int]]:
    rejected = {r.index for r in written.rejects}
    waiting = set(written.waiting)
    assert len(rejected) == len(written.rejects)
    assert list(written.waiting) == sorted(waiting)
    assert not rejected & waiting
    return set(range(size)) - rejected - waiting, rejected, waiting


@settings(max_examples=300, deadline=None)
@given(
    readings=readings,
    limit=limits,
    faults=st.lists(st.one_of(st.none(), st.sampled_from(ANY), st.integers(1, 0xFFFF)), max_size=30),
    poison=st.sets(st.integers(0, 39)),
    lost_after=st.one_of(st.none(), st.integers(0, 20)),
    stop_after=st.one_of(st.none(), st.integers(0, 10)),
)
def test_every_index_ends_once_and_stored_means_acknowledged(  # noqa: PLR0917 - hypothesis names its arguments
    readings: list[tuple[str, int]],
    limit: int,
    faults: list[int | None],
    poison: set[int],
    lost_after: int | None,
    stop_after: int | None,
) -> None:
    """Whatever is answered: stored, rejected or waiting, each index once; nothing is stored unsent."""
    values = [value(device, time, f"v{i}") for i, (device, time) in enumerate(readings)]
    acknowledged: set[str] = set()

    class Watched(ScriptedDatabase):
        def _insert(self, sql: bytes) -> int:
            done = super()._insert(sql)
            acknowledged.update(cell.partition("=")[2] for cell in sql.decode().split() if "=" in cell)
            return done

    database = Watched(poison={f"v{i}" for i in poison}, faults=script(faults))
    asked = iter(range(10_000))
    owned = (lambda: True) if lost_after is None else (lambda: next(asked) < lost_after)
    gates = iter(range(10_000))
    gate = None if stop_after is None else (lambda _rows, _rejects: next(gates) < stop_after)
    written = make(database, limit, gate).write(values, owned)
    stored, rejected, waiting = ends(written, len(values))
    assert {f"v{i}" for i in stored} <= acknowledged
    assert not {f"v{i}" for i in rejected} & acknowledged
    assert len(stored) + len(rejected) + len(waiting) == len(values)
    assert len(database.inserts) <= 64 + 4 * len(values) + 1


@settings(max_examples=300, deadline=None)
@given(
    readings=readings,
    limit=limits,
    faults=st.lists(st.one_of(st.none(), st.sampled_from(PASSING)), max_size=40),
    poison=st.sets(st.integers(0, 39)),
)
def test_with_passing_faults_the_table_ends_as_the_values_came(
    readings: list[tuple[str, int]], limit: int, faults: list[int | None], poison: set[int]
) -> None:
    """Outages and retries end in just the bad rows refused and the last good value per place."""
    values = [value(device, time, f"v{i}") for i, (device, time) in enumerate(readings)]
    database = ScriptedDatabase(
        poison={f"v{i}" for i in poison}, faults=script(faults), stable=False, database=False
    )
    writer = make(database, limit)
    left = list(range(len(values)))
    rejected: set[int] = set()
    for _ in range(200):
        if not left:
            break
        written = writer.write([values[i] for i in left], lambda: True)
        rejected |= {left[r.index] for r in written.rejects}
        left = [left[i] for i in written.waiting]
    assert not left
    assert rejected == {i for i in poison if i < len(values)}
    last = {place: f"v{i}" for i, place in enumerate(readings) if i not in poison}
    assert database.rows == last
