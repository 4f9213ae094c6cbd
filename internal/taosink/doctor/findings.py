"""What a check found: one line each, and what all of them come to. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from taosink.tools import FAILED, FAULT, FINE


class Status(StrEnum):
    """`NOT_CHECKED` is for what could not be looked at: something before it failed, or nothing tells."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """`do` is what an operator does about it; empty where there is nothing to be done."""

    check: str
    status: Status
    detail: str
    do: str = ""

    @property
    def line(self) -> str:
        """One line, whatever was found."""
        text = f"{self.detail}; {self.do}" if self.do else self.detail
        return f"{self.status:<11}  {self.check:<17}  {' '.join(text.split())}"

    def as_json(self) -> dict[str, str]:
        return {"check": self.check, "status": self.status, "detail": self.detail, "do": self.do}


def ok(check: str, detail: str) -> Finding:
    return Finding(check, Status.OK, detail)


def warning(check: str, detail: str, do: str) -> Finding:
    return Finding(check, Status.WARNING, detail, do)


def failed(check: str, detail: str, do: str) -> Finding:
    return Finding(check, Status.FAILED, detail, do)


def not_checked(check: str, because: str) -> Finding:
    return Finding(check, Status.NOT_CHECKED, because)


SETTINGS = "settings"


def verdict(findings: Iterable[Finding]) -> int:
    """The exit code: 0 where nothing failed, 1 where the settings did, else 6."""
    broken = {f.check for f in findings if f.status is Status.FAILED}
    return FAILED if SETTINGS in broken else FAULT if broken else FINE


def summary(findings: Iterable[Finding]) -> str:
    counts: dict[Status, int] = dict.fromkeys(Status, 0)
    for finding in findings:
        counts[finding.status] += 1
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def softened(findings: Sequence[Finding]) -> list[Finding]:
    """Of several addresses one that works is enough: what failed beside it is a warning."""
    if not any(f.status is Status.OK for f in findings):
        return list(findings)
    return [replace(f, status=Status.WARNING) if f.status is Status.FAILED else f for f in findings]


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
