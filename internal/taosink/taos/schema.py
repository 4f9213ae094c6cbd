"""The live schema: what the database and supertable are now, read when needed, created where allowed."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from taosbatch import names
from taosbatch.encoding import Layout, Precision, Stable
from taosbatch.guards import Guard, GuardRule, TableGuard, Window
from taosink.ports import Driver
from taosink.taos import ddl
from taosink.taos.catalogue import DatabaseInfo, read_database, read_table
from taosink.taos.errors import (
    DATABASE_CREATING,
    DATABASE_MISSING,
    TABLE_MISSING,
    TRANSACTION_CONFLICT,
    ErrorClass,
    TaosError,
)

log = structlog.get_logger()

_DDL_TRIES = 12
_DDL_PAUSE = 0.05
_MUST_WAIT = {ErrorClass.UNAVAILABLE, ErrorClass.FULL, ErrorClass.FATAL}


@dataclass(frozen=True, slots=True)
class SchemaPolicy:
    """What may be done about a gap. `precision` and `options` are of a database that is created.

    `guard`: what a layout's guard refuses, None for no guard, so that the database alone judges.
    """

    create: bool = False
    alter: bool = False
    precision: Precision = "ms"
    options: str = ""
    guard: GuardRule | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the live schema. `table` is None where the supertable does not exist yet."""

    layout: Layout
    database: DatabaseInfo
    table: ddl.Table | None


