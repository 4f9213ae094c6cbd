"""The database and the supertable, as a consumer with `schema.create` makes them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeVar

from taosbatch import names
from taosbatch.encoding import Layout, Stable
from taosink.clients import taos_address, taos_driver
from taosink.ports import Driver
from taosink.records.stable import device_stable
from taosink.settings.init import InitSettings
from taosink.setup.outcome import Outcome, State
from taosink.setup.patience import Patience
from taosink.taos import versions
from taosink.taos.catalogue import DatabaseInfo, read_database, read_table
from taosink.taos.ddl import Table, alterations, column_type
from taosink.taos.errors import ErrorClass, Local, TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy

T = TypeVar("T")

_PASSES = {ErrorClass.UNAVAILABLE, ErrorClass.FULL, ErrorClass.REFRESH, ErrorClass.DDL_RACE}
"""What may be over in a moment: the server starts, or somebody else makes the same."""


class _Given(Exception):  # noqa: N818 - it carries an answer to where the side ends
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def prepare_database(settings: InitSettings, patience: Patience) -> Iterator[Outcome]:
    """Waits for the server, then makes the database and the supertable. Nothing is altered. The last outcome is a
    failure where it could not go on."""
    with closing(taos_driver(settings.taos)) as driver:
        side = _Side(settings, driver, patience)
        try:
            yield from side.run()
        except _Given as given:
            yield given.outcome


class _Side:
    def __init__(self, settings: InitSettings, driver: Driver, patience: Patience) -> None:
        self._settings, self._driver, self._patience = settings, driver, patience
        tables = settings.tables
        self._database = names.fold(
            tables.database or taos_address(settings.taos).database, tables.names_case
        )
        self._supertable = names.fold(tables.supertable, tables.names_case)

    def run(self) -> Iterator[Outcome]:
        answer = self._ask("TDengine", lambda: self._driver.query("SELECT SERVER_VERSION()"))
        version = str(answer.rows[0][0])
        if versions.too_old(version):
            fault = f"the server is {version}: {versions.TOO_OLD}"
            raise _Given(Outcome(State.FAILED, "TDengine", fault, versions.UPGRADE, refused=True))
        if versions.untried(version):
            yield Outcome(
                State.WARNING, "TDengine", f"the server is {version}: {versions.UNTRIED}", versions.UPGRADE
            )
        if not self._database:
            yield Outcome(State.LEFT, "database", "the route names the databases")
            return
        yield self._make_database()
        if self._settings.tables.route:
            yield Outcome(State.LEFT, "supertable", "the route names the supertables")
            return
        yield self._make_supertable()

    def _make_database(self) -> Outcome:
        thing, name, tables = f"database {self._database}", self._database, self._settings.tables
        info = self._ask(thing, lambda: read_database(self._driver, name))
        if info is None:
            self._ask(thing, lambda: self._schema().ensure(self._driver, ()))
            return Outcome(State.MADE, thing, f"precision {tables.precision}")
        return judge_database(thing, info, tables.precision)

    def _make_supertable(self) -> Outcome:
        thing, columns = f"supertable {self._database}.{self._supertable}", self._settings.make.columns
        table = self._ask(thing, lambda: read_table(self._driver, self._database, self._supertable))
        wanted = device_stable(self._database, self._supertable, columns)
        if table is not None:
            return judge_supertable(thing, table, wanted if columns else None)
        if not columns:
            return _no_columns(thing, created=self._settings.tables.create)
        self._ask(thing, lambda: self._schema().ensure(self._driver, [wanted]))
        return Outcome(State.MADE, thing, _counted(len(columns)))

    def _schema(self) -> LiveSchema:
        tables = self._settings.tables
        layout = Layout(self._database, self._supertable, precision=tables.precision)
        return LiveSchema(
            layout, SchemaPolicy(create=True, precision=tables.precision, options=tables.options)
        )

    def _ask(self, thing: str, call: Callable[[], T]) -> T:
        """Its answer, waited for; raises _Given where there will be none."""
        while True:
            try:
                return call()
            except TaosError as error:
                where = error.server or taos_address(self._settings.taos).shown
                said = f"{error.message} (0x{error.code:04X})"
                if error.kind in _PASSES and self._patience.again(f"{where}: {said}"):
                    continue
                refused = error.kind is ErrorClass.FATAL
                outcome = Outcome(State.FAILED, thing, f"{where}: {said}", _todo(error), refused=refused)
                raise _Given(outcome) from None


def judge_database(thing: str, info: DatabaseInfo, precision: str) -> Outcome:
    """Pure."""
    if info.precision == precision:
        return Outcome(State.THERE, thing, f"precision {info.precision}")
    do = "a precision cannot be altered: times are stored in the database's own"
    return Outcome(State.WARNING, thing, f"was there with precision {info.precision}, not {precision}", do)


def judge_supertable(thing: str, live: Table, wanted: Stable | None) -> Outcome:
    """What is said of one that is there; `wanted` None: nothing is asked of its columns. Pure."""
    there = _counted(len(live.columns) - 1)
    if wanted is None:
        return Outcome(State.THERE, thing, there)
    differs = [
        f"{name} is {live.columns[name]}, not {column_type(text)}"
        for name, text in wanted.columns[1:]
        if name in live.columns and _other(live, name, text)
    ]
    statements = alterations(live, wanted)
    if not differs and not statements:
        return Outcome(State.THERE, thing, there)
    missing = [name for name, _ in wanted.columns[1:] if name not in live.columns]
    if missing:
        differs.insert(0, f"no {', '.join(missing[:5])}{'...' if len(missing) > 5 else ''}")
    detail = f"was there with other columns ({', '.join(differs[:5]) or 'narrower'})"
    run = (
        f"run: {'; '.join(statements[:3])}"
        if statements
        else "types are never altered: name another supertable"
    )
    return Outcome(State.WARNING, thing, detail, f"nothing was altered; {run}")


def _other(live: Table, name: str, text: str) -> bool:
    have, need = live.columns[name], column_type(text)
    return have.name != need.name or have.length < need.length


def _no_columns(thing: str, *, created: bool) -> Outcome:
    if created:
        return Outcome(State.LEFT, thing, "consumers make it of their first records (schema.create)")
    do = "give init.columns, or set schema.create for the consumers"
    return Outcome(State.WARNING, thing, "is not there, and nobody will make it", do)


def _counted(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns:,} columns"


def _todo(error: TaosError) -> str:
    if error.kind is ErrorClass.UNAVAILABLE:
        return "check taosuri, and that TDengine runs there"
    if error.kind is ErrorClass.FULL:
        return "add disk, vnodes or memory"
    if error.code in {Local.LIBRARY, Local.TLS, Local.REFUSED}:
        return "check taosuri and taos.tls-*"
    if error.kind is ErrorClass.FATAL:
        return "check the user, the password and its permissions"
    return "check schema.options and init.columns"
