"""What workers write on a response topic: to whom it goes, and what is passed over."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.ingress.broker.worker_messages import BROKEN, FOREIGN, CommandWish, Response, read
from taosink.ingress.ports import WorkerAnswer


def told(message: object) -> object:
    return read(json.dumps(message).encode(), "s1", "t-0-5-1000", 1000)


def test_folded_answers_name_their_owners() -> None:
    """The consumer's form: many answers in one message, uids as they were made."""
    found = told(
        {
            "serverId": "s1",
            "answers": [
                {"clientId": "c1", "uid": 7, "status": "ok"},
                {
                    "clientId": "c2",
                    "uid": "7",
                    "index": 3,
                    "status": "rejected",
                    "errorCode": "x",
                    "errorMessage": "y",
                    "ticket": 12,
                },
            ],
        }
    )
    assert found == (
        WorkerAnswer("c1", 7, "ok"),
        WorkerAnswer("c2", "7", "rejected", 3, "x", "y", 12),
    )


def test_a_single_stored_response_is_the_same_answer() -> None:
    """The other form of it."""
    response = {"action": "stored", "uid": "u", "status": "rejected", "index": 0, "errorCode": "e"}
    found = told({"serverId": "s1", "clientId": "c", "deviceUid": "d", "deviceResponse": response})
    assert found == (WorkerAnswer("c", "u", "rejected", 0, "e", ""),)


def test_an_applications_response_is_passed_on_whole() -> None:
    """Also one that names no server: it is for whoever holds the device."""
    response = {"action": "weather.response", "uid": 1, "data": {"t": 3}, "more": [1]}
    assert told({"deviceResponse": response, "deviceUid": "d"}) == Response(None, "d", response, named=False)
    assert told({"deviceResponse": response, "clientId": "c", "serverId": "s1"}) == Response(
        "c", None, response, named=True
    )


def test_a_command_has_an_id_that_every_reader_gives_it() -> None:
    """Its own, else the message's place."""
    assert told(
        {"command": {"data": {"x": 1}, "answer": True, "ttlMs": 50, "id": "i"}, "deviceUid": "d"}
    ) == (CommandWish("i", "d", None, {"x": 1}, answer=True, ttl_ms=50, created_ms=1000))
    assert told({"command": {"data": 1}, "clientId": "c"}) == (
        CommandWish("t-0-5-1000", None, "c", 1, answer=False, ttl_ms=None, created_ms=1000)
    )


@pytest.mark.parametrize(
    "message",
    [
        {"serverId": "s2", "answers": [{"clientId": "c", "uid": 1, "status": "ok"}]},
        {"serverId": "s2", "clientId": "c", "deviceResponse": {"action": "a"}},
    ],
)
def test_what_names_another_server_is_foreign(message: object) -> None:
    """It is counted, and nobody here hears of it."""
    assert told(message) is FOREIGN


@pytest.mark.parametrize(
    "message",
    [
        [],
        {},
        {"serverId": 5},
        {"deviceResponse": {"action": "a"}},
        {"deviceResponse": "a", "clientId": "c"},
        {"serverId": "s1", "answers": [{"clientId": "c", "uid": 1, "status": "maybe"}]},
        {"serverId": "s1", "answers": [{"clientId": "c", "uid": None, "status": "ok"}]},
        {"clientId": "c", "deviceResponse": {"action": "stored"}},
        {"command": {"data": 1}},
        {"command": {"answer": True}, "deviceUid": "d"},
        {"command": {"data": 1, "ttlMs": 0}, "deviceUid": "d"},
        {"command": {"data": 1, "id": "x" * 300}, "deviceUid": "d"},
    ],
)
def test_what_cannot_be_understood_is_broken(message: object) -> None:
    """One such message costs itself only."""
    assert told(message) is BROKEN


@given(st.binary(max_size=60) | st.text(alphabet="[{", max_size=3000).map(str.encode) | st.none())
def test_nothing_on_the_topic_raises(value: bytes | None) -> None:
    """Strangers may write there."""
    assert read(value, "s1", "o", 0) is BROKEN
