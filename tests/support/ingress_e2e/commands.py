"""Commands by HTTP, each put at a gateway that does not hold its device where there is one."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3
from support.ingress_e2e.ledger import Ledger, Order

THREADS = 6
LATER = 0.2


class Sender:
    """`admins` are the admin listeners' addresses by gateway, of those that are up. Leaving the `with` ends its
    threads."""

    def __init__(self, admins: Callable[[], Mapping[str, str]], ledger: Ledger, patience: float) -> None:
        self._admins = admins
        self._ledger = ledger
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="operator")
        self._http = urllib3.PoolManager(num_pools=8, maxsize=THREADS, retries=False, timeout=15.0)
        self._serial = 0

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        self._http.clear()

    async def put(
        self, device: str, holder: str, *, answer: bool, ttl_ms: int = 600_000, ghost: bool = False
    ) -> None:
        """Returns when it is taken. While nobody takes it, it is offered to all gateways in turn, as the same."""
        self._serial += 1
        order = Order(f"cmd-{self._serial}", device, self._serial, answer, ghost)
        self._ledger.orders[order.id] = order
        body = {"id": order.id, "data": {"id": order.id}, "answer": answer, "ttlMs": ttl_ms}
        end, attempt = time.monotonic() + self._patience, 0
        while time.monotonic() < end:
            admins = self._admins()
            names = sorted(admins, key=lambda name: name == holder)
            if names:
                url = f"{admins[names[attempt % len(names)]]}/devices/{device}/commands"
                status, said = await self.ask("POST", url, body)
                if status == 202:
                    return
                if status not in (0, 429, 503):
                    self._ledger.wrong.append(f"{order}: {status} {said}")
                    return
                self._ledger.counts["commands_refused"] += 1
            attempt += 1
            await asyncio.sleep(LATER)
        self._ledger.wrong.append(f"{order}: nobody took it")

    async def ask(self, method: str, url: str, body: object = None) -> tuple[int, Any]:
        """Status and body; status 0 where nobody answered."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, method, url, body)

    def _ask(self, method: str, url: str, body: object) -> tuple[int, Any]:
        try:
            sent: dict[str, Any] = {} if body is None else {"json": body}
            answer = self._http.request(method, url, **sent)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return 0, repr(error)
        return answer.status, json.loads(answer.data)

    async def views(self, admin: str, devices: Sequence[str]) -> list[Mapping[str, Mapping[str, Any]]]:
        """What one gateway says of all commands of each of these devices, by their ids."""
        answers = await asyncio.gather(*(self.ask("GET", f"{admin}/devices/{d}/commands") for d in devices))
        return [{c["id"]: c for c in said["commands"]} if status == 200 else {} for status, said in answers]


def final(view: Mapping[str, Any]) -> bool:
    """As the protocol's promise has it."""
    state = view["state"]
    return state in ("answered", "expired") or (state == "delivered" and not view["answer"])


def told(view: Mapping[str, Any]) -> tuple[object, ...]:
    """What all gateways have to agree on."""
    return view["state"], json.dumps(view.get("result")), view.get("reason", "")
