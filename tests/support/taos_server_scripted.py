"""A database in memory behind the Driver protocol, and a line encoder: the writer's tests without a server.

A value is `device|time|text`. A statement is `INSERT` and one table a line: `device` or `device+` (USING),
then `time=text` for each row. The database refuses as TDengine does: whole statements, by number.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field

from taosbatch.encoding import Encoded, Layout, Reason, Reject, Stable, Statement
from taosink.ports import Result
from taosink.taos.errors import TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy

LAYOUT = Layout(database="db", supertable="stb")


def value(device: str, time: int, text: str) -> bytes:
    return f"{device}|{time}|{text}".encode()


class LineEncoder:
    """Rows grouped by table in order of first sight; a value that begins with `!` is malformed."""

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        self.calls += 1
        rejects = []
        statements = []
        rows: list[int] = []
        for i, raw in enumerate(values):
            if raw.startswith(b"!"):
                rejects.append(Reject(i, Reason.MALFORMED, "not a reading"))
            elif len(_sql(values, [i], known)[0]) > layout.max_statement_bytes:
                rejects.append(Reject(i, Reason.TOO_LARGE, "too large"))
            else:
                if rows and len(_sql(values, [*rows, i], known)[0]) > layout.max_statement_bytes:
                    statements.append(_statement(values, rows, known))
                    rows = []
                rows.append(i)
        if rows:
            statements.append(_statement(values, rows, known))
        return Encoded(statements, rejects)

    def infer(self, values: Sequence[bytes], layout: Layout) -> Sequence[Stable]:
        width = max((len(v.split(b"|")[2]) for v in values if not v.startswith(b"!")), default=1)
        columns = (("ts", "TIMESTAMP"), ("col0", f"VARCHAR({width})"))
        return [Stable(layout.database, layout.supertable, columns, (("device", "VARCHAR(64)"),))]


def _sql(values: Sequence[bytes], rows: Sequence[int], known: Container[str]) -> tuple[bytes, list[str]]:
    tables: dict[str, list[str]] = {}
    for i in rows:
        device, time, text = values[i].decode().split("|")
        tables.setdefault(device, []).append(f"{time}={text}")
    lines = [f"{d}{'' if d in known else '+'} {' '.join(cells)}" for d, cells in tables.items()]
    return ("INSERT\n" + "\n".join(lines)).encode(), list(tables)


def _statement(values: Sequence[bytes], rows: Sequence[int], known: Container[str]) -> Statement:
    sql, tables = _sql(values, rows, known)
    packed = memoryview(bytearray(b"".join(i.to_bytes(4, "little") for i in rows))).cast("I")
    return Statement(sql, packed, tuple(tables), tuple(t for t in tables if t not in known))


@dataclass
class ScriptedDatabase:
    """The server's side. `faults` is asked before each INSERT: a number, or None to go on."""

    database: bool = True
    stable: bool = True
    width: int = 64
    precision: str = "ms"
    longest: int = 1_048_576
    subtables: set[str] = field(default_factory=set)
    rows: dict[tuple[str, int], str] = field(default_factory=dict)
    poison: Container[str] = ()
    faults: Callable[[], int | None] = lambda: None
    ddl_refused: int | None = None
    inserts: list[bytes] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    ddl: list[str] = field(default_factory=list)

    def execute(self, sql: bytes | str) -> int:
        if isinstance(sql, str):
            return self._define(sql)
        self.inserts.append(sql)
        fault = self.faults()
        if fault is not None:
            raise TaosError(fault, f"scripted 0x{fault:04X}", "memory")
        return self._insert(sql)

    def query(self, sql: str) -> Result:
        self.queries.append(sql)
        if "ins_databases" in sql:
            rows = [["db", self.precision, "5256000m,5256000m,5256000m"]] if self.database else []
            return Result(["name", "precision", "keep"], rows)
        if not (self.database and self.stable):
            raise TaosError(0x2603 if self.database else 0x0388, "Table does not exist", "memory")
        described = [
            ["ts", "TIMESTAMP", 8, ""],
            ["col0", "VARCHAR", self.width, ""],
            ["device", "VARCHAR", 64, "TAG"],
        ]
        return Result(["field", "type", "length", "note"], described)

    def close(self) -> None:
        pass

    def _define(self, sql: str) -> int:
        self.ddl.append(sql)
        if self.ddl_refused is not None:
            raise TaosError(self.ddl_refused, "scripted", "memory")
        if sql.startswith("CREATE DATABASE"):
            self.database = True
        elif sql.startswith("CREATE STABLE"):
            self.stable = True
            self.width = int(sql.split("VARCHAR(")[1].split(")", maxsplit=1)[0])
        else:
            self.width = int(sql.rpartition("(")[2].rstrip(")"))
        return 0

    def _insert(self, sql: bytes) -> int:
        if len(sql) > self.longest:
            raise TaosError(0x0219, "SQL statement too long", "memory")
        if not self.database:
            raise TaosError(0x0388, "Database not exist", "memory")
        staged = [self._table(line) for line in sql.decode().splitlines()[1:]]
        for device, cells in staged:
            self.subtables.add(device)
            self.rows.update(((device, time), text) for time, text in cells)
        return sum(len(cells) for _, cells in staged)

    def _table(self, line: str) -> tuple[str, list[tuple[int, str]]]:
        head, *cells = line.split(" ")
        device = head.rstrip("+")
        if not self.stable or (head == device and device not in self.subtables):
            raise TaosError(0x2603, "Table does not exist", "memory")
        parsed = [(int(time), text) for time, text in (cell.split("=", 1) for cell in cells)]
        for _, text in parsed:
            if text in self.poison:
                raise TaosError(0x0216, f"syntax error near '{text}'", "memory")
            if len(text) > self.width:
                raise TaosError(0x2653, "Value too long for column/tag: col0", "memory")
        return device, parsed


def live_schema(*, create: bool = False, alter: bool = False, layout: Layout = LAYOUT) -> LiveSchema:
    return LiveSchema(layout, SchemaPolicy(create=create, alter=alter), sleep=lambda _s: None)


def script(codes: Iterable[int | None]) -> Callable[[], int | None]:
    """Each answer once, then none."""
    left = iter(codes)
    return lambda: next(left, None)