class LiveSchema:
    """Shared by all writers; thread-safe. Each call uses the caller's own driver, and raises its TaosError.

    One thread reads while the others wait for its answer; no lock is held during a driver call.
    """

    def __init__(
        self,
        layout: Layout,
        policy: SchemaPolicy,
        *,
        address_database: str = "",
        sleep: Callable[[float], None] = time.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        # Both are what statements and DDL name: folded here once, so that no place can forget it.
        self._base = replace(
            layout,
            database=names.fold(layout.database or address_database, layout.names_case),
            supertable=names.fold(layout.supertable, layout.names_case),
        )
        self._policy = policy
        self._sleep = sleep
        self._rand = rand
        self._turn = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._begun = 0
        self._ended = 0
        self._failed: TaosError | None = None

    def __repr__(self) -> str:
        state = "unread" if self._snapshot is None else f"precision {self._snapshot.database.precision}"
        return f"<LiveSchema {self._base.database}.{self._base.supertable} {state}>"

    def current(self, driver: Driver) -> Snapshot:
        """The last reading; the first call reads, and creates a missing database where that is allowed."""
        return self._snapshot or self.reread(driver)

    def reread(self, driver: Driver) -> Snapshot:
        """A reading that began after this call. The same object as before where nothing has changed."""
        with self._turn:
            mine = self._begun + 1
            # A reading under way may have begun before the change that the caller has seen.
            self._turn.wait_for(lambda: self._ended == self._begun or self._ended >= mine)
            if self._ended >= mine:
                return self._outcome()
            self._begun += 1
        failed = None
        snapshot = None
        try:
            snapshot = self._read(driver)
        except TaosError as error:
            failed = error
            raise
        finally:
            with self._turn:
                self._ended = self._begun
                self._failed = failed
                if snapshot is not None and snapshot != self._snapshot:
                    self._snapshot = snapshot
                self._turn.notify_all()
        with self._turn:
            return self._outcome()

    def ensure(self, driver: Driver, stables: Sequence[Stable]) -> None:
        """Creates the database and these supertables where they are missing.

        Raises TaosError of class SCHEMA_GAP, which names the DDL to run, where that is not allowed.
        """
        self._ensure_database(driver)
        for stable in stables:
            self._ensure_stable(driver, self._placed(stable))

    def widen(self, driver: Driver, stables: Sequence[Stable], *, add: bool, widen: bool) -> bool:
        """Adds columns and tags, or widens strings, so that these rows fit; False where nothing changed."""
        if not self._policy.alter:
            return False
        changed = False
        for stable in stables:
            changed |= self._alter(driver, self._placed(stable), add=add, widen=widen)
        return changed

    def _outcome(self) -> Snapshot:
        if self._failed is not None:
            # A copy: one exception raised in several threads would mix their tracebacks.
            raise TaosError(*self._failed.args, kind=self._failed.kind)
        assert self._snapshot is not None  # noqa: S101 - a reading ended without an error
        return self._snapshot

    def _read(self, driver: Driver) -> Snapshot:
        info = self._ensure_database(driver)
        layout = replace(self._base, database=info.name, precision=info.precision)
        table = read_table(driver, info.name, layout.supertable) if layout.supertable else None
        return Snapshot(replace(layout, guard=self._guard(info, table)), info, table)

    def _guard(self, info: DatabaseInfo, table: ddl.Table | None) -> Guard | None:
        rule = self._policy.guard
        if rule is None:
            return None
        window = Window(info.precision, info.keep_minutes, rule.future)
        if table is None:
            return Guard(window)
        columns, tags = (
            tuple((name, str(kind)) for name, kind in fields.items())
            for fields in (table.columns, table.tags)
        )
        return Guard(window, TableGuard(columns, tags, table.keys, rule.lossy, self._policy.alter))

    def _placed(self, stable: Stable) -> Stable:
        return stable if stable.database else replace(stable, database=self._base.database)

    def _ensure_database(self, driver: Driver) -> DatabaseInfo:
        name = self._base.database
        if not name:
            raise TaosError(
                DATABASE_MISSING,
                "no database is named: put one into the address (…/db) or into taos.database",
                kind=ErrorClass.FATAL,
            )
        statement = ddl.create_database(name, self._policy.precision, self._policy.options)
        for _ in range(_DDL_TRIES):
            info = read_database(driver, name)
            if info is not None:
                return info
            self._allowed(DATABASE_MISSING, f"database {name} does not exist", statement)
            try:
                if self._run(driver, ddl.strict(statement)):
                    log.info("taos.database_created", database=name, statement=statement)
            except TaosError as error:
                if error.kind in _MUST_WAIT:
                    raise
                # The options are wrong, not the rows that happen to wait for this database.
                raise TaosError(*error.args, kind=ErrorClass.SCHEMA_GAP) from error
        raise self._contended(statement)

    def _ensure_stable(self, driver: Driver, stable: Stable) -> None:
        statement = ddl.create_stable(stable)
        for _ in range(_DDL_TRIES):
            if read_table(driver, stable.database, stable.name) is not None:
                return
            self._allowed(
                TABLE_MISSING, f"supertable {stable.database}.{stable.name} does not exist", statement
            )
            if self._run(driver, ddl.strict(statement)):
                log.info("taos.supertable_created", supertable=stable.name, statement=statement)
        raise self._contended(statement)

    def _alter(self, driver: Driver, stable: Stable, *, add: bool, widen: bool) -> bool:
        done = False
        for _ in range(_DDL_TRIES):
            live = read_table(driver, stable.database, stable.name)
            if live is None:
                return done
            missing = ddl.alterations(live, stable, add=add, widen=widen)
            if not missing:
                return done
            try:
                if self._run(driver, missing[0]):
                    done = True
                    log.info("taos.supertable_altered", supertable=stable.name, statement=missing[0])
            except TaosError as error:
                if error.kind in _MUST_WAIT:
                    raise
                log.warning("taos.alter_refused", statement=missing[0], error=str(error))
                return done
        return done

    def _run(self, driver: Driver, statement: str) -> bool:
        """True where the statement was run; False where somebody else's DDL came first: look again."""
        try:
            driver.execute(statement)
        except TaosError as error:
            if error.kind is ErrorClass.DDL_RACE:
                return False
            if error.code in {TRANSACTION_CONFLICT, DATABASE_CREATING}:
                self._sleep(_DDL_PAUSE * (1 + self._rand()))
                return False
            raise
        return True

    def _allowed(self, code: int, what: str, statement: str) -> None:
        if not self._policy.create:
            raise TaosError(code, f"{what} and schema.create is off; run: {statement}")

    def _contended(self, statement: str) -> TaosError:
        return TaosError(TRANSACTION_CONFLICT, f"other DDL keeps getting in the way of: {statement}")
