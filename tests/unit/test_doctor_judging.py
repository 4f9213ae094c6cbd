"""What the doctor makes of what it has found: the pure parts."""

import threading
import time

import pytest
from pydantic import SecretStr

from taosbatch.encoding import Stable
from taosink.doctor import taos_checks
from taosink.doctor.bounded import Late, all_within, within
from taosink.doctor.brokers import judge
from taosink.doctor.database import ways
from taosink.doctor.findings import (
    Finding,
    Status,
    failed,
    not_checked,
    ok,
    softened,
    summary,
    verdict,
    warning,
)
from taosink.doctor.row_checks import Sample, judge_stamps, judge_table
from taosink.doctor.spoken import Heard, Spoken
from taosink.doctor.taos_checks import Taos, judge_clock, judge_grants, judge_versions
from taosink.ports import Result
from taosink.settings.connection import KafkaSettings, TaosSettings
from taosink.settings.doctor import DoctorSettings
from taosink.taos.ddl import ColumnType, Table
from taosink.taos.errors import TaosError

GOOD, ODD, BAD = ok("a", "x"), warning("b", "x", "y"), failed("c", "x", "y")


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([GOOD, ODD, not_checked("d", "z")], 0),
        ([GOOD, BAD], 6),
        ([failed("settings", "x", "y"), BAD], 1),
    ],
)
def test_the_exit_code(findings: list[Finding], code: int) -> None:
    """Warnings are no faults; wrong settings have a code of their own."""
    assert verdict(findings) == code


def test_a_line_is_one_line() -> None:
    """Whatever a server said."""
    assert failed("a", "two\nlines", "do\tit").line == "failed       a                  two lines; do it"
    assert summary([GOOD, GOOD, BAD]) == "2 ok, 1 failed"


def test_one_address_that_works_is_enough() -> None:
    """What failed beside it is a warning; where none works it stays a fault."""
    assert [f.status for f in softened([GOOD, BAD])] == [Status.OK, Status.WARNING]
    assert [f.status for f in softened([BAD, BAD])] == [Status.FAILED, Status.FAILED]


def test_work_that_hangs_is_left_behind() -> None:
    """The others' answers come all the same, and within about the time of one."""
    forever = threading.Event()
    began = time.monotonic()
    found = all_within(0.2, [forever.wait, lambda: True, forever.wait])
    assert [isinstance(f, Late) for f in found] == [True, False, True]
    assert time.monotonic() - began < 1
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 / 0)
    forever.set()


LOGIN = {"sasl_enable": True, "user": "u", "password": "p"}


@pytest.mark.parametrize(
    ("offered", "settings", "words"),
    [
        (("PLAIN",), {}, "asks for a login (PLAIN); set kafka.sasl-enable"),
        ((), LOGIN, "is a listener without login; leave out kafka.sasl-enable"),
        (("SCRAM-SHA-512",), LOGIN, "takes SCRAM-SHA-512, not PLAIN; set kafka.sasl-mechanism"),
        (("PLAIN",), LOGIN, ""),
        ((), {}, ""),
        (None, LOGIN, ""),
    ],
)
def test_logins_are_compared(
    offered: tuple[str, ...] | None, settings: dict[str, object], words: str
) -> None:
    """What the listener takes against what the settings give; one that does not say is left to the login."""
    heard = Heard(Spoken.KAFKA, mechanisms=offered)
    found = judge("b:9092", heard, KafkaSettings(**settings))  # type: ignore[arg-type]  # settings read texts
    assert (found.status is Status.FAILED) == bool(words)
    assert words in found.line


@pytest.mark.parametrize(
    ("server", "client", "native", "status"),
    [
        ("3.3.6.0", "3.3.6.0", True, Status.OK),
        ("3.3.6.0.alpha", "3.3.1.2", True, Status.OK),
        ("3.0.7.1", "3.0.7.1", False, Status.WARNING),
        ("2.6.0.1", "2.6.0.1", False, Status.FAILED),
        ("3.3.6.0", "3.2.0.0", True, Status.WARNING),
        ("who knows", "3.3.0.0", False, Status.FAILED),
    ],
)
def test_versions(server: str, client: str, native: bool, status: Status) -> None:
    """An old server is warned of, one that cannot work is a fault, and client and server belong together."""
    assert judge_versions(server, client, native=native).status is status


@pytest.mark.parametrize(
    ("grants", "status"),
    [
        ([("write", "db")], Status.OK),
        ([("all", "all")], Status.OK),
        ([("read", "db")], Status.WARNING),
        ([("write", "other")], Status.WARNING),
        ([], Status.WARNING),
    ],
)
def test_grants(grants: list[tuple[str, str]], status: Status) -> None:
    """No grant is no proof, for the database may be the user's own: never a fault."""
    assert judge_grants("u", "db", grants).status is status


