"""The bounded set of subtables that need no USING."""

from hypothesis import given
from hypothesis import strategies as st

from taosink.taos.known_tables import KnownTables


@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=5), max_size=40), st.integers(1, 8))
def test_it_is_bounded_and_keeps_what_was_just_learned(steps: list[list[str]], limit: int) -> None:
    """Never more than the limit (at least two), and the last names learned are in it."""
    known = KnownTables(limit)
    for names in steps:
        known.learn(names)
        assert len(known) <= max(2, limit)
        assert all(name in known for name in names[-max(1, limit // 2) :][-1:])


def test_names_that_are_written_again_stay() -> None:
    """A subtable in steady use survives any number of others that come and go."""
    known = KnownTables(100)
    for i in range(1000):
        known.learn(["steady", f"passing{i}"])
    assert "steady" in known
    assert "passing0" not in known


def test_forget_and_clear() -> None:
    """Forgotten names are written with USING again."""
    known = KnownTables(4)
    known.learn(["a", "b", "c", "d"])
    known.forget(["a", "d", "never"])
    assert [name for name in "abcd" if name in known] == ["b", "c"]
    known.clear()
    assert len(known) == 0
