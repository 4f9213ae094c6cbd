"""Closing a librdkafka handle, which can block for as long as a broker is silent."""

import threading
from collections.abc import Callable

_KEPT: list[object] = []
"""Handles that are not closed: dropping the last reference to one closes it too, and would block as well."""


def keep(handle: object) -> None:
    """Holds on to a handle whose close would block, until the process ends (by os._exit)."""
    _KEPT.append(handle)


def close_within(handle: object, close: Callable[[], object], seconds: float) -> bool:
    """Calls `close` and waits for at most so long. False where it still runs: it is left behind on its daemon
    thread with the handle. Raises what `close` raises. What calls back meanwhile does so on that thread."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            close()
        except BaseException as error:  # noqa: BLE001 - raised again below, on the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, name="kafka-close", daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if thread.is_alive():
        keep(handle)
        return False
    return True