class Catalogue:
    """A driver that answers by the words of the question."""

    def __init__(self, **answers: Result) -> None:
        self._answers = answers

    def query(self, sql: str) -> Result:
        for name, result in self._answers.items():
            if name.upper() in sql.upper():
                return result
        raise TaosError(0x2662, "Fail to get table info")

    def execute(self, sql: str | bytes) -> int:
        raise AssertionError(f"the doctor writes nothing: {sql!r}")

    def close(self) -> None: ...


ME = Result(["current_user()"], [["u@10.0.0.1"]])


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"current_user": ME, "ins_users": Result(["name", "super"], [["u", 1]])}, "u is a superuser"),
        (
            {
                "current_user": ME,
                "ins_users": Result(["name", "super"], [["u", 0], ["root", 1]]),
                "ins_user_privileges": Result(
                    ["user_name", "privilege", "db_name"], [["u", "write", "db"], ["v", "read", "db"]]
                ),
            },
            "u may write to db",
        ),
        (
            {
                "current_user": ME,
                "ins_users": Result(["name", "super"], []),
                "ins_user_privileges": Result(["user_name", "privilege", "object_name"], []),
            },
            "nothing is granted to u on db; it was not tried",
        ),
        ({"current_user": ME}, "this server does not tell (Fail to get table info (0x2662))"),
        ({"current_user": Result(["x"], [])}, "this server does not tell"),
    ],
)
def test_permissions_are_read_and_nothing_is_tried(answers: dict[str, Result], words: str) -> None:
    """By the catalogue where the server has one for users, else the doctor says that it does not know."""
    settings = DoctorSettings(taos=TaosSettings(uri=SecretStr("http://h:6041/db")))
    found = taos_checks._permission(Taos(settings, 1.0), Catalogue(**answers))
    assert words in found.line


@pytest.mark.parametrize(
    ("theirs", "status", "words"),
    [
        (100.5, Status.OK, "within 1.0 s"),
        (108.0, Status.WARNING, "7 s ahead of"),
        (80.0, Status.WARNING, "20 s behind"),
        (None, Status.NOT_CHECKED, "holds no time"),
    ],
)
def test_clocks(theirs: float | None, status: Status, words: str) -> None:
    """Asked between 100 and 101: what the question took is no skew."""
    found = judge_clock("clock", theirs, 100.0, 101.0)
    assert found.status is status
    assert words in found.line


@pytest.mark.parametrize(
    ("sample", "status"),
    [
        (Sample([b"x"], 95.0), Status.OK),
        (Sample([b"x"], 160.0, by_broker=True), Status.WARNING),
        (Sample(), Status.NOT_CHECKED),
    ],
)
def test_stamps(sample: Sample, status: Status) -> None:
    """A record from the future tells of a clock; an old one tells nothing."""
    assert judge_stamps(sample, 100.0).status is status


WANTED = Stable(
    "db",
    "stb",
    (("ts", "TIMESTAMP"), ("col0", "DOUBLE"), ("col1", "VARCHAR(64)")),
    (("device", "VARCHAR(64)"),),
)
FITS = Table(
    {"ts": ColumnType("TIMESTAMP"), "col0": ColumnType("DOUBLE"), "col1": ColumnType("VARCHAR", 64)},
    {"device": ColumnType("VARCHAR", 64)},
)
NARROW = Table({**FITS.columns, "col1": ColumnType("VARCHAR", 8)}, FITS.tags)


@pytest.mark.parametrize(
    ("live", "create", "alter", "status", "words"),
    [
        (FITS, False, False, Status.OK, "3 columns, 1 tag; the sampled records fit"),
        (None, True, True, Status.OK, "consumers create it"),
        (None, False, False, Status.FAILED, "or run: CREATE STABLE IF NOT EXISTS `db`.`stb`"),
        (
            NARROW,
            False,
            False,
            Status.WARNING,
            "or run: ALTER STABLE `db`.`stb` MODIFY COLUMN `col1` VARCHAR(64)",
        ),
        (NARROW, False, True, Status.OK, "consumers run: ALTER STABLE"),
        (Table(FITS.columns, {}), True, True, Status.FAILED, "is no supertable"),
        (
            Table({"time": ColumnType("TIMESTAMP")}, FITS.tags),
            True,
            True,
            Status.FAILED,
            "its time column is 'time'",
        ),
    ],
)
def test_supertables(live: Table | None, create: bool, alter: bool, status: Status, words: str) -> None:
    """As it is against what the records need, and what consumers may do about it."""
    found = judge_table(WANTED, live, create=create, alter=alter, sampled=True)
    assert found.status is status
    assert words in found.line


def test_the_other_driver_has_its_own_number_and_the_same_login() -> None:
    """The login goes along apart from the address, so that no character of a password can break it."""
    chosen, other = ways(TaosSettings(uri=SecretStr("http://u:p%40%2F@h:7777/db")))
    assert (chosen.address.kind, chosen.chosen, other.address.kind, other.chosen) == (
        "rest",
        True,
        "native",
        False,
    )
    found = other.address
    assert (found.host, found.port, found.user, found.password) == ("h", 6030, "u", "p@/")
    assert "p@/" not in repr(other)
