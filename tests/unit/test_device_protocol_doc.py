"""docs/PROTOCOL.md: its bytes are right, and a gateway made of the protocol's own functions answers as it says."""

import re
from typing import Any

import pytest
from support.protocol_doc import DOC, Example, examples, fits, is_canonical, payload

from taosdevice.framing import FrameError, Framing, decode_frame
from taosdevice.names import PONG, RESPONSE
from taosdevice.protocol import (
    BATCH,
    COMMAND_RESULT,
    CONNECT,
    DATA,
    PING,
    Code,
    ProtocolError,
    answer,
    batch_answer,
    closing,
    command,
    connected,
    goodbye,
    pong,
    read_request,
    record_of,
    records_of,
    rejected_entry,
)

ALL = examples()
CODES = {value for name, value in vars(Code).items() if name.isupper()}


def by_line(example: Example) -> str:
    return f"line {example.line}"


class Replier:
    """What a gateway does with a request, as far as pure functions can."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self.device = ""

    def __call__(self, body: bytes) -> dict[str, Any]:
        try:
            return self.answer(body)
        except FrameError as error:
            return closing(error.code, error.text)
        except ProtocolError as error:
            return error.answer()

    def answer(self, body: bytes) -> dict[str, Any]:
        request = read_request(self.framing, body)
        if request.action == CONNECT:
            self.device = request.device or ""
            return connected(request.uid, "c", "s", {"maxFrame": 65_536})
        if request.action == PING:
            return pong(request.uid)
        try:
            if not self.device:
                raise ProtocolError(Code.NOT_CONNECTED, "connect first")
            if request.action == DATA:
                record_of(self.framing, self.device, request.data)
                return answer(DATA, request.uid, "ok")
            assert request.action == BATCH
            found = list(enumerate(records_of(self.framing, self.device, request.data)))
        except ProtocolError as error:
            raise ProtocolError(error.code, error.text, uid=request.uid, action=request.action) from None
        bad = [rejected_entry(at, one.code, one.text) for at, one in found if isinstance(one, ProtocolError)]
        return batch_answer(request.uid, len(found) - len(bad), bad)


@pytest.mark.parametrize("example", ALL, ids=by_line)
def test_every_message_is_written_as_our_encoder_writes_it(example: Example) -> None:
    """Byte by byte, unless it is meant to be wrong."""
    for step in example.steps:
        try:
            message = decode_frame(example.framing, payload(example.framing, step.wire))
        except FrameError:
            assert b'"action":"ping","action":"ping"' in step.wire
        else:
            assert is_canonical(example.framing, message, step.wire)


@pytest.mark.parametrize("example", [one for one in ALL if not one.shown], ids=by_line)
def test_the_protocols_functions_answer_as_it_says(example: Example) -> None:
    """Each request, with the answer that stands behind it, and nothing left over."""
    reply, due = Replier(example.framing), []
    for step in example.steps:
        body = payload(example.framing, step.wire)
        if step.sent:
            due.append(reply(body))
        else:
            expected, found = decode_frame(example.framing, body), due.pop(0)
            assert fits(expected, found), f"{expected} is shown, {found} is said"
    assert due == []


@pytest.mark.parametrize("example", [one for one in ALL if one.shown], ids=by_line)
def test_what_is_only_shown_is_made_by_the_builders(example: Example) -> None:
    """Requests are read without an error, and each answer is one that a builder makes."""
    for step in example.steps:
        body = payload(example.framing, step.wire)
        message = decode_frame(example.framing, body)
        if step.sent:
            read_request(example.framing, body)
            continue
        name, uid, code = message["action"], message.get("uid"), message.get("errorCode", "")
        text, data = message.get("errorMessage", ""), message.get("data")
        if name == "command":
            assert isinstance(uid, str)
            built = command(uid, data, expects_result=message["answer"])
        elif name == "goodbye":
            built = goodbye(message["data"]["reconnectAfterMs"], text=text)
        elif name in ("close", "replaced"):
            built = closing(code, text)
        else:
            built = answer(
                name.removesuffix(RESPONSE), uid, message["status"], data=data, code=code, text=text
            )
        assert list(built.items()) == list(message.items())


def test_every_action_is_shown_and_in_both_framings_where_it_matters() -> None:
    """No block was lost: a fence that is not closed would hide them without a word."""
    shown: dict[Framing, set[str]] = {framing: set() for framing in Framing}
    for example in ALL:
        for step in example.steps:
            try:
                message = decode_frame(example.framing, payload(example.framing, step.wire))
            except FrameError:
                continue
            shown[example.framing].add(message["action"])
    for actions in shown.values():
        assert {CONNECT, PING, PONG, DATA, BATCH, COMMAND_RESULT, "command"} <= actions
    assert {"goodbye", "close", "replaced"} <= shown[Framing.JSON_LINES]
    assert DOC.read_text().count("```protocol") == len(ALL)


def test_the_table_of_codes_is_the_protocols() -> None:
    """None is missing, and none is made up."""
    table = DOC.read_text().partition("## Error codes")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) - {"errorCode"} == CODES
