"""The commonest answers, put together from parts that never change."""

import json

import msgspec

from taosdevice.framing import Framing
from taosdevice.protocol import OK, RESPONSE
from taosink.ingress.ports import Uid

_json = msgspec.json.Encoder().encode
_packed = msgspec.msgpack.Encoder().encode


class OkAnswer:
    """The answer `ok` without data, for one action. `json` and `msgpack` give whole frames."""

    def __init__(self, action: str) -> None:
        name = action + RESPONSE
        self._json = (b'{"action":' + json.dumps(name).encode() + b',"uid":', b',"status":"ok"}\n')
        self._bare = b'{"action":' + json.dumps(name).encode() + b',"status":"ok"}\n'
        status = _packed("status") + _packed(OK)
        head = _packed("action") + _packed(name)
        self._packed = (b"\x83" + head + _packed("uid"), status)
        self._packed_bare = _framed(b"\x82" + head + status)

    def frame(self, framing: Framing, uid: Uid | None) -> bytes:
        """One frame, as `encode_frame` would make it of the same message."""
        if framing is Framing.JSON_LINES:
            before, after = self._json
            return self._bare if uid is None else before + _json(uid) + after
        before, after = self._packed
        return self._packed_bare if uid is None else _framed(before + _packed(uid) + after)


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


OK_DATA = OkAnswer("data")
