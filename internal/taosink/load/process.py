"""CPU and memory of a process, as Linux tells them; nothing elsewhere."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE_KIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu` in seconds since the process began, memory in bytes; `peak` is the most that it ever had."""

    cpu: float
    rss: int
    peak: int


def usage(pid: int) -> Usage | None:
    """None where there is no such process, or nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything.
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    sizes = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM")))
    rss, peak = (_bytes(sizes.get(name, "")) for name in ("VmRSS", "VmHWM"))
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), rss, peak)


def _bytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * _PAGE_KIB if text.split() else 0


def raise_descriptors(wanted: int) -> int:
    """Lets this process, and those that it starts, open so many descriptors; returns how many it may."""
    import resource  # noqa: PLC0415 -- where there is none, this is not called

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(best, soft), hard))
    return max(best, soft)
