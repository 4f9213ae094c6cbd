"""The checks of everything that a consumer needs of TDengine. Nothing is written."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from taosbatch import names
from taosink.clients import taos_address
from taosink.doctor.bounded import Late, within
from taosink.doctor.database import Way, knock, told, ways, what_to_do
from taosink.doctor.findings import Finding, Status, failed, not_checked, ok, warning
from taosink.doctor.kafka_checks import check_names
from taosink.ports import Driver
from taosink.settings.consumer import ConsumerSettings
from taosink.taos import ddl, versions
from taosink.taos.catalogue import DatabaseInfo, read_database
from taosink.taos.errors import Local, TaosError

SKEW = 5.0
_MINUTES_A_DAY = 1440


@dataclass(slots=True)
class Taos:
    """What the checks have learned; each fills in what the next ones need."""

    settings: ConsumerSettings
    timeout: float
    reached: bool = False
    info: DatabaseInfo | None = None

    @property
    def way(self) -> Way:
        return ways(self.settings.taos)[0]

    @property
    def database(self) -> str:
        tables = self.settings.tables
        return names.fold(tables.database or taos_address(self.settings.taos).database, tables.names_case)

    def driver(self) -> Driver:
        return self.way.driver(self.timeout)


def check_taos(seen: Taos) -> Iterator[Finding]:
    """Each check blocks for about the timeout at most. What builds on a failed one is told as not checked."""
    address = seen.way.address
    yield from check_names("database name", [(address.host, address.port)], seen.timeout)
    door = knock(seen.settings.taos, seen.timeout)
    yield door
    if door.status is not Status.FAILED:
        yield _guarded(seen.way.check, seen, _login)
    yield _other(seen)
    if not seen.reached:
        yield not_checked("database", "versions, permissions, schema and clock: it does not let us in")
        return
    for name, check in _CHECKS:
        yield _guarded(name, seen, check)


def _guarded(name: str, seen: Taos, check: Callable[[Taos, Driver], Finding]) -> Finding:
    def run() -> Finding:
        with closing(seen.driver()) as driver:
            return check(seen, driver)

    try:
        return within(seen.timeout * 1.5, run)
    except Late:
        return failed(name, f"no answer in {1.5 * seen.timeout:g} s", "look at the server: it may hang")
    except TaosError as error:
        return failed(name, told(error), what_to_do(error))


def _login(seen: Taos, driver: Driver) -> Finding:
    driver.query("SELECT SERVER_VERSION()")
    seen.reached = True
    return ok(seen.way.check, f"logged in at {seen.way.address.shown}")


def _other(seen: Taos) -> Finding:
    """The driver that the settings do not name: what it finds is told, and never a fault."""
    way = ways(seen.settings.taos)[1]

    def ask() -> Finding:
        with closing(way.driver(seen.timeout)) as driver:
            driver.query("SELECT SERVER_VERSION()")
        return ok(way.check, f"logged in at {way.address.shown}; not in use")

    try:
        return within(seen.timeout, ask)
    except Late:
        return not_checked(way.check, f"no answer at {way.address.shown} in {seen.timeout:g} s; not in use")
    except TaosError as error:
        if error.code == Local.LIBRARY:
            return not_checked(way.check, "this machine has no TDengine client (libtaos); not in use")
        return not_checked(way.check, f"{told(error)} at {way.address.shown}; not in use")


def _versions(seen: Taos, driver: Driver) -> Finding:
    server = str(driver.query("SELECT SERVER_VERSION()").rows[0][0])
    client = str(driver.query("SELECT CLIENT_VERSION()").rows[0][0])
    return judge_versions(server, client, native=seen.way.kind == "native")


def judge_versions(server: str, client: str, *, native: bool) -> Finding:
    """Pure. By REST the client is taosAdapter's own."""
    check = "database version"
    whose = "client" if native else "taosAdapter's client"
    shown = f"server {server}, {whose} {client}"
    have, theirs = versions.numbers(server), versions.numbers(client)
    if have[:1] < versions.OLDEST:
        return failed(check, shown, f"{versions.UPGRADE}: {versions.TOO_OLD}")
    if have[:2] < versions.TESTED:
        return warning(check, f"{shown}: {versions.UNTRIED}", versions.UPGRADE)
    if have[:2] != theirs[:2]:
        return warning(check, f"{shown} do not belong together", "install the client of the server's version")
    return ok(check, shown)


