"""What the operator's tools share: one line for a failure, bars only on a terminal, and their settings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from taosink.audit.account import Account, Named
from taosink.audit.bounds import Bound, Part
from taosink.audit.report import counts, lines, verdict
from taosink.config import load
from taosink.settings.audit import AuditSettings
from taosink.settings.dlq import DlqListSettings, DlqPurgeSettings, DlqReplaySettings, DlqShowSettings
from taosink.settings.problems import SettingsError
from taosink.taos.errors import TaosError
from taosink.tools import fail, progress


def test_a_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks in an error do not make two of it; a database's names its address and number."""
    assert fail("audit", ValueError("first\n  second")) == 1
    assert fail("audit", TaosError(0x0357, "wrong password", "http://root@h:1/d")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "taosink audit: first second",
        "taosink audit: TDengine at http://root@h:1/d: wrong password (0x0357)",
    ]


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets nothing at all."""
    with progress() as step:
        step("records read", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_drawn_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """A bar for each phase; not for each of a million rows."""
    now = 0.0
    with progress(shown=True, clock=lambda: now) as step:
        for done in range(1, 1001):
            step("records read", done, 1000)
        step("records compared", 5, 10)
    err = capsys.readouterr().err
    assert "records read" in err
    assert "1000/1000" in err


def account() -> Account:
    found = Account.over("t", [Part(0, 0, 9, 0, 9)], max_named=2)
    found.records, found.stored, found.merged, found.dead_lettered = 9, 5, 1, 3
    return found


def test_an_account_agrees_only_where_all_is_explained() -> None:
    """Missing, different and (when strict) unexpected rows are faults; so is a count that does not add up."""
    found = account()
    assert found.agrees()
    found.unexpected = 1
    assert (found.agrees(), found.agrees(strict=True)) == (True, False)
    found.different = 1
    assert not found.agrees()
    broken = account()
    broken.stored -= 1
    assert not broken.balanced
    assert not broken.agrees()
    assert "its own counts do not add up" in verdict(broken, strict=False).plain
    lost = account()
    lost.missing, lost.stored = 1, 4
    assert verdict(lost, strict=False).plain == "audit: FAILED, 1 lost, 0 with another value"


def test_what_is_named_is_bounded() -> None:
    """The counts go on; the report says that there are more."""
    found = account()
    for n in range(5):
        found.missing += 1
        found.name(Named("missing", "d", "2025-01-01T00:00:00.000Z", "t", 0, n, "not in the database"))
    told = [line.plain for line in lines(found, strict=False)]
    assert told[:3] == [
        "missing: device d at 2025-01-01T00:00:00.000Z, t/0/0: not in the database",
        "missing: device d at 2025-01-01T00:00:00.000Z, t/0/1: not in the database",
        "and more: --max-named tells how many are named",
    ]
    console = Console(width=200, record=True, quiet=True)
    console.print(counts(found, seconds=1.0))
    assert found.as_json()["lost"] == 5


def test_audit_settings() -> None:
    """The topic's own dead letters and commits unless others are given."""
    found = load(AuditSettings, [("topic", "t")], environ={}).settings
    assert (found.origin.topic, found.origin.dead_letters) == ("t", "t.dlq")
    assert (found.range.first, found.range.last) == (Bound("earliest"), Bound("committed"))
    chosen = load(AuditSettings, [("from", "0:5"), ("to", "end"), ("dlq.topic", "d")], environ={}).settings
    assert chosen.range.first == Bound("offsets", offsets={0: 5})
    assert chosen.origin.dead_letters == "d"


def test_dlq_settings() -> None:
    """Numbers in both notations, times as ages, places with and without a partition."""
    given = [
        ("code", "0x2653,13"),
        ("reason", "malformed"),
        ("since", "2h"),
        ("until", "2025-01-01T00:00:00Z"),
    ]
    found = load(DlqListSettings, given, environ={}).settings.filter
    assert (found.codes, found.reasons) == ((0x2653, 13), ("malformed",))
    assert found.until == datetime(2025, 1, 1, tzinfo=UTC)
    assert found.since is not None
    assert abs(datetime.now(UTC) - found.since - timedelta(hours=2)) < timedelta(minutes=1)
    places = [load(DlqShowSettings, [("at", at)], environ={}).settings.place.place for at in ("3:17", "5")]
    assert places == [(3, 17), (0, 5)]
    purge = [
        load(DlqPurgeSettings, [("before", b)], environ={}).settings.purge.before for b in ("replayed", "9")
    ]
    assert purge == ["replayed", Bound("offset", 9)]
    replay = load(DlqReplaySettings, [], environ={}).settings.replay
    assert (replay.to, replay.yes, replay.max_attempts, replay.check) == ("topic", False, 5, True)


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (AuditSettings, [("topic", "a,b")], "names more than one topic"),
        (AuditSettings, [("topic", "^a.*$")], "names more than one topic"),
        (AuditSettings, [("topic", "a"), ("dlq.topic", "a")], "is a topic that is read"),
        (AuditSettings, [("from", "committed")], "is none of earliest, an offset"),
        (DlqListSettings, [("reason", "rotten")], "'rotten' is no reason; there are malformed, bad_shape"),
        (DlqListSettings, [("code", "x")], "holds no number"),
        (DlqListSettings, [("since", "yesterday")], "is no"),
        (DlqShowSettings, [("at", "a:b")], "is no place of a letter"),
        (DlqPurgeSettings, [("before", "2025-01-01T00:00:00Z")], "is no offset"),
        (DlqReplaySettings, [("max-attempts", "0")], "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_named(
    model: type[AuditSettings], given: Sequence[tuple[str, str]], words: str
) -> None:
    """Before anything is connected to."""
    with pytest.raises(SettingsError, match=words):
        load(model, given, environ={})
