"""Takes secrets off the command line: the process starts itself anew and hands them over in a pipe."""

import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

Pairs = list[tuple[str, str]]

FD_FLAG = "secrets.fd"
"""Not for people: tells the new self which descriptor to read its secrets from."""


class HandOverError(Exception):
    """The command line cannot be replaced here; what it shows stays visible."""


def hand_over(words: Sequence[str], flags: Pairs, secrets: Pairs) -> NoReturn:
    """Replaces this process by itself, without the secrets among its arguments; keeps its process id.

    `words` are the command's own. Raises HandOverError where that is not possible. To be called before
    threads are started and files opened.
    """
    own = len(sys.argv) - 1
    if not sys.executable or own < 1 or sys.orig_argv[-own:] != sys.argv[1:]:
        raise HandOverError("this process was not started from a command line of its own")
    reader, writer = os.pipe()
    try:
        _fill(writer, json.dumps(secrets).encode())
        os.set_inheritable(reader, True)
        rest = [f"--{name}={value}" for name, value in flags]
        # The full path, and not argv[0]: a bare name would be looked up anew and may be another interpreter.
        argv = [sys.executable, *sys.orig_argv[1:-own], *words, f"--{FD_FLAG}={reader}", *rest]
        os.execv(sys.executable, argv)  # noqa: S606 -- no shell is wanted; the program is this one
    except OSError as error:
        os.close(reader)
        raise HandOverError(error.strerror or "the process could not be replaced") from error


def _fill(writer: int, payload: bytes) -> None:
    # The reader is this process's own later self: a write that blocks would never end.
    try:
        os.set_blocking(writer, False)
        if os.write(writer, payload) != len(payload):
            raise OSError(0, "the secrets do not fit into a pipe")
    finally:
        os.close(writer)


def take_over(descriptor: str) -> Pairs:
    """The secrets that the former self left. Raises HandOverError where there are none."""
    try:
        with open(int(descriptor), "rb") as pipe:
            return [(str(name), str(value)) for name, value in json.loads(pipe.read())]
    except (OSError, ValueError, TypeError) as error:
        raise HandOverError("no secrets were handed over") from error
