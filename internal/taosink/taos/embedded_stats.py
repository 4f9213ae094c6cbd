"""What the embedded database counted; no TDengine has this page."""

from collections.abc import Mapping
from typing import Any

import urllib3

TIMEOUT = 5.0


def embedded_stats(url: str) -> Mapping[str, Any]:
    """`rows_written` and `rows_overwritten` since it started. Raises urllib3.exceptions.HTTPError."""
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
        found: Mapping[str, Any] = pool.request("GET", f"{url}/-/stats").json()
        return found
