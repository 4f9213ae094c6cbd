"""Every connection of this gateway, by client id and by device. Used on the loop's thread."""

from collections.abc import Iterator, Sequence

from taosink.ingress.ports import SessionView
from taosink.ingress.session import Session


class Sessions:
    """A session is here from its connection to its end; `by_device` knows those that are bound."""

    def __init__(self) -> None:
        self._clients: dict[str, Session] = {}
        self._devices: dict[str, Session] = {}

    def __repr__(self) -> str:
        return f"<Sessions {len(self._clients)}, bound={len(self._devices)}>"

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._clients.values()))

    @property
    def bound(self) -> int:
        return len(self._devices)

    def by_client(self, client: str) -> Session | None:
        return self._clients.get(client)

    def by_device(self, device: str) -> Session | None:
        return self._devices.get(device)

    def add(self, session: Session) -> None:
        self._clients[session.client_id] = session

    def bind(self, device: str, session: Session) -> Session | None:
        """The device is this session's now; gives back the one that had it."""
        before = self._devices.get(device)
        self._devices[device] = session
        return before if before is not session else None

    def remove(self, session: Session) -> bool:
        """Forgets it; True where it was the one that held its device. Idempotent."""
        self._clients.pop(session.client_id, None)
        device = session.device
        if device is None or self._devices.get(device) is not session:
            return False
        del self._devices[device]
        return True

    def held(self) -> Sequence[tuple[str, str]]:
        """(device, client id) of every bound session."""
        return [(device, session.client_id) for device, session in self._devices.items()]

    def views(self) -> Sequence[SessionView]:
        return [view_of(session) for session in self._clients.values()]

    def view_of(self, device: str) -> SessionView | None:
        session = self._devices.get(device)
        return view_of(session) if session is not None else None


def view_of(session: Session) -> SessionView:
    """What operators see of it."""
    return SessionView(
        client=session.client_id,
        device=session.device,
        address=session.address,
        connected_at=session.connected_at,
        tls=session.tls,
        framing=session.framing.value if session.framing is not None else "",
    )
