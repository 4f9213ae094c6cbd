"""Alive, ready, healthy: a table of states and what each means."""

from dataclasses import replace

import pytest

from taosbatch.offsets import Lane
from taosink.observe.health import CODES, FEW, Beat, DatabaseWait, LaneState, Rule, State, judge

NOW = 1000.0
RULE = Rule(no_progress=120.0)
A, B = Lane("t", 0), Lane("t", 1)
WELL = State(
    beats=(Beat("poll", NOW - 1, 75.0), Beat("worker-0", NOW, 300.0)), lanes=(LaneState(A), LaneState(B))
)


def down(since: float, *, operator: bool = False) -> DatabaseWait:
    return DatabaseWait("unavailable", 0x20, "TDengine does not answer", since, operator)


def codes(state: State) -> tuple[list[str], list[str], list[str]]:
    """Why it is not live, not ready, not healthy."""
    found = judge(state, NOW, RULE)
    return tuple([r.code for r in part] for part in (found.live, found.ready, found.healthy))  # type: ignore[return-value]  # three of them


def both(code: str) -> tuple[list[str], list[str], list[str]]:
    return [], [code], [code]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, ([], [], []), id="working"),
        pytest.param({"lanes": ()}, ([], [], []), id="rightly idle without partitions"),
        pytest.param(
            {"beats": (Beat("poll", NOW - 76, 75.0),)},
            (["wedged_poll"], [], ["wedged_poll"]),
            id="the polling thread hangs",
        ),
        pytest.param({"beats": (Beat("poll", NOW - 75, 75.0),)}, ([], [], []), id="slow is not wedged"),
        pytest.param(
            {"beats": (Beat("worker-3", NOW - 301, 300.0),)},
            (["wedged_worker"], [], ["wedged_worker"]),
            id="a worker hangs outside the driver",
        ),
        pytest.param(
            {"beats": (Beat("worker-3", float("inf"), 300.0),)},
            ([], [], []),
            id="a call into the database beats",
        ),
        pytest.param({"assigned": False, "started": NOW - 19}, both("not_assigned"), id="not assigned yet"),
        pytest.param(
            {"assigned": False, "started": NOW - 20}, ([], [], []), id="the group has nothing for it"
        ),
        pytest.param({"assigned": False, "answered": False}, both("not_assigned"), id="no broker answered"),
        pytest.param(
            {"assigned": False, "kafka": "brokers are down"}, both("kafka"), id="one reason, not two"
        ),
        pytest.param({"kafka": "brokers are down"}, both("kafka"), id="brokers down"),
        pytest.param({"stopping": True}, both("stopping"), id="draining"),
        pytest.param({"ended": "fatal"}, both("ended"), id="the client is dead"),
        pytest.param({"database": down(NOW - 3)}, both("database"), id="database down"),
        pytest.param({"database": down(NOW - 2.9)}, ([], [], []), id="one retry is no outage"),
        pytest.param({"database": down(NOW - 9e5)}, both("database"), id="a long outage never kills"),
        pytest.param(
            {"dead_letters_blocked": {"t.dlq": "not there"}}, both("dead_letters"), id="dead letters blocked"
        ),
        pytest.param({"unproven_since": NOW - 12}, both("lease"), id="no commit confirmed"),
        pytest.param({"unproven_since": NOW - 11}, ([], [], []), id="a commit on its way"),
        pytest.param(
            {"lanes": (LaneState(A, breaker_open=True), LaneState(B))},
            ([], [], ["breaker"]),
            id="one breaker: unhealthy, and the others go on",
        ),
        pytest.param(
            {"lanes": (LaneState(A, breaker_open=True), LaneState(B, blocked="another topic"))},
            ([], ["all_partitions_stopped"], ["all_partitions_stopped", "breaker", "partition_blocked"]),
            id="every partition waits for an operator",
        ),
        pytest.param(
            {"idle_since": NOW - 120, "lag": 7}, ([], [], ["no_progress"]), id="lag and nothing stored"
        ),
        pytest.param({"idle_since": NOW - 119}, ([], [], []), id="not for long enough"),
        pytest.param(
            {"lanes": (LaneState(A, still_since=NOW - 121), LaneState(B, still_since=NOW - 5))},
            ([], [], ["partition_still"]),
            id="one partition stands still",
        ),
        pytest.param(
            {"lanes": (LaneState(A, still_since=NOW - 500, breaker_open=True),)},
            ([], ["all_partitions_stopped"], ["all_partitions_stopped", "breaker"]),
            id="why it stands still is said once",
        ),
    ],
)
def test_a_state_means_this(change: dict[str, object], expected: tuple[list[str], ...]) -> None:
    """Each row is one thing that is wrong, at its limit."""
    live, ready, healthy = codes(replace(WELL, **change))  # type: ignore[arg-type]  # fields of State
    assert (live, ready, sorted(healthy)) == expected


