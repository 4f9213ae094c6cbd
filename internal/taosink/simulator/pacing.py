"""When the next record is due. Pure."""


def due_in(rate: float | None, sent: int, elapsed: float) -> float:
    """Seconds until record number `sent` (from 0) may go, at `rate` records a second; None is no limit.

    A producer that was held up catches up: the rate is that of the whole run.
    """
    if rate is None:
        return 0.0
    return max(0.0, sent / rate - elapsed)
