"""`taosink dlq` on a broker and a database: found, shown, counted, replayed, purged."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from support.audit_rig import Rig, reading
from support.kafka_broker import KafkaUnderTest
from support.mock_cluster import MockKafka
from support.taos_server_under_test import TaosUnderTest, found, fresh_database

from taosbatch.encoding import Reason, Reject
from taosink.kafka.topic_reader import read_topic
from taosink.ports import SourceMessage
from taosink_cli import audit, dlq
from taosink_cli.main import Call

pytestmark = pytest.mark.kafka
GARBAGE = b"\xc1\xff\x00not a record\xfe"
DATABASE = Reject(0, Reason.DATABASE, "Value too long for column", "d", 0x2653)


@pytest.fixture(scope="module")
def taos() -> Iterator[TaosUnderTest]:
    with found() as server:
        yield server


@pytest.fixture
def rig(kafka: KafkaUnderTest, taos: TaosUnderTest) -> Iterator[Rig]:
    with fresh_database(taos) as database:
        yield Rig(kafka, taos, database)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], rig: Rig) -> "Runner":
    return Runner(capsys, rig)


class Runner:
    """Runs `taosink dlq`; the last run's output stays in `out` and `err`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], rig: Rig) -> None:
        self._capsys, self._rig = capsys, rig
        self.out = self.err = ""

    def __call__(self, command: str, *flags: str) -> int:
        self._capsys.readouterr()
        place = [f for f in flags[:1] if not f.startswith("-")]
        connection = self._rig.flags if command == "replay" else self._rig.flags[:4]
        arguments = [*place, *connection, *flags[len(place) :]]
        code = dlq.main(arguments, Call(f"dlq {command}", "", own_process=False))
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, command: str, *flags: str) -> list[dict[str, Any]]:
        assert self(command, *flags, "--json") == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]


def bury(rig: Rig, **rejects: Reject) -> None:
    """Dead-letters records of the topic: `p0_3` is the one at offset 3 of partition 0."""
    messages = {(m.partition(), m.offset()): m for m in read_topic(rig.properties, rig.topic)}
    chosen: list[tuple[SourceMessage, Reject]] = []
    for name, reject in rejects.items():
        partition, offset = name.removeprefix("p").split("_")
        chosen.append((messages[int(partition), int(offset)], reject))
    rig.bury(chosen)


def three_letters(rig: Rig) -> None:
    """A garbage record, one that the database refused, and one of another device; then a foreign message."""
    rig.send([GARBAGE, reading("pump-1", 1, 1.0), reading("pump-2", 2, 2.0)], 1, key=b"k")
    bury(
        rig,
        p1_0=Reject(0, Reason.MALFORMED, "no valid MessagePack"),
        p1_1=Reject(0, Reason.DATABASE, "Value too long", "pump-1", 0x2653),
        p1_2=Reject(0, Reason.VALUE, "Cols[0]: NaN", "pump-2"),
    )
    rig.send([b"hello"], topic=rig.dead_letters)


def test_letters_are_listed_with_reason_and_origin(rig: Rig, run: Runner) -> None:
    """One JSON object a letter, foreign records told apart."""
    three_letters(rig)
    listed = run.json("list")
    assert [found["kind"] for found in listed] == ["letter", "letter", "letter", "foreign"]
    first = listed[1]
    assert (first["reason"], first["class"], first["code"]) == ("database", "database", "0x2653")
    assert (first["device"], first["attempt"]) == ("pump-1", 1)
    assert first["origin"] == {"topic": rig.topic, "partition": 1, "offset": 1}
    assert run("list") == 0
    assert "4 in all" in run.out


@pytest.mark.parametrize(
    ("flags", "places"),
    [
        (("--reason", "database,bad_value"), [1, 2]),
        (("--class", "undecodable"), [0]),
        (("--code", "0x2653"), [1]),
        (("--device", "pump-*"), [1, 2]),
        (("--device", "pump-2"), [2]),
        (("--origin", "other"), []),
        (("--since", "1h"), [0, 1, 2]),
        (("--until", "1h"), []),
        (("--limit", "1"), [0]),
    ],
)
def test_filters_choose_letters(rig: Rig, run: Runner, flags: tuple[str, ...], places: list[int]) -> None:
    """Reason, class, number, device, origin and time; a foreign record passes none of them."""
    three_letters(rig)
    assert [found["offset"] for found in run.json("list", *flags)] == places


def test_a_letter_is_shown_whole(rig: Rig, run: Runner) -> None:
    """Every header, and the value read as what it is."""
    three_letters(rig)
    (told,) = run.json("show", "0:1")
    assert told["value"] == {
        "record": {"device": "pump-1", "timestamp": "2025-01-01T00:00:01Z", "cols": [1.0]}
    }
    assert ["taosink.dlq.reason", "database"] in told["headers"]
    assert told["key"] == "k"
    (garbage,) = run.json("show", "0")
    assert "base64" in garbage["value"]
    assert run("show", "0:3") == 0
    assert '"text": "hello"' in run.out
    assert run("show", "0:99") == 1
    assert run.err == (
        f"taosink dlq show: topic '{rig.dead_letters}' has no record at 0:99: it holds 0 to 4\n"
    )


