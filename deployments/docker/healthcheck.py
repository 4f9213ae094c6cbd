"""The image's HEALTHCHECK: asks the command that runs here whether it is alive (`/livez`). Standard library alone.

Alive, not ready: an outage of Kafka or TDengine is waited for, and a restart would not end it. A command without
a listener is healthy while it runs: its end, and its exit code, say the rest.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LISTENERS = {"consumer": "status.listen", "ingress": "ingress.admin-listen"}
DEFAULTS = {"status.listen": "127.0.0.1:0", "ingress.admin-listen": "127.0.0.1:8081"}
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a listener may be told
PATIENCE = 3.0
"""Seconds; below the HEALTHCHECK's own timeout, so that the reason is told."""


def address_of(command_line: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Where the command of this process line answers `/livez`; None where it does not, or nobody can know where."""
    words = [Path(word).name for word in command_line]
    if "taosink" not in words:
        return None
    rest = command_line[words.index("taosink") + 1 :]
    setting = LISTENERS.get(rest[0]) if rest else None
    if setting is None:
        return None
    host, colon, number = _listen(setting, rest[1:], environ).rpartition(":")
    if not colon or not number.isdecimal() or int(number) == 0:
        return None
    host = host.strip("[]")
    return LOOPBACK.get(host, host), int(number)


def _listen(setting: str, flags: Sequence[str], environ: Mapping[str, str]) -> str:
    variable = "TAOSINK_" + setting.upper().replace(".", "_").replace("-", "_")
    found = environ.get(variable) or DEFAULTS[setting]
    for index, flag in enumerate(flags):
        name, equals, value = flag.lstrip("-").partition("=")
        if flag.startswith("-") and name == setting:
            found = value if equals else "".join(flags[index + 1 : index + 2])
    return found


def ask(host: str, number: int) -> tuple[bool, str]:
    """Whether it is alive, and its answer's first line and body."""
    request = f"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, number), PATIENCE) as connection:
        connection.sendall(request.encode())
        answer = b""
        while len(answer) < 4096 and (read := connection.recv(4096)):
            answer += read
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    line = head.partition("\r\n")[0]
    return line.split(" ")[1:2] == ["200"], f"{line} {body[:500]}".strip()


def main() -> int:
    line = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    address = address_of(line, os.environ)
    if address is None:
        sys.stdout.write("it runs; this command answers no probe\n")
        return 0
    try:
        alive, answer = ask(*address)
    except OSError as error:
        alive, answer = False, f"no answer at {address[0]}:{address[1]}: {error}"
    sys.stdout.write(f"{answer}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
