"""`taosink audit` on a broker and a database: what is lost is named, what is not is not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.audit_rig import Rig, reading
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import unique
from support.taos_server_under_test import TaosUnderTest, announce, found, fresh_database

from taosbatch.encoding import Reason, Reject
from taosink.kafka.topic_reader import read_topic
from taosink_cli import audit
from taosink_cli.main import Call

pytestmark = pytest.mark.kafka
GARBAGE = b"\xc1\xff\x00not a record\xfe"


@pytest.fixture(scope="module")
def taos(request: pytest.FixtureRequest) -> Iterator[TaosUnderTest]:
    with found() as server:
        announce(request.config, server)
        yield server


@pytest.fixture
def rig(kafka: KafkaUnderTest, taos: TaosUnderTest) -> Iterator[Rig]:
    with fresh_database(taos) as database:
        yield Rig(kafka, taos, database)


def run(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = audit.main(flags, Call("audit", "", own_process=False))
    told = capsys.readouterr()
    return code, told.out, told.err


def report(capsys: pytest.CaptureFixture[str], rig: Rig, *flags: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run(capsys, *rig.flags, "--json", *flags)
    assert out, err
    return code, json.loads(out)


def one_line(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """The one line of a run that could not be made."""
    code, out, err = run(capsys, *flags)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    return line


def test_everything_stored_is_everything_accounted_for(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Devices, partitions, types and strings of all kinds: exit 0, every count explained."""
    for partition in (0, 1):
        rig.send(
            [
                reading(f"d{partition}-{n % 7}", n, n + 0.25, n, n % 2 == 0, f"a'b\"\\ü😀{n}", None)
                for n in range(300)
            ],
            partition,
        )
    rig.store()
    code, found = report(capsys, rig)
    assert code == 0, found
    assert found["agrees"]
    assert found["records"] == found["stored"] == 600
    assert (found["lost"], found["different"], found["unexpected"]) == (0, 0, 0)
    assert found["devices"] == 14
    assert [p["records"] for p in found["partitions"]] == [300, 300]


