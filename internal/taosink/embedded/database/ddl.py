"""CREATE, DROP, ALTER and USE: tells them apart, and does what concerns databases."""

from collections.abc import Callable

from . import errors
from .answers import Affected
from .catalogue import MAX_NAME, Database
from .ddl_alter import AlterTable
from .ddl_base import DdlStatement
from .ddl_columns import checked_name
from .ddl_options import database_options
from .ddl_tables import TableDdl
from .store import created_now

_DEFAULT_KEEP = 3650 * 1440


class Ddl(DdlStatement):
    """Runs one statement; the reader stands at its start."""

    def run(self) -> Affected:
        verb = self._in.take("CREATE", "DROP", "ALTER", "USE").kind
        if verb == "USE":
            name = self._in.name()
            self._in.end()
            self._store.catalogue.database(name)
            return Affected()
        what = self._in.take("DATABASE", "STABLE", "TABLE").kind
        tables = TableDdl(self._in, self._store, self._current)
        alter = AlterTable(self._in, self._store, self._current)
        action: dict[tuple[str, str], Callable[[], None]] = {
            ("CREATE", "DATABASE"): self._create_database,
            ("CREATE", "STABLE"): tables.create_stable,
            ("CREATE", "TABLE"): tables.create_table,
            ("DROP", "DATABASE"): self._drop_database,
            ("DROP", "STABLE"): tables.drop_stable,
            ("DROP", "TABLE"): tables.drop_tables,
            ("ALTER", "DATABASE"): self._alter_database,
            ("ALTER", "STABLE"): lambda: alter.run(stable_only=True),
            ("ALTER", "TABLE"): lambda: alter.run(stable_only=False),
        }
        action[verb, what]()
        return Affected()

    def _create_database(self) -> None:
        tolerant = self._in.if_exists(negated=True)
        name = checked_name(self._in.name(), MAX_NAME)
        options = database_options(self._in)
        self._in.end()
        if name in self._store.catalogue.databases or name in ("information_schema", "performance_schema"):
            if tolerant:
                return
            raise errors.TaosError(errors.DB_EXISTS, "Database already exists")
        keep = options.keep or (_DEFAULT_KEEP,) * 3
        made = Database(0, name, options.precision or "ms", keep, options.others, created_now())
        self._store.create_database(made)

    def _drop_database(self) -> None:
        tolerant = self._in.if_exists(negated=False)
        name = self._in.name()
        self._in.word("FORCE")
        self._in.end()
        if tolerant and name not in self._store.catalogue.databases:
            return
        self._store.drop_database(self._store.catalogue.database(name))

    def _alter_database(self) -> None:
        name = self._in.name()
        options = database_options(self._in)
        self._in.end()
        database = self._store.catalogue.database(name)
        if options.precision:
            raise errors.syntax("precision")
        database.keep_minutes = options.keep or database.keep_minutes
        database.options |= options.others
        self._store.save_database(database)
