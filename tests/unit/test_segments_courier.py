"""Parcels to a real URL: order, tries, and what a stop leaves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.kafka_broker import free_ports
from support.segments_receiver import Receiver, receiving
from support.source_rig import wait_for

from taosbatch.backoff import Backoff
from taosink.ingress.callbacks import Poster
from taosink.segments.courier import Courier, Fate, Parcel

QUICK = Backoff(first=0.01, max=0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@contextmanager
def courier(url: str, **more: object) -> Iterator[Courier]:
    poster = Poster(url, timeout=5.0)
    made = Courier("test", poster.post, backoff=QUICK, **more)  # type: ignore[arg-type] # the tests' own names
    made.start()
    try:
        yield made
    finally:
        assert made.stop(5.0) == []
        poster.close()


class Fates:
    def __init__(self) -> None:
        self.found: list[tuple[str, Fate, str]] = []

    def parcel(self, key: str, *texts: str, wanted: bool = True) -> Parcel:
        bodies = [b'{"data":"%s"}' % text.encode() for text in texts]
        return Parcel(key, bodies, lambda f, d: self.found.append((key, f, d)), lambda: wanted)


def test_parcels_of_one_key_go_in_order(receiver: Receiver) -> None:
    """Whatever the other threads do."""
    fates = Fates()
    with courier(receiver.url) as made:
        for n in range(30):
            assert made.put(fates.parcel(f"k{n % 3}", f"k{n % 3} {n:02} a", f"k{n % 3} {n:02} b"))
        assert made.flush(10) == 0
    for key in ("k0", "k1", "k2"):
        of_key = [b["data"] for b in receiver.bodies if b["data"].startswith(key)]
        assert of_key == sorted(of_key)
        assert len(of_key) == 20
    assert {fate for _, fate, _ in fates.found} == {Fate.DELIVERED}


@pytest.mark.parametrize(
    ("status", "fate"),
    [(400, Fate.REFUSED), (500, Fate.GIVEN_UP), (429, Fate.GIVEN_UP), (302, Fate.GIVEN_UP)],
)
def test_an_answer_decides(receiver: Receiver, status: int, fate: Fate) -> None:
    """A 4xx ends it at once, but for those that are of the moment; the rest is tried again."""
    receiver.status = status
    fates = Fates()
    with courier(receiver.url, attempts=3) as made:
        made.put(fates.parcel("k", "a", "b"))
        assert made.flush(10) == 0
    assert [(f, d) for _, f, d in fates.found] == [(fate, f"{status} ok")]
    assert [b["data"] for b in receiver.refused] == ["a"] * (1 if fate is Fate.REFUSED else 3)


def test_nobody_there_is_tried_again_until_somebody_is() -> None:
    """Without end, where no number of tries is given; what is not wanted any more is dropped unsent."""
    fates, wanted = Fates(), threading.Event()
    wanted.set()
    with courier(f"http://127.0.0.1:{free_ports(1)[0]}/") as made:
        made.put(Parcel("k", [b"{}"], lambda f, d: fates.found.append(("k", f, d)), wanted.is_set))
        wait_for(lambda: made.failing)
        assert made.flush(0.1) == 1
        wanted.clear()
        assert made.flush(10) == 0
    assert [fate for _, fate, _ in fates.found] == [Fate.DROPPED]
    assert "refused" in fates.found[0][2]


def test_a_full_courier_takes_no_more_and_a_stopped_one_nothing(receiver: Receiver) -> None:
    """One parcel of any size is always taken; a stop leaves what waits, and says nothing of it."""
    receiver.status = 500
    fates = Fates()
    with courier(receiver.url, max_bytes=1500) as made:
        assert made.put(fates.parcel("k", "x" * 5000))
        assert not made.put(fates.parcel("k", "y"), timeout=0.05)
        receiver.status = 200
        assert made.put(fates.parcel("k", "y"), timeout=10)
        made.flush(10)
        receiver.status = 500
        assert made.put(fates.parcel("k", "z"))
        made.stop(5.0)
        assert not made.put(fates.parcel("k", "z"))
        assert made.waiting == 1
    assert [fate for _, fate, _ in fates.found] == [Fate.DELIVERED] * 2


def test_a_defect_is_kept_and_ends_waits(receiver: Receiver) -> None:
    """A callback that raises must not leave its owner waiting for ever."""

    def broken(_fate: Fate, _detail: str) -> None:
        raise RuntimeError("a defect")

    with courier(receiver.url) as made:
        made.put(Parcel("k", [b"{}"], broken))
        assert made.flush(10) == 1
        assert isinstance(made.failure, RuntimeError)
