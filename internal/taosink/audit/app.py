"""`taosink audit`: asks, shows what was found, and answers with an exit code."""

import json
import sys
import time

from taosbatch.encoding import Layout
from taosink.audit.account import Account
from taosink.audit.bounds import RangeError
from taosink.audit.report import counts, lines
from taosink.audit.spill import SpillError
from taosink.audit.topic_audit import Question, audit_topic
from taosink.clients import kafka_properties, taos_address, taos_driver
from taosink.kafka.topics import TopicError
from taosink.ports import Driver
from taosink.records.routes import RouteError, load_route
from taosink.settings.audit import AuditSettings
from taosink.settings.rows import RowSettings
from taosink.taos.catalogue import read_database
from taosink.taos.errors import TaosError
from taosink.tools import FAULT, FINE, fail, progress, terminal


class NoDatabaseError(Exception):
    """The database that the settings name is not there, or they name none."""


def run_audit(settings: AuditSettings) -> int:
    """Blocks until the range is compared. Exit code: 0 every record is accounted for; 6 not every one is;
    1 it could not be found out (broker or database unreachable, a range that does not exist)."""
    started = time.monotonic()
    name = taos_address(settings.taos, settings.rows.database).database
    driver = taos_driver(settings.taos, settings.rows.database)
    try:
        question = _question(settings, live_layout(driver, name, settings.rows))
        with progress() as step:
            account = audit_topic(question, kafka_properties(settings.kafka), driver, progress=step)
    except (TopicError, TaosError, RangeError, SpillError, RouteError, NoDatabaseError) as error:
        return fail("audit", error)
    finally:
        driver.close()
    _show(account, settings, time.monotonic() - started)
    return FINE if account.agrees(strict=settings.range.strict) else FAULT


def live_layout(driver: Driver, database: str, rows: RowSettings) -> Layout:
    """How values become rows there, with the database's own precision. Raises NoDatabaseError or TaosError."""
    if not database:
        raise NoDatabaseError("no database is named: put one into taosuri (.../db) or into taos.database")
    info = read_database(driver, database)
    if info is None:
        raise NoDatabaseError(f"database {database!r} does not exist, or this user may not see it")
    return Layout(
        database=database,
        supertable=rows.supertable,
        codec=rows.codec,
        precision=info.precision,
        names_case=rows.names_case,
    )


def _question(settings: AuditSettings, layout: Layout) -> Question:
    wanted = settings.range
    return Question(
        topic=settings.origin.topic,
        dead_letters=settings.origin.dead_letters,
        layout=layout,
        first=wanted.first,
        last=wanted.last,
        group=wanted.group or settings.origin.topic,
        route=load_route(settings.rows.route) if settings.rows.route else None,
        directory=str(wanted.directory or ""),
        max_named=wanted.max_named,
        idle=wanted.idle,
    )


def _show(account: Account, settings: AuditSettings, seconds: float) -> None:
    strict = settings.range.strict
    if settings.range.as_json:
        found = account.as_json(strict=strict, seconds=seconds)
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        console = terminal()
        console.print(counts(account, seconds=seconds))
        for line in lines(account, strict=strict):
            console.print(line, soft_wrap=True)
