"""Signals that come before the application can take them: while Python still imports, or settings are read.

Without a handler SIGTERM would end the process by itself (-15 for the supervisor), and the first process of a
container would not even notice it; SIGHUP, which asks for no end at all, would end it as well.
"""

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HELD = (*SIGNALS, signal.SIGHUP)

_asked = False
_taken = False
_reload = False


def hold() -> None:
    """From now on a first signal is kept, and a second one ends the process: nothing has been read. SIGHUP is noted
    and ends nothing, for as long as nobody else handles it. Main thread only.

    To be called before anything heavy is imported, by commands that call `take` once they have handlers of their own.
    """
    for number in SIGNALS:
        signal.signal(number, _note)
    # What `nohup` had ignored stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _note_reload)
    # A former self may have blocked them while it replaced itself.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def take() -> bool:
    """Whether a signal came since `hold`. The caller answers for all that come from now on."""
    global _taken  # noqa: PLW0603 - one process has one set of signal handlers
    _taken = True
    return _asked


def reload_asked() -> bool:
    """Whether SIGHUP came since `hold`: what was read before it may be old."""
    return _reload


def over() -> None:
    """The command has ended: a further signal asks for nothing more. Without it one that comes while the interpreter
    takes itself down, which puts the default handlers back, would change the exit code to -15."""
    for number in _HELD:
        signal.signal(number, signal.SIG_IGN)


def block() -> bool:
    """Keeps signals pending while the process replaces itself, which forgets handlers and what they noted; the new
    self's `hold` takes them. False where one came before: it must not replace itself then."""
    if signal.getsignal(signal.SIGTERM) is not _note:
        return True
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    if _asked:
        unblock()
        return False
    return True


def unblock() -> None:
    """The process was not replaced."""
    if signal.getsignal(signal.SIGTERM) is _note:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603 - as above
    if _asked and not _taken:
        os._exit(0)
    _asked = True


def _note_reload(_number: int, _frame: FrameType | None) -> None:
    global _reload  # noqa: PLW0603 - as above
    _reload = True
