"""What each action of a device does. Used on the loop's thread; nothing blocks."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Protocol

from taosdevice.framing import FrameError
from taosdevice.protocol import (
    BATCH,
    COMMAND_RESULT,
    CONNECT,
    DATA,
    PING,
    PROTOCOL_VERSION,
    Code,
    ProtocolError,
    Request,
    answer,
    pong,
    rejected_entry,
)
from taosdevice.records import records_of
from taosdevice.requests import read_request
from taosink.ingress import spoken
from taosink.ingress.envelopes import is_list, request_envelope
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Commands, Counting, Failures, Publishing, Reply, Uid, WorkerAnswer
from taosink.ingress.replies import TOO_LARGE, Pending, mistake, never_taken, refusal
from taosink.ingress.session import Session
from taosink.ingress.session_ports import State

NOT_CONNECTED = "connect first"
SAME_UID = "a request with this uid is waiting for its answer"
NO_WORKERS = "this gateway hears no workers, so ack=stored cannot be answered"
_LABELS = {DATA: DATA, BATCH: BATCH}


class Login(Protocol):
    def __call__(self, session: Session, request: Request) -> None:
        """Begins to authenticate; the session is told by `Actions.admitted` or closed."""
        ...


class Actions:
    """Takes the frames of every session. `requests` tells whether there is a request topic; `stored` whether
    workers can answer."""

    def __init__(
        self,
        *,
        server_id: str,
        publishing: Publishing,
        commands: Commands,
        owed: OwedAnswers,
        counting: Counting,
        login: Login,
        clock: Callable[[], float],
        requests: bool = True,
        stored: bool = True,
    ) -> None:
        self._server_id = server_id
        self._publishing = publishing
        self._commands = commands
        self._owed = owed
        self._counting = counting
        self._login = login
        self._clock = clock
        self._requests = requests
        self._stored = stored
        self._tickets = count(1)
        self._at_once = {PING: self._ping, CONNECT: self._connect, COMMAND_RESULT: self._result}

    def take(self, session: Session, frame: bytes, now: float, *, last: bool) -> bool:
        """Handles a frame; False where it has to wait for room. With `last` it is answered `busy` instead."""
        try:
            request = read_request(session.sure_framing, frame)
        except ProtocolError as error:
            self._counting.count("reject", error.code)
            spoken.refused(session, error.action, error.uid, error.code)
            session.send(error.answer())
            return True
        except FrameError as error:
            session.close(error.code, error.text)
            return True
        return self._perform(session, request, now, last=last)

    def _perform(self, session: Session, request: Request, now: float, *, last: bool) -> bool:
        device, act = session.device, self._at_once.get(request.action)
        if device is None:
            self._before_connect(session, request)
        elif request.device is not None and request.device != device:
            self._refuse(session, request, Code.WRONG_DEVICE, "this connection is another device's")
        elif act is not None:
            act(session, request)
        else:
            try:
                return self._publish_one(session, device, request, now, last=last)
            except ProtocolError as error:
                self._refuse(session, request, error.code, error.text)
        return True

    def too_fast(self, session: Session, frame: bytes) -> None:
        """The answer to a message beyond the device's rate."""
        self._decline(session, frame, Code.RATE_LIMITED)

    def too_late(self, session: Session, frame: bytes) -> None:
        """The answer to a message that came before the goodbye and was not handled."""
        self._decline(session, frame, Code.SHUTTING_DOWN)

    # Actions

    def _publish_one(
        self, session: Session, device: str, request: Request, now: float, *, last: bool
    ) -> bool:
        if session.in_flight >= session.desk.limits.max_in_flight:
            self._later(session, request, Code.TOO_MANY_IN_FLIGHT)
            return True
        if request.action == DATA:
            done = self._data(session, device, request, now)
        elif request.action == BATCH:
            done = self._batch(session, device, request, now)
        else:
            done = self._application(session, device, request, now)
        if done:
            self._counting.count("request", _LABELS.get(request.action, "application"))
        elif last:
            self._later(session, request, Code.BUSY)
        return done or last

    def _ping(self, session: Session, request: Request) -> None:
        self._counting.count("request", PING)
        session.send(pong(request.uid))

    def _before_connect(self, session: Session, request: Request) -> None:
        if request.action == CONNECT:
            self._connect(session, request)
        elif request.action == PING:
            self._ping(session, request)
        else:
            self._refuse(session, request, Code.NOT_CONNECTED, NOT_CONNECTED)

    def _connect(self, session: Session, request: Request) -> None:
        self._counting.count("request", CONNECT)
        if request.version is not None and not 1 <= request.version <= PROTOCOL_VERSION:
            text = f"this gateway speaks version {PROTOCOL_VERSION}"
            self._refuse(session, request, Code.UNSUPPORTED_VERSION, text)
        elif session.state != State.NEW:
            text = "this connection is connected; open another one"
            self._refuse(session, request, Code.ALREADY_CONNECTED, text)
        else:
            self._login(session, request)

    def _data(self, session: Session, device: str, request: Request, now: float) -> bool:
        framing = session.sure_framing
        if is_list(framing, request.data):
            self._refuse(session, request, Code.BAD_MESSAGE, "the data of a data is one reading")
            return True
        (value,) = records_of(framing, device, request.data)
        if isinstance(value, ProtocolError):
            raise value
        pending = Pending(session, request.uid, self._counting, now, stored=request.ack == "stored")
        return self._publish(session, device, [value], pending)

    def _batch(self, session: Session, device: str, request: Request, now: float) -> bool:
        framing = session.sure_framing
        if not is_list(framing, request.data):
            self._refuse(session, request, Code.BAD_MESSAGE, "the data of a batch is a list of readings")
            return True
        found = records_of(framing, device, request.data)
        values = [value for value in found if isinstance(value, bytes)]
        pending = Pending(
            session, request.uid, self._counting, now, stored=request.ack == "stored", size=len(found)
        )
        if len(values) < len(found):
            pending.places = [i for i, value in enumerate(found) if isinstance(value, bytes)]
            pending.rejected = [
                rejected_entry(i, value.code, value.text)
                for i, value in enumerate(found)
                if isinstance(value, ProtocolError)
            ]
        if values:
            return self._publish(session, device, values, pending)
        pending.nothing(now)
        return True

    def _publish(self, session: Session, device: str, values: list[bytes], pending: Pending) -> bool:
        uid = pending.uid
        if pending.stored and uid is not None:
            return self._publish_owed(session, device, values, pending, uid)
        if not self._publishing.readings(device, values, partial(self._acknowledged, pending)):
            return False
        session.in_flight += 1
        return True

    def _publish_owed(
        self, session: Session, device: str, values: list[bytes], pending: Pending, uid: Uid
    ) -> bool:
        client = session.client_id
        if not self._stored:
            raise ProtocolError(Code.BAD_MESSAGE, NO_WORKERS)
        if self._owed.holds(client, uid):
            # A resend that came too early: it is right, and to be sent again where the first one's answer is lost.
            self._count_refused(Code.BUSY, "busy")
            spoken.refused(session, pending.action, uid, Code.BUSY)
            session.send(refusal(pending.action, uid, Code.BUSY, SAME_UID))
            return True
        # Before it is published: a worker may be quicker than the broker's acknowledgement.
        ticket, told = next(self._tickets), partial(self._told, pending)
        if not self._owed.add(client, uid, len(values), pending.began, told, ticket=ticket):
            return False
        reply = Reply(client, uid, indexed=pending.size >= 0, ticket=ticket)
        if not self._publishing.readings(device, values, partial(self._half_way, pending), reply):
            self._owed.drop(client, uid)
            return False
        session.in_flight += 1
        return True

    def _acknowledged(self, pending: Pending, failures: Failures) -> None:
        pending.acknowledged(failures, self._clock())

    def _half_way(self, pending: Pending, failures: Failures) -> None:
        """The broker's word on what workers have to answer: records that it refused are not waited for."""
        if failures and pending.uid is not None:
            pending.failed = failures
            self._owed.shorten(pending.session.client_id, pending.uid, len(failures))

    def _told(self, pending: Pending, answers: Sequence[WorkerAnswer]) -> None:
        pending.told(answers, self._clock())

    def _application(self, session: Session, device: str, request: Request, now: float) -> bool:
        if not self._requests:
            self._refuse(session, request, Code.UNKNOWN_ACTION, "nobody here knows this action")
            return True
        try:
            # The session's device: most requests leave it out, and workers shall not have to know sessions.
            sent = {**(request.message or {}), "deviceUid": device}
            envelope = request_envelope(self._server_id, session.client_id, sent)
        except ValueError as error:
            self._refuse(session, request, Code.BAD_MESSAGE, f"data: {error}")
            return True
        done = partial(self._handed_over, session, request.action, request.uid, now)
        if not self._publishing.request(envelope, device.encode(), done):
            return False
        session.in_flight += 1
        return True

    def _handed_over(
        self, session: Session, action: str, uid: Uid | None, began: float, failures: Failures
    ) -> None:
        """A request that Kafka has is the workers' to answer; one that it may not have is answered here."""
        session.in_flight -= 1
        if never_taken(failures):
            self._count_refused(Code.BAD_MESSAGE, "error")
            spoken.refused(session, action, uid, Code.BAD_MESSAGE)
            session.send(mistake(action, uid, Code.BAD_MESSAGE, TOO_LARGE))
        elif failures:
            self._counting.count("answer", "unknown")
            spoken.ended(session, action, uid, "unknown", self._clock() - began)
            text = "Kafka did not acknowledge the request; it may be answered all the same"
            session.send(answer(action, uid, "unknown", code=Code.UNKNOWN_OUTCOME, text=text))
        else:
            self._counting.took("application", self._clock() - began)
            spoken.ended(session, action, uid, "ok", self._clock() - began)

    def _result(self, session: Session, request: Request) -> None:
        """A command's result; it is not answered."""
        self._counting.count("request", COMMAND_RESULT)
        device, status = session.device or "", request.status or "ok"
        if not self._commands.result(device, str(request.uid), request.value, status):
            self._counting.count("reject", "unknown_command")

    # Refusals

    def _count_refused(self, code: str, status: str) -> None:
        self._counting.count("reject", code)
        self._counting.count("answer", status)

    def _later(self, session: Session, request: Request, code: str) -> None:
        self._count_refused(code, "busy")
        spoken.refused(session, request.action, request.uid, code)
        session.send(refusal(request.action, request.uid, code))

    def _refuse(self, session: Session, request: Request, code: str, text: str) -> None:
        message = mistake(request.action, request.uid, code, text)
        self._count_refused(code, message["status"])
        spoken.refused(session, request.action, request.uid, code)
        session.send(message)

    def _decline(self, session: Session, frame: bytes, code: str) -> None:
        self._counting.count("reject", code)
        try:
            request = read_request(session.sure_framing, frame)
        except (ProtocolError, FrameError):
            spoken.refused(session, None, None, code)
            session.send(refusal("request", None, code))
            return
        self._counting.count("answer", "busy")
        spoken.refused(session, request.action, request.uid, code)
        session.send(refusal(request.action, request.uid, code))
