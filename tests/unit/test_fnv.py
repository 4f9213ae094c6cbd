import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.fnv import fnv1a_32, partition

# From the test suite of the algorithm's authors (test_fnv.c, FNV-1a 32 bit).
VECTORS = {
    b"": 0x811C9DC5,
    b"a": 0xE40C292C,
    b"b": 0xE70C2DE5,
    b"fo": 0x6222E842,
    b"foo": 0xA9F37ED7,
    b"foob": 0x3F5076EF,
    b"fooba": 0x39AAA18A,
    b"foobar": 0xBF9CF968,
    b"chongo was here!\n": 0xD49930D5,
}


@pytest.mark.parametrize(("data", "expected"), VECTORS.items())
def test_agrees_with_the_published_vectors(data: bytes, expected: int) -> None:
    """The hashes are those of the algorithm's own test suite."""
    assert fnv1a_32(data) == expected


def test_a_text_is_hashed_as_utf8() -> None:
    """A device name and its UTF-8 bytes are the same device."""
    assert fnv1a_32("température°") == fnv1a_32("température°".encode())


@given(st.one_of(st.binary(), st.text(st.characters(exclude_categories=[]))), st.integers(1, 1000))
def test_a_partition_is_unsigned_and_in_range(device: bytes | str, count: int) -> None:
    """Any name has a partition, lone surrogates included, and it is the unsigned hash modulo the count."""
    assert 0 <= fnv1a_32(device) < 2**32
    assert partition(device, count) == fnv1a_32(device) % count
