"""Commands on the device's side: each is done once, however often it is delivered. Pure."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taosdevice.names import COMMAND_RESULT, ERROR, OK


@dataclass(frozen=True, slots=True)
class Command:
    """What the gateway wants done. `answer`: it waits for a result."""

    id: str
    data: Any
    answer: bool


class Orders:
    """Commands to do, in order, and the results of those that were done, as far as `memory` reaches."""

    def __init__(self, memory: int, waiting: int) -> None:
        self._memory = memory
        self._limit = waiting
        self._known: OrderedDict[str, dict[str, Any] | None] = OrderedDict()
        self._to_do: deque[Command] = deque()

    def __repr__(self) -> str:
        return f"<Orders to_do={len(self._to_do)} known={len(self._known)}>"

    def take(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """A delivered command. What it gives back is the result of one that was done before: send it again.

        One beyond the bound is passed over unremembered: the gateway delivers it again.
        """
        uid = message.get("uid")
        if not isinstance(uid, str):
            return None
        if uid in self._known:
            return self._known[uid]
        if len(self._to_do) >= self._limit:
            return None
        self._known[uid] = None
        while len(self._known) > self._memory:
            self._known.popitem(last=False)
        self._to_do.append(Command(uid, message.get("data"), message.get("answer") is True))
        return None

    def next(self) -> Command | None:
        """The next to be done."""
        return self._to_do.popleft() if self._to_do else None

    def done(self, command: Command, data: Any, failure: str = "") -> dict[str, Any] | None:
        """The message to send, which is remembered; None where no result is wanted."""
        if not command.answer:
            return None
        result: dict[str, Any] = {
            "action": COMMAND_RESULT,
            "uid": command.id,
            "status": ERROR if failure else OK,
        }
        if data is not None:
            result["data"] = data
        if failure:
            result["errorMessage"] = failure
        if command.id in self._known:
            self._known[command.id] = result
        return result
