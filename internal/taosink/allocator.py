"""glibc's allocator, kept from holding on to what large records leave behind."""

import ctypes
import sys

MMAP_THRESHOLD = 256 << 10
"""Bytes from which a block is mapped by itself and goes back to the system when it is freed. glibc's own threshold
rises to the largest block that was freed, up to 32 MiB; statements and fetched batches then come from its heaps,
which cannot shrink while a small object lies behind them."""

_M_MMAP_THRESHOLD = -3


def return_large_blocks() -> bool:
    """Fixes the threshold for this process; False where the C library is another. Never raises."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD))