def test_a_lost_record_is_named(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Device, timestamp, topic, partition and offset of exactly the records that are missing; exit 6."""
    rig.send([reading(f"d{n % 3}", n, float(n)) for n in range(30)], 1)
    rig.store(lose=lambda m: m.offset() in (4, 17))
    code, found = report(capsys, rig)
    assert code == 6
    assert (found["lost"], found["stored"]) == (2, 28)
    named = {(n["device"], n["time"], n["topic"], n["partition"], n["offset"]) for n in found["named"]}
    assert named == {
        ("d1", "2025-01-01T00:00:04.000Z", rig.topic, 1, 4),
        ("d2", "2025-01-01T00:00:17.000Z", rig.topic, 1, 17),
    }
    code, out, _ = run(capsys, *rig.flags)
    assert code == 6
    assert f"missing: device d1 at 2025-01-01T00:00:04.000Z, {rig.topic}/1/4: not in the database" in out
    assert "FAILED, 2 lost" in out


def test_a_device_of_which_nothing_is_stored_is_lost_whole(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A subtable that does not exist is no error of the audit."""
    rig.send([reading("kept", 1, 1.0), reading("gone", 1, 1.0), reading("gone", 2, 1.0)])
    rig.store(lose=lambda m: m.offset() != 0)
    code, found = report(capsys, rig)
    assert (code, found["lost"], {n["device"] for n in found["named"]}) == (6, 2, {"gone"})


def test_dead_letters_count_once_by_origin(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """A letter that was published twice is one record; unreadable records must have one."""
    rig.send([reading("d", 1, 1.0), GARBAGE, b"", None, reading("d", 2, float("nan"))])
    rig.store()
    bad = list(read_topic(rig.properties, rig.topic))[1]
    rig.bury([(bad, Reject(0, Reason.MALFORMED, "again"))])
    code, found = report(capsys, rig)
    assert code == 0, found
    assert (found["records"], found["stored"], found["dead_lettered"]) == (5, 1, 4)
    assert (found["letters"], found["letters_repeated"]) == (5, 1)


def test_an_unreadable_record_without_a_letter_is_lost(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named with the reason for which no row can be made of it."""
    rig.send([reading("d", 1, 1.0), GARBAGE])
    rig.store(lose=lambda m: m.value() == GARBAGE)
    code, found = report(capsys, rig)
    assert (code, found["lost"]) == (6, 1)
    (named,) = found["named"]
    assert (named["partition"], named["offset"]) == (0, 1)
    assert "unreadable (malformed: " in named["detail"]


def test_a_changed_value_is_found(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Values are compared as well as counts."""
    rig.send([reading("d", n, float(n), "x") for n in range(5)])
    rig.store()
    rig.execute("INSERT INTO `d` (`ts`, `col0`) VALUES ('2025-01-01T00:00:03Z', 99.5)")
    code, found = report(capsys, rig)
    assert (code, found["lost"], found["different"]) == (6, 0, 1)
    (named,) = found["named"]
    assert (named["fault"], named["offset"]) == ("another value", 3)
    assert "col0 is 99.5, the last sent is 3.0" in named["detail"]


def test_the_last_in_partition_order_is_expected(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """NULL overwrites, a column that was not given is kept, and repeats are no losses."""
    rig.send([reading("d", 1, 1.0, 2.0, 3.0), reading("d", 1, 4.0, None), reading("d", 2, 5.0, 6.0, 7.0)])
    rig.store()
    assert rig.query("SELECT `col0`, `col1`, `col2` FROM `d` ORDER BY `ts`") == [[4, None, 3], [5, 6, 7]]
    code, found = report(capsys, rig)
    assert code == 0, found
    assert (found["stored"], found["repeated"], found["merged"]) == (2, 1, 0)
    rig.execute("INSERT INTO `d` (`ts`, `col1`) VALUES ('2025-01-01T00:00:01Z', 2)")
    assert report(capsys, rig)[1]["different"] == 1


def test_what_the_precision_makes_one_is_shown_apart(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Readings in the same millisecond are one row, none of them lost."""
    rig.send([reading("d", 1, float(n), nanos=n) for n in (0, 1, 999_999, 1_000_000)])
    rig.store()
    code, found = report(capsys, rig)
    assert (code, found["stored"], found["merged"], found["repeated"]) == (0, 2, 2, 0), found


def test_the_range_ends_at_what_is_committed(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Records behind the commit are not audited, but with `--to end` they are, and told apart as pending."""
    rig.send([reading("d", n, float(n)) for n in range(10)])
    rig.store(lose=lambda m: (m.offset() or 0) >= 6)
    rig.commit({0: 6})
    code, found = report(capsys, rig)
    assert (code, found["records"], found["remarks"]) == (
        0,
        6,
        ["4 records behind the group's committed offsets are not audited"],
    )
    code, found = report(capsys, rig, "--to", "end")
    assert (code, found["lost"], found["pending"]) == (6, 4, 4)


def test_a_record_behind_the_range_may_be_stored_already(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that a later, uncommitted record has overwritten is not taken for a wrong one."""
    rig.send([reading("d", 1, 1.0), reading("d", 1, 2.0)])
    rig.store()
    rig.commit({0: 1})
    code, found = report(capsys, rig)
    assert (code, found["records"], found["different"]) == (0, 1, 0), found


def test_an_earlier_record_may_have_given_a_column(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the range does not begin with the topic, a column that it does not give may hold anything."""
    rig.send([reading("d", 1, 1.0, 2.0), reading("d", 1, 3.0)])
    rig.store()
    code, found = report(capsys, rig, "--from", "0:1")
    assert (code, found["records"], found["stored"]) == (0, 1, 1), found


def test_rows_that_no_record_explains(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted between a device's first and last reading, and fail the audit only when strict."""
    rig.send([reading("d", 1, 1.0), reading("d", 9, 9.0)])
    rig.store()
    for second in (0, 5, 20):
        rig.execute(f"INSERT INTO `d` (`ts`, `col0`) VALUES ('2025-01-01T00:00:{second:02}Z', 7)")
    assert report(capsys, rig)[0] == 0
    code, found = report(capsys, rig, "--strict")
    assert (code, found["unexpected"]) == (6, 1)


def test_a_replayed_letter_explains_its_row(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """A dead letter that was written into the database after all is neither lost nor unexplained."""
    values = [reading("d", 1, 1.0), reading("d", 5, 5.0), reading("d", 9, 9.0), reading("d", 9, 10.0)]
    rig.send(values)
    rig.store(lose=lambda m: m.offset() in (1, 3))
    records = list(read_topic(rig.properties, rig.topic))
    rig.bury([(records[n], Reject(0, Reason.DATABASE, "no", "d", 0x2653)) for n in (1, 3)])
    assert report(capsys, rig, "--strict")[1]["replayed"] == 0
    rig.write([values[1], values[3]])
    code, found = report(capsys, rig, "--strict")
    assert (code, found["replayed"], found["dead_lettered"], found["different"]) == (0, 1, 2, 0), found


def test_many_rows_are_read_in_pages(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """A device with more rows than one answer holds is read to its end."""
    rig.send([reading("d", n, float(n)) for n in range(2_500)])
    rig.store(lose=lambda m: m.offset() == 2_400)
    code, found = report(capsys, rig)
    assert (code, found["lost"], found["stored"]) == (6, 1, 2_499)


def test_mistakes_end_with_one_line(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever does not exist is named, in one line, with exit code 1."""
    rig.send([reading("d", n, float(n)) for n in range(10)])
    flags = rig.flags
    topic = unique("nothing")
    told = one_line(capsys, *("--kafka.brokers", rig.kafka.bootstrap, "--topic", topic), *rig.flags[4:])
    assert told == f"taosink audit: topic '{topic}': it does not exist (UNKNOWN_TOPIC_OR_PART)"
    assert "has committed nothing" in one_line(capsys, *flags)
    assert f"offset 11 of {rig.topic}/0, which holds 0 to 10" in one_line(capsys, *flags, "--to", "0:11")
    assert "has partitions 0 to 1; the range names 7" in one_line(capsys, *flags, "--from", "7:0")
    backwards = one_line(capsys, *flags, "--from", "0:8", "--to", "0:3")
    assert "ends at 3, before its start 8" in backwards
    times = ("--from", "2025-02-01T00:00:00Z", "--to", "2025-01-01T00:00:00Z")
    if rig.kafka.real:
        assert "ends at 2025-01-01" in one_line(capsys, *flags, *times)
    rig.commit({0: 10})
    assert "'no_such_db' does not exist" in one_line(capsys, *flags, "--taos.database", "no_such_db")
    port = free_ports(1)[0]
    closed = one_line(capsys, *flags, "--taosuri", f"http://root:taosdata@127.0.0.1:{port}/x")
    assert closed.startswith(f"taosink audit: TDengine at http://root@127.0.0.1:{port}/x: ")


def test_foreign_records_among_the_dead_letters(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """They count for nothing, and are told."""
    rig.send([reading("d", 1, 1.0)])
    rig.store()
    rig.send([b"hello"], topic=rig.dead_letters)
    code, found = report(capsys, rig)
    assert (code, found["letters_foreign"], found["letters"]) == (0, 1, 0)
    assert f"1 records of '{rig.dead_letters}' are no dead letters" in found["remarks"][0]


def test_without_a_dead_letter_topic(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """That there is none is told; nothing is dead-lettered then."""
    rig.send([reading("d", 1, 1.0)])
    rig.store()
    code, found = report(capsys, rig, "--dlq.topic", "none-such")
    assert (code, found["remarks"]) == (0, ["there is no dead-letter topic 'none-such'"])


def test_a_range_by_time(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Kafka's own stamps choose the records; both ends may be times."""
    if not rig.kafka.real:
        pytest.skip("the mock cluster looks no times up")
    for n in range(4):
        rig.send([reading("d", n, float(n))], timestamp_ms=1_735_689_600_000 + 1000 * n)
    rig.store(lose=lambda m: m.offset() in (0, 3))
    window = ("--from", "2025-01-01T00:00:01Z", "--to", "2025-01-01T00:00:03Z")
    code, found = report(capsys, rig, *window)
    assert (code, found["records"]) == (0, 2), found
