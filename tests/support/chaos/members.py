"""Members of the group: real `taosink consumer` processes, kept alive as an orchestrator would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taosink.demo.child import DIE_WITH_PARENT

LAUNCHER = (sys.executable, "-m", "taosink_cli")
FINE = frozenset((0, 3))
"""Exit codes of a stop that was asked for: drained, or left with work pending."""
FATAL_CLIENT = 4
"""The one end that a consumer may come to by itself."""


@dataclass(slots=True)
class Member:
    """One place in the group and the process that has it at present. `wanted`: it is started again when it ends."""

    name: str
    command: Sequence[str]
    logs: Path
    wanted: bool = False
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    asked_at: float | None = None
    frozen: bool = False

    @property
    def log(self) -> Path:
        return self.logs / f"{self.name}.{self.starts}.log"

    def start(self) -> None:
        self.starts += 1
        tie = [sys.executable, "-c", DIE_WITH_PARENT] if sys.platform == "linux" else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*tie, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def working(self) -> bool:
        """Whether its process has come as far as joining the group."""
        return self.process is not None and b'"consumer.started"' in self.log.read_bytes()

    def send(self, number: signal.Signals) -> bool:
        """False where its process has ended already, or has not been started."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        if number is signal.SIGTERM and self.asked_at is None:
            self.asked_at = time.monotonic()
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self.frozen = number is signal.SIGSTOP
            if self.asked_at is not None:
                self.asked_at = time.monotonic()  # while it was frozen it could do nothing
        return True


@dataclass(slots=True)
class Group:
    """All members. One thread's; leaving the `with` kills what is still there."""

    arguments: Mapping[str, str]
    names: Sequence[str]
    logs: Path
    stop_within: float
    members: dict[str, Member] = field(init=False)
    exits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        flags = [f"--{name}={value}" for name, value in self.arguments.items()]
        command = [*LAUNCHER, "consumer", "--log.format=json", *flags]
        self.members = {name: Member(name, command, self.logs) for name in self.names}
        for name in os.environ:
            assert not name.startswith("TAOSINK_") or name.startswith("TAOSINK_TEST_"), name

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members.values():
            if member.process is not None:
                member.process.kill()
                member.process.wait()

    def begin(self, kind: str, name: str) -> bool:
        """Whether it hit a process."""
        member = self.members[name]
        if kind == "join":
            member.wanted = True
            return True
        if kind in ("kill", "leave"):
            member.wanted = False
        return member.send(
            {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}.get(kind, signal.SIGTERM)  # restart and leave
        )

    def end(self, kind: str, name: str) -> None:
        member = self.members[name]
        if kind == "freeze":
            member.send(signal.SIGCONT)
        elif kind == "join":
            member.wanted = False
            member.send(signal.SIGTERM)
        else:
            member.wanted = True

    def heal(self) -> None:
        """Every member up and running; the spares leave."""
        for member in self.members.values():
            member.send(signal.SIGCONT)
            member.wanted = member.name.startswith("member")
            if not member.wanted:
                member.send(signal.SIGTERM)

    def tend(self) -> None:
        """Notes who has ended, and how, and starts those that are wanted. To be called often."""
        for member in self.members.values():
            process = member.process
            if process is not None and (code := process.poll()) is not None:
                self._ended(member, code)
            elif process is not None and member.asked_at is not None:
                self._overdue(member)
            if member.process is None and member.wanted:
                member.start()

    def stop(self, patience: float) -> list[int]:
        """SIGTERM to all; waits for their ends and returns the exit codes."""
        running = [m for m in self.members.values() if m.process is not None]
        for member in running:
            member.wanted = False
            member.send(signal.SIGTERM)
        codes = []
        for member in running:
            assert member.process is not None
            codes.append(member.process.wait(patience))
            self._ended(member, codes[-1])
        return codes

    def _ended(self, member: Member, code: int) -> None:
        asked = member.asked_at is not None
        how = "killed" if code == -signal.SIGKILL else str(code)
        if asked and code == -signal.SIGTERM and not member.log.stat().st_size:
            # Python was still loading: nothing had been begun that could be stopped in order.
            how = "not_begun"
        self.exits[how] += 1
        fine = how in ("killed", "not_begun") or code == FATAL_CLIENT or (asked and code in FINE)
        if not fine:
            self.wrong.append(f"{member.name}.{member.starts} ended with {code}, asked to stop: {asked}")
        member.process, member.asked_at, member.frozen = None, None, False

    def _overdue(self, member: Member) -> None:
        assert member.asked_at is not None
        if not member.frozen and time.monotonic() - member.asked_at > self.stop_within:
            self.wrong.append(f"{member.name}.{member.starts} did not stop within {self.stop_within} s")
            assert member.process is not None
            member.process.kill()

    def said(self) -> Iterator[dict[str, Any]]:
        """Every log event of every process so far."""
        for path in sorted(self.logs.glob("*.log")):
            yield from events(path)


def events(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log, `log` naming the file; a line that was cut by SIGKILL is passed over."""
    with path.open() as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                yield {"event": "not_json", "line": line.rstrip(), "log": path.name}
                continue
            yield {**event, "log": path.name}
