"""A mapping of somebody's own that never returns."""

import threading


def row(_value: bytes) -> None:
    threading.Event().wait()
