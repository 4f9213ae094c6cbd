"""Cutting and joining texts."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taosbatch.segments import cut, join, legible

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(TEXTS, st.integers(4, 120))
@example("", 4)
@example("é" * 100, 99)
@example("😀" * 30, 7)
def test_pieces_are_whole_characters_within_the_limit_and_give_the_text_back(text: str, limit: int) -> None:
    """Whatever the text, each piece fits, none but that of the empty text is empty, and nothing is missing."""
    pieces = cut(text, limit)
    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert all(pieces) or pieces == [""]
    assert join(pieces) == text


@given(TEXTS, st.integers(4, 120))
def test_no_piece_is_shorter_than_it_has_to_be(text: str, limit: int) -> None:
    """The next character would not have fitted."""
    pieces = cut(text, limit)
    for piece, following in pairwise(pieces):
        assert len((piece + following[0]).encode()) > limit


@given(TEXTS, st.lists(st.integers(0, 1600)))
def test_bytes_cut_inside_characters_come_whole_again(text: str, places: list[int]) -> None:
    """Pieces of a sender that cuts its UTF-8 anywhere, read with surrogateescape."""
    data = text.encode()
    edges = sorted({0, len(data), *(p for p in places if p < len(data))})
    pieces = [data[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise(edges)]
    assert join(pieces) == text == legible(pieces)


@given(TEXTS, st.lists(st.integers(0, 800)))
def test_utf_16_cut_inside_a_pair_comes_whole_again(text: str, places: list[int]) -> None:
    """Pieces of a sender whose strings are UTF-16, and who sends half a pair as an escape."""
    data = text.encode("utf-16-le")
    edges = sorted({0, len(data), *(2 * p for p in places if 2 * p < len(data))})
    pieces = [data[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]
    assert join(pieces) == text


@given(st.lists(st.text(), max_size=5))
def test_whatever_stands_there_is_made_legible(pieces: list[str]) -> None:
    """Text with lone surrogates anywhere becomes text that has a UTF-8 form."""
    legible(pieces).encode()


def test_halves_that_stay_halves_are_an_error_and_shown_as_replaced() -> None:
    """A text of which nobody has the other half."""
    half = "é".encode()[:1].decode("utf-8", "surrogateescape")
    for broken in (half, "\ud83d", "\ude00"):
        with pytest.raises(ValueError, match="utf-8"):
            join(["a", broken, "b"])
        assert legible(["a", broken, "b"]) == "a\ufffdb"


def test_what_cannot_be_cut_is_refused() -> None:
    """A limit that holds no character, and text that is none."""
    with pytest.raises(ValueError, match="holds no character"):
        cut("a", 3)
    with pytest.raises(ValueError, match="surrogates"):
        cut("\ud83d")
