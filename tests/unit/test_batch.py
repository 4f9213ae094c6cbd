from hypothesis import given
from hypothesis import strategies as st
from support.chunks import Feed, lane

from taosbatch.batch import Batch


def test_by_chunk_finds_the_chunk_and_the_place_of_each_index() -> None:
    """Batch indices are those of `values()`; chunks without any are left out."""
    feed = Feed()
    chunks = (feed.chunk(lane(0), 3), feed.chunk(lane(1), 2), feed.chunk(lane(0), 4))
    batch = Batch(chunks, first_at=1.0)
    assert batch.starts == (0, 3, 5, 9)
    assert len(batch) == 9
    assert batch.lanes == (lane(0), lane(1))
    assert list(batch.by_chunk([0, 2, 5, 8])) == [(chunks[0], [0, 2]), (chunks[2], [0, 3])]
    assert list(batch.by_chunk([])) == []


def test_the_values_of_one_chunk_are_not_copied() -> None:
    """The usual batch of one chunk costs no copy; several are joined in order."""
    feed = Feed()
    one, two = feed.chunk(lane(0), 2), feed.chunk(lane(1), 1)
    assert Batch((one,), 0.0).values() is one.values
    assert Batch((one, two), 0.0).values() == one.values + two.values


@given(st.data())
def test_every_index_comes_back_as_the_value_it_names(data: st.DataObject) -> None:
    """Whatever indices: the values that by_chunk leads to are those that values() has there."""
    feed = Feed()
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    batch = Batch(tuple(feed.chunk(lane(i % 3), n) for i, n in enumerate(sizes)), 0.0)
    indices = sorted(data.draw(st.sets(st.integers(0, len(batch) - 1))))
    found = [chunk.values[i] for chunk, within in batch.by_chunk(indices) for i in within]
    assert found == [batch.values()[i] for i in indices]


@given(st.integers(1, 50), st.integers(0, 1000), st.data())
def test_a_split_loses_neither_records_nor_bytes(records: int, nbytes: int, data: st.DataObject) -> None:
    """Both parts together are the chunk, on its ticket and attempt: the budget stays exact."""
    chunk = Feed().chunk(lane(0), records, nbytes)
    head, tail = chunk.split(data.draw(st.integers(0, records)))
    assert head.values + tail.values == chunk.values
    assert [*head.sources, *tail.sources] == chunk.sources
    assert head.nbytes + tail.nbytes == chunk.nbytes
    assert head.ticket is tail.ticket is chunk.ticket
    assert head.attempt == tail.attempt == chunk.attempt


def test_a_subset_is_one_attempt_later_and_never_larger() -> None:
    """What is handed back keeps its ticket and the time of its queueing."""
    chunk = Feed().chunk(lane(0), 3, 100)
    chunk.queued_at = 7.0
    rest = chunk.subset([0, 2])
    assert rest.values == [chunk.values[0], chunk.values[2]]
    assert (rest.attempt, rest.nbytes, rest.queued_at) == (1, 66, 7.0)
    assert rest.ticket is chunk.ticket