def _database(seen: Taos, driver: Driver) -> Finding:
    tables, name = seen.settings.tables, seen.database
    if not name:
        return not_checked("database", "the route names the databases")
    seen.info = read_database(driver, name)
    if seen.info is None:
        statement = ddl.create_database(name, tables.precision, tables.options)
        if tables.create:
            return ok("database", f"{name} does not exist yet; consumers run: {statement}")
        do = f"set schema.create, or run: {statement}"
        return failed("database", f"{name} does not exist, or this user may not see it", do)
    keep = seen.info.keep_minutes
    kept = f"KEEP {keep / _MINUTES_A_DAY:g} days" if keep else "KEEP unknown"
    return ok(
        "database", f"{name}: precision {seen.info.precision}, {kept}; older readings are dead-lettered"
    )


def _permission(seen: Taos, driver: Driver) -> Finding:
    check = "permission"
    try:
        user = str(driver.query("SELECT CURRENT_USER()").rows[0][0]).partition("@")[0]
        if _is_super(driver, user):
            return ok(check, f"{user} is a superuser")
        grants = _grants(driver, user)
    except (TaosError, LookupError) as error:
        reason = told(error) if isinstance(error, TaosError) else "an answer without rows"
        return not_checked(check, f"this server does not tell ({reason}): the first INSERT will")
    return judge_grants(user, seen.database, grants)


def judge_grants(user: str, database: str, grants: Sequence[tuple[str, str]]) -> Finding:
    """`grants` are (privilege, database). Pure."""
    check = "permission"
    if any(what in {"all", "write"} and on in {"all", "*", database} for what, on in grants):
        return ok(check, f"{user} may write to {database}")
    # Who made a database may write to it, whatever is granted: a missing grant proves nothing.
    do = f"run: GRANT WRITE ON {database}.* TO {user}, unless this user made the database"
    return warning(check, f"nothing is granted to {user} on {database}; it was not tried", do)


def _is_super(driver: Driver, user: str) -> bool:
    rows = _of_user(driver, "ins_users", "name", user)
    return any(str(row.get("super")) in {"1", "True"} for row in rows)


def _grants(driver: Driver, user: str) -> list[tuple[str, str]]:
    rows = _of_user(driver, "ins_user_privileges", "user_name", user)
    # The second column's name is of releases before 3.1.
    return [
        (str(row.get("privilege")).lower(), str(row.get("db_name", row.get("object_name")))) for row in rows
    ]


def _of_user(driver: Driver, table: str, column: str, user: str) -> list[dict[str, object]]:
    found = driver.query(f"SELECT * FROM information_schema.{table}")  # noqa: S608 - a name of our own
    rows = [dict(zip(found.columns, row, strict=False)) for row in found.rows]
    return [row for row in rows if row.get(column) == user]


def _clock(_seen: Taos, driver: Driver) -> Finding:
    before = time.time()
    said = driver.query("SELECT NOW()").rows[0][0]
    after = time.time()
    return judge_clock("database clock", _seconds(said), before, after)


def judge_clock(check: str, theirs: float | None, before: float, after: float) -> Finding:
    """A clock that was asked between two looks at ours, all in seconds. Pure."""
    if theirs is None:
        return not_checked(check, "its answer holds no time")
    skew = theirs - before if theirs < before else max(0.0, theirs - after)
    if abs(skew) <= SKEW:
        return ok(check, f"within {max(abs(skew), after - before):.1f} s of this machine's")
    where = "ahead of" if skew > 0 else "behind"
    return warning(check, f"{abs(skew):.0f} s {where} this machine's", "synchronize both clocks (NTP)")


def _seconds(said: object) -> float | None:
    if isinstance(said, str):
        try:
            said = datetime.fromisoformat(said)
        except ValueError:
            return None
    # The native driver gives local time without a zone, which is what timestamp() takes it for.
    return said.timestamp() if isinstance(said, datetime) else None


_CHECKS: Sequence[tuple[str, Callable[[Taos, Driver], Finding]]] = (
    ("database version", _versions),
    ("database", _database),
    ("permission", _permission),
    ("database clock", _clock),
)
