"""The audit's last word, for people. Pure."""

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from taosink.audit.account import Account

_COUNTS = (
    ("records in the range", "records"),
    ("stored", "stored"),
    ("merged (the precision makes timestamps equal)", "merged"),
    ("repeated (the same timestamp produced again)", "repeated"),
    ("dead-lettered", "dead_lettered"),
    ("LOST (neither stored nor dead-lettered)", "missing"),
)
_FAULTS = (
    ("of them behind the group's committed offset", "pending"),
    ("rows with another value than the last one sent", "different"),
    ("rows that no record explains", "unexpected"),
    ("rows that only a dead letter explains (replayed)", "replayed"),
    ("dead letters of other records", "letters_elsewhere"),
    ("dead letters of the same record again", "letters_repeated"),
    ("foreign records among the dead letters", "letters_foreign"),
)


def counts(account: Account, *, seconds: float) -> Table:
    """What became of the records, and how they spread over the partitions."""
    table = Table(title=escape(f"taosink audit: topic {account.topic}"), title_justify="left")
    table.add_column("")
    table.add_column("count", justify="right")
    for text, name in _COUNTS:
        table.add_row(text, f"{getattr(account, name):,}")
    for text, name in _FAULTS:
        if count := getattr(account, name):
            table.add_row(text, f"{count:,}")
    table.add_row("devices", f"{account.devices:,}")
    table.add_section()
    for lane in account.lanes.values():
        part = lane.part
        told = f"{lane.records:,}" + (f", {lane.missing:,} lost" if lane.missing else "")
        table.add_row(f"partition {part.partition}, offsets {part.start} to {part.end}", told)
    table.add_section()
    table.add_row("seconds", f"{seconds:.1f}")
    return table


def lines(account: Account, *, strict: bool) -> list[Text]:
    """Remarks, what is named, and the verdict last. Not to be wrapped: a line is a record."""
    lines = [Text(f"note: {remark}", style="yellow") for remark in account.remarks]
    lines += [Text(str(named), style="red") for named in account.named]
    if account.missing + account.different > len(account.named):
        lines.append(Text("and more: --max-named tells how many are named"))
    return [*lines, verdict(account, strict=strict)]


def verdict(account: Account, *, strict: bool) -> Text:
    if account.agrees(strict=strict):
        return Text("audit: every record is accounted for, device by device", style="green")
    if not account.balanced:
        return Text("audit: FAILED, its own counts do not add up; report this", style="bold red")
    faults = [
        f"{account.missing:,} lost",
        f"{account.different:,} with another value",
        *([f"{account.unexpected:,} unexplained rows"] if strict else []),
    ]
    return Text(f"audit: FAILED, {', '.join(faults)}", style="bold red")
