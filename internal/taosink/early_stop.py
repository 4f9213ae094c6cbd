"""Signals that come before the application can take them: while Python still imports, or settings are read.

Without a handler SIGTERM would end the process by itself (-15 for the supervisor), and the first process of a
container would not even notice it.
"""

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_asked = False
_taken = False


def hold() -> None:
    """From now on a first signal is kept, and a second one ends the process: nothing has been read. Main thread only.

    To be called before anything heavy is imported, by commands that call `take` once they have handlers of their own.
    """
    for number in SIGNALS:
        signal.signal(number, _note)
    # A former self may have blocked them while it replaced itself.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def take() -> bool:
    """Whether a signal came since `hold`. The caller answers for all that come from now on."""
    global _taken  # noqa: PLW0603 - one process has one set of signal handlers
    _taken = True
    return _asked


def over() -> None:
    """The command has ended: a further signal asks for nothing more. Without it one that comes while the interpreter
    takes itself down, which puts the default handlers back, would change the exit code to -15."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def block() -> bool:
    """Keeps signals pending while the process replaces itself, which forgets handlers and what they noted; the new
    self's `hold` takes them. False where one came before: it must not replace itself then."""
    if signal.getsignal(signal.SIGTERM) is not _note:
        return True
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if _asked:
        unblock()
        return False
    return True


def unblock() -> None:
    """The process was not replaced."""
    if signal.getsignal(signal.SIGTERM) is _note:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603 - as above
    if _asked and not _taken:
        os._exit(0)
    _asked = True