def test_reasons_name_what_an_operator_needs() -> None:
    """The cause in the database's own words, whether it mends itself, and how far behind."""
    found = judge(
        replace(WELL, database=down(NOW - 61, operator=True), idle_since=NOW - 300, lag=1234), NOW, RULE
    )
    texts = " / ".join(r.message for r in found.healthy)
    assert "61 s, an operator is needed: TDengine does not answer" in texts
    assert "1234 records to go" in texts


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kafka": "brokers are down"}, "Kafka does not answer"),
        ({"database": down(NOW - 300)}, "rows wait for the database (unavailable)"),
        ({"dead_letters_blocked": {"t.dlq": "gone"}}, "t.dlq takes no dead letter"),
        ({"unproven_since": NOW - 300}, "no commit is confirmed"),
        (
            {"beats": (Beat("worker-0", NOW, 300.0), Beat("worker-1", float("inf"), 300.0))},
            "worker-1: a call into the database has not returned",
        ),
        (
            {"lanes": (LaneState(A, breaker_open=True), LaneState(B, blocked="another topic"))},
            "t/0, t/1 stopped",
        ),
        ({"lanes": ()}, "no cause is known; /status.json"),
    ],
)
def test_no_progress_names_what_blocks(change: dict[str, object], told: str) -> None:
    """Not that nothing happens alone, but why."""
    state = replace(WELL, idle_since=NOW - 300, lag=7, **change)  # type: ignore[arg-type]  # fields of State
    (text,) = [r.message for r in judge(state, NOW, RULE).healthy if r.code == "no_progress"]
    assert text.startswith(f"nothing was stored for 300 s with 7 records to go: {told}")


def test_every_code_is_listed() -> None:
    """A state with all that can be wrong: metrics and the runbook know each code by the list."""
    lanes = (LaneState(A, breaker_open=True), LaneState(B, blocked="x"))
    beats = tuple(Beat(name, 0.0, 1.0) for name in ("poll", "worker-3", "stats"))
    bad = State(
        stopping=True,
        ended="x",
        beats=beats,
        assigned=False,
        answered=False,
        database=down(0.0),
        lanes=lanes,
        dead_letters_blocked={"d": "x"},
        unproven_since=0.0,
        idle_since=0.0,
    )
    still = State(lanes=(LaneState(A, still_since=0.0),))
    states = (bad, replace(bad, kafka="x"), still)
    assert {r.code for state in states for r in judge(state, NOW, RULE).healthy} == set(CODES)
    assert len(set(CODES)) == len(CODES)


def test_many_partitions_are_one_reason() -> None:
    """A thousand of them do not make a page of text."""
    lanes = tuple(LaneState(Lane("t", n), still_since=0.0) for n in range(1000))
    (reason,) = judge(replace(WELL, lanes=lanes), NOW, RULE).healthy
    assert reason.message.count("t/") == FEW