def test_letters_are_counted(rig: Rig, run: Runner) -> None:
    """By reason, class, code, device and origin."""
    three_letters(rig)
    (stats,) = run.json("stats")
    assert (stats["letters"], stats["foreign"], stats["replayed"]) == (3, 1, 0)
    assert stats["reasons"] == {"malformed": 1, "database": 1, "bad_value": 1}
    assert stats["codes"] == {"": 2, "0x2653": 1}
    assert stats["origins"] == {rig.topic: 3}
    assert run("stats") == 0
    assert "device pump-1" in run.out


def test_a_replay_is_a_dry_run_first(rig: Rig, run: Runner) -> None:
    """Without `--yes` nothing is produced, and what would be is told."""
    three_letters(rig)
    before = len(list(read_topic(rig.properties, rig.topic)))
    assert run("replay") == 0
    assert "would replay 3 letters to their topics; nothing was done: --yes does it" in run.out
    assert "not replayed, 1: no dead letter of taosink" in run.out
    assert len(list(read_topic(rig.properties, rig.topic))) == before


def test_a_replay_goes_to_the_origin(rig: Rig, run: Runner) -> None:
    """Same topic and partition, same key, value and headers; no dead letter's headers but the count."""
    value = reading("d", 1, 1.0)
    headers = [("trace", b"7"), ("taosink.reply.to", b"gone"), ("trace", b"8")]
    rig.send([value], 1, key=b"d", headers=headers)
    bury(rig, p1_0=DATABASE)
    (outcome,) = run.json("replay", "--yes")
    assert (outcome["chosen"], outcome["replayed"], outcome["refused"]) == (1, 1, [])
    message = list(read_topic(rig.properties, rig.topic))[-1]
    assert (message.partition(), message.offset()) == (1, 1)
    assert (message.key(), message.value()) == (b"d", value)
    assert message.headers() == [("trace", b"7"), ("trace", b"8"), ("taosink.dlq.attempt", b"1")]


def test_a_letter_is_not_replayed_twice_unnoticed(rig: Rig, run: Runner) -> None:
    """A receipt in the dead-letter topic says that it was; `--again` does it all the same."""
    three_letters(rig)
    assert run.json("replay", "--yes", "--device", "pump-1")[0]["replayed"] == 1
    again = run.json("replay", "--yes")[0]
    assert (again["replayed"], again["not_replayed"]) == (2, {"foreign": 1, "replayed": 1})
    listed = run.json("list", "--device", "pump-1")[0]
    assert listed["replayed"]["to"] == "topic"
    assert run.json("stats")[0]["replayed"] == 3
    assert run.json("replay", "--yes", "--again", "--device", "pump-1")[0]["replayed"] == 1


def test_no_record_circles_for_ever(rig: Rig, run: Runner) -> None:
    """Each time it is dead-lettered its count grows, until it is left alone."""
    rig.send([reading("d", 1, 1.0)])
    for attempt in range(1, 4):
        last = list(read_topic(rig.properties, rig.topic))[-1]
        rig.bury([(last, DATABASE)])
        outcome = run.json("replay", "--yes", "--max-attempts", "3")[0]
        assert (outcome["replayed"], outcome["not_replayed"].get("tried")) == (
            (1, None) if attempt < 3 else (0, 1)
        )
    assert [found["attempt"] for found in run.json("list")] == [1, 2, 3]


def test_cut_letters_stay(rig: Rig, run: Runner) -> None:
    """A record that was too large is not there whole: it is told, and not replayed."""
    rig.kafka.create_topic(f"{rig.topic}.small", 1, {"max.message.bytes": "20000"})
    if not rig.kafka.real:
        pytest.skip("the mock cluster takes messages of any size")
    rig.send([reading("d", 1, os.urandom(30_000).hex())])
    messages = list(read_topic(rig.properties, rig.topic))
    rig.dead_letters = f"{rig.topic}.small"
    rig.bury([(messages[0], DATABASE)], into=rig.dead_letters)
    assert run.json("list", "--dlq.topic", rig.dead_letters)[0]["cut"] == "value"
    assert run("replay", "--yes", "--dlq.topic", rig.dead_letters) == 0
    assert "not replayed, 1: cut when it was dead-lettered, because it was too large" in run.out


def test_a_topic_that_is_gone_is_told(rig: Rig, run: Runner) -> None:
    """A letter whose origin does not exist any more stays, and its topic is not made anew."""
    rig.send([reading("d", 1, 1.0)])
    forged = [(n, v.replace(rig.topic.encode(), b"gone")) for n, v in letter_headers(rig)]
    rig.send([b"x"], topic=rig.dead_letters, headers=forged)
    outcome = run.json("replay", "--yes", "--origin", "gone")[0]
    assert (outcome["replayed"], outcome["not_replayed"]) == (0, {"no_origin": 1})


def letter_headers(rig: Rig) -> list[tuple[str, bytes]]:
    bury(rig, p0_0=DATABASE)
    message = list(read_topic(rig.properties, rig.dead_letters))[-1]
    return [(name, value or b"") for name, value in message.headers() or ()]


