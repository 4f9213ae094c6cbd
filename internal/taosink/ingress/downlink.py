"""What the broker's side tells the gateway, brought to the socket it belongs to."""

from collections.abc import Iterable, Mapping
from typing import Any

from taosdevice.protocol import Code, command
from taosink.ingress.asking import Asking
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Command, Counting, WorkerAnswer
from taosink.ingress.session import Session
from taosink.ingress.session_ports import Pause
from taosink.ingress.sessions import Sessions

_KEYS = ("action", "uid", "data", "status", "errorCode", "errorMessage")


class SocketDownlink:
    """`ports.Downlink`. Used on the loop's thread; nothing raises for what another process wrote."""

    def __init__(self, sessions: Sessions, owed: OwedAnswers, asking: Asking, counting: Counting) -> None:
        self._sessions = sessions
        self._owed = owed
        self._asking = asking
        self._counting = counting

    def __repr__(self) -> str:
        return f"<SocketDownlink {self._sessions!r}>"

    def stored(self, answers: Iterable[WorkerAnswer]) -> None:
        """As `ports.Downlink`."""
        strangers = self._owed.tell(answers)
        if strangers:
            self._counting.count("event", "stored_for_nobody", strangers)

    def respond(self, client: str | None, device: str | None, response: Mapping[str, Any]) -> bool:
        """As `ports.Downlink`."""
        if self._asking.answer(client, response):
            return True
        session = self._find(client, device)
        if session is None:
            self._counting.count("event", "response_for_nobody")
            return False
        message = {key: response[key] for key in _KEYS if response.get(key) is not None}
        sent = self._send(session, message)
        self._counting.count("event", "response" if sent else "response_not_sent")
        return sent

    def command(self, device: str, client: str | None, command_: Command) -> bool:
        """As `ports.Downlink`."""
        session = self._find(client, device)
        # Who does not read his answers would not read a command either; it waits in its topic.
        if session is None or session.device is None or session.pauses & Pause.OUTPUT:
            return False
        return self._send(session, command(command_.id, command_.data, expects_result=command_.answer))

    def replaced(self, device: str, client: str) -> None:
        """As `ports.Downlink`."""
        session = self._sessions.by_client(client)
        if session is not None and session.device == device:
            session.close(Code.REPLACED, "the device has connected anew, at another gateway")

    def held(self) -> Iterable[tuple[str, str]]:
        """As `ports.Downlink`."""
        return self._sessions.held()

    def _find(self, client: str | None, device: str | None) -> Session | None:
        if client is not None:
            return self._sessions.by_client(client)
        return self._sessions.by_device(device) if device is not None else None

    def _send(self, session: Session, message: Mapping[str, Any]) -> bool:
        try:
            return session.send(message)
        except ValueError:
            # A worker's data that the device's framing has no form for.
            self._counting.count("event", "response_no_form")
            return False
