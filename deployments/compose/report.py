"""What proof.sh reads and writes as JSON. Standard library alone.

report.py FACTS            the report, of a file with NAME<tab>VALUE a line
report.py --offsets FIELD  `committed` or `lag` of what `taosink offsets show --json` prints; nothing without it
report.py --audit          the audit's report, on one line and without the partitions
report.py --account N      exit code 0 where an audit found N records stored or dead-lettered, and all agree
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def report(lines: str) -> dict[str, Any]:
    """Numbers, booleans and JSON objects as what they are."""
    found: dict[str, Any] = {}
    for line in lines.splitlines():
        name, _, value = line.partition("\t")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def offsets(text: str, field: str) -> int | None:
    """None where the text is no report: nobody answered."""
    try:
        shown = json.loads(text)
    except ValueError:
        return None
    if field == "lag":
        return int(shown["lag"])
    return sum(place["committed"] or 0 for place in shown["partitions"])


def audit(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    return {name: value for name, value in found.items() if name not in {"partitions", "named"}}


def fault(text: str, records: int) -> str:
    """Why this audit proves nothing; empty where it does."""
    found = audit(text)
    if found["lost"] or not found["agrees"]:
        return f"lost {found['lost']}, agrees: {found['agrees']}"
    # Readings that were sent again, because their acknowledgement came late, are counted apart.
    accounted = found["stored"] + found["dead_lettered"]
    if accounted != records:
        return f"{accounted} records are stored or dead-lettered, and {records} were produced"
    return ""


def main(arguments: list[str]) -> int:
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        return _say(json.dumps(report(Path(arguments[0]).read_text()), indent=2, ensure_ascii=False))
    calls: dict[str, Callable[..., int]] = {
        "--offsets": lambda field: _say_some(offsets(sys.stdin.read(), field)),
        "--audit": lambda: _say(json.dumps(audit(sys.stdin.read()))),
        "--account": lambda records: _judge(fault(sys.stdin.read(), int(records))),
    }
    return calls[arguments[0]](*arguments[1:])


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


def _say_some(number: int | None) -> int:
    return 0 if number is None else _say(str(number))


def _judge(reason: str) -> int:
    if reason:
        sys.stderr.write(f"{reason}\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