def test_what_would_be_overwritten_is_warned_of(rig: Rig, run: Runner) -> None:
    """A stored row with the letter's subtable and timestamp is perhaps newer; `skip` leaves such letters."""
    rig.send([reading("d", 1, 1.0), reading("d", 1, 2.0), reading("d", 2, 3.0)])
    rig.store(lose=lambda m: m.offset() != 1)
    bury(rig, p0_0=DATABASE, p0_2=DATABASE)
    assert run("replay") == 0
    assert "WARNING: 1 letters would overwrite a row that is stored already" in run.out
    assert run.out.count("overwrites") == 1
    outcome = run.json("replay", "--yes", "--existing", "skip")[0]
    assert (outcome["replayed"], outcome["not_replayed"]) == (1, {"overwrites": 1})
    outcome = run.json("replay", "--yes")[0]
    assert (outcome["replayed"], outcome["overwriting"]) == (1, 1)


def test_a_replay_into_the_database(rig: Rig, run: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that fit by now are stored, those that do not are told; the account agrees afterwards."""
    rig.send([reading("d", 1, 1.0), reading("d", 5, 5.0), GARBAGE, reading("d", 9, 9.0)])
    rig.store(lose=lambda m: m.offset() in (1, 2))
    bury(rig, p0_1=DATABASE, p0_2=Reject(0, Reason.MALFORMED, "no valid MessagePack"))
    assert run("replay", "--to", "database", "--yes", "--json") == 1
    outcome = json.loads(run.out)
    assert (outcome["replayed"], len(outcome["refused"])) == (1, 1)
    assert "malformed" in outcome["refused"][0]["reason"]
    assert rig.query("SELECT `col0` FROM `d` ORDER BY `ts`") == [[1], [5], [9]]
    assert run.json("list")[0]["replayed"]["to"] == "database"
    assert audit.main([*rig.flags, "--strict"], Call("audit", "", own_process=False)) == 0
    capsys.readouterr()


def test_a_replay_without_the_database(rig: Rig, run: Runner) -> None:
    """What is stored cannot be asked: one line says how to replay without asking."""
    three_letters(rig)
    address = "http://root:taosdata@127.0.0.1:9/x"
    assert run("replay", "--yes", "--taosuri", address) == 1
    assert len(run.err.splitlines()) == 1
    assert "--check=false replays to the topic without asking" in run.err
    assert run("replay", "--yes", "--check=false", "--taosuri", address) == 0
    assert "was not checked" in run.out


def test_a_purge_deletes_the_beginning(rig: Rig, run: Runner) -> None:
    """Told first, then done; what was never replayed is warned of."""
    three_letters(rig)
    assert run("purge") == 1
    assert run.err.startswith("taosink dlq purge: --before is missing")
    assert run("purge", "--before", "2") == 0
    assert "WARNING: 2 letters that were never replayed would be lost" in run.out
    assert "would delete 2 letters (database 1, malformed 1), 0 receipts; nothing was done" in run.out
    assert len(run.json("list")) == 4
    assert run("purge", "--before", "9", "--yes") == 1
    assert "which holds 0 to 4" in run.err
    if not rig.kafka.real:
        return
    (purged,) = run.json("purge", "--before", "2", "--yes")
    assert (purged["done"], purged["before"], purged["letters"]) == (True, {"0": 2}, 2)
    assert [found["offset"] for found in run.json("list")] == [2, 3]


def test_what_was_replayed_can_be_purged(rig: Rig, run: Runner) -> None:
    """`--before replayed` goes up to the first letter that waits."""
    rig.send([reading("d", n, 1.0) for n in range(4)])
    bury(rig, p0_0=DATABASE, p0_1=DATABASE, p0_2=Reject(0, Reason.VALUE, "NaN", "x"), p0_3=DATABASE)
    assert run.json("replay", "--yes", "--check=false", "--device", "d")[0]["replayed"] == 3
    (purged,) = run.json("purge", "--before", "replayed")
    assert (purged["before"], purged["letters"], purged["waiting"]) == ({"0": 2}, 2, 0)


def test_a_broker_that_cannot_delete_says_so_at_once(
    taos: TaosUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded broker has no such call: one line, and no waiting."""
    mock = MockKafka()
    try:
        rig = Rig(mock, taos, "none")
        three_letters(rig)
        runner = Runner(capsys, rig)
        assert runner("purge", "--before", "end", "--yes") == 1
        assert "deleting records is not supported by this broker" in runner.err
        assert len(runner.err.splitlines()) == 1
    finally:
        mock.close()


def test_a_missing_dead_letter_topic(run: Runner) -> None:
    """Each command names the topic that does not exist, in one line."""
    for command in ("list", "show", "stats", "replay", "purge"):
        extra = ("--before", "end") if command == "purge" else ()
        assert run(command, "--dlq.topic", "no-such-topic", *extra) == 1
        assert run.err == (
            f"taosink dlq {command}: topic 'no-such-topic': it does not exist (UNKNOWN_TOPIC_OR_PART)\n"
        )
