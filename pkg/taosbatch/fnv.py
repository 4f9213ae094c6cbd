"""FNV-1a, 32 bit: which partition a device belongs to (http://www.isthe.com/chongo/tech/comp/fnv/)."""

_OFFSET_BASIS = 0x811C9DC5
_PRIME = 0x01000193


def fnv1a_32(data: bytes | str) -> int:
    """The hash of the bytes, or of the text's UTF-8 form: 0 <= hash < 2**32.

    Lone surrogates are hashed as the three bytes that they would be, so that no text raises.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    value = _OFFSET_BASIS
    for byte in data:
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value


def partition(device: bytes | str, count: int) -> int:
    """The partition of a device among `count`: all its readings share one, which keeps their order."""
    return fnv1a_32(device) % count
