"""The gateway's composition root: what is built from what, how it starts, and how it stops."""

import asyncio
import gc
import sys
import time
from collections.abc import Mapping
from typing import Any

import structlog

from taosink.exits import Exit
from taosink.ingress import wiring
from taosink.ingress.accepting import serve
from taosink.ingress.asking import Asking
from taosink.ingress.auth import AuthError, TlsError, make_authenticator, make_tls
from taosink.ingress.broker.gateway_broker import GatewayBroker
from taosink.ingress.descriptors import room_for
from taosink.ingress.downlink import SocketDownlink
from taosink.ingress.gateway import TICK, Gateway
from taosink.ingress.http.admin import AdminDeps, make_admin
from taosink.ingress.http.live import Live
from taosink.ingress.http.public import PublicDeps, make_public
from taosink.ingress.http.segments import SegmentDeps, routes
from taosink.ingress.limits import Admission
from taosink.ingress.listeners import Listeners, RefusedError
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Done
from taosink.ingress.reloading import Reloading
from taosink.ingress.running import Signals, defect, loop_factory
from taosink.ingress.stopping import Stopping
from taosink.ingress.tcp import Sockets
from taosink.kafka.publish import PublishError
from taosink.kafka.topics import TopicError
from taosink.observe.expose import exposition, registry
from taosink.observe.ingress_metrics import IngressMetrics
from taosink.segments.link import SegmentLink
from taosink.serving.serve import CannotListenError, HttpServer
from taosink.settings.ingress import IngressSettings

log = structlog.get_logger()

LOOK = 0.2


def run_ingress(settings: IngressSettings) -> int:
    """Blocks until SIGTERM, SIGINT or SIGQUIT, or until it cannot go on; returns the exit code. Needs the main
    thread. SIGHUP reads keys, secrets and certificates anew."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_run(settings))
    sys.stderr.flush()
    return code


async def _run(settings: IngressSettings) -> Exit:
    stop = Signals()
    stop.listen()
    try:
        app = GatewayApp(settings)
    except (RefusedError, AuthError, TlsError, CannotListenError, PublishError, TopicError) as refusal:
        log.error("ingress.not_started", reason=str(refusal), exit_code=int(Exit.CONFIGURATION))
        return Exit.CONFIGURATION
    stop.on_reload(app.reloading.ask)
    starting = asyncio.create_task(app.start())
    asked = asyncio.create_task(stop.asked.wait())
    await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and starting.exception() is None:
        await app.wait(asked)
    code = await app.stop(starting, stop.again)
    asked.cancel()
    return code


class GatewayApp:
    """One gateway: its parts, in the order in which they depend on each other. Made on the loop that serves it.

    Raises RefusedError, AuthError, TlsError, CannotListenError, PublishError or TopicError for what no time heals;
    nothing was begun then.
    """

    def __init__(self, settings: IngressSettings) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(defect)
        self._settings = settings
        self.server_id = wiring.server_id(settings)
        self._most = room_for(settings.limits.max_connections, settings.http.connections)
        self.metrics = IngressMetrics()
        self.owed = OwedAnswers(settings.waits.stored, settings.waits.max_owed)
        self.tls = make_tls(settings.tls)
        self.gateway = Gateway(
            server_id=self.server_id,
            limits=wiring.limits(settings),
            admission=Admission(self._most[0], settings.limits.max_per_address),
            owed=self.owed,
            counting=self.metrics,
            clock=loop.time,
            wall=time.time,
            soon=loop.call_soon,
            events=settings.topics.events,
        )
        self.asking = Asking(self.server_id, lambda: self.broker.publishing)
        self.downlink = SocketDownlink(self.gateway.sessions, self.owed, self.asking, self.metrics)
        self.authenticator = make_authenticator(settings.auth, ask=self.asking)
        self.listeners = Listeners(settings.listen)
        try:
            self.broker = GatewayBroker(
                wiring.broker_options(settings, self.server_id, settings.listen.advertise),
                loop,
                self.downlink,
                self.metrics,
            )
        except BaseException:
            self.listeners.close()
            self.authenticator.close()
            raise
        self.gateway.attach(
            publishing=self.broker.publishing,
            presence=self.broker.presence,
            commands=self.broker.commands,
            authenticator=self.authenticator,
            requests=bool(settings.topics.requests),
            stored=bool(settings.topics.responses),
        )
        self.sockets = Sockets(self.gateway, loop)
        self.link = SegmentLink(settings.segments) if settings.segments.url else None
        self.live: Live | None = None
        self.admin = self._make_admin()
        self.public = self._make_public()
        self._servers: list[asyncio.Server] = []
        self._begun = False
        self._ticking: asyncio.Task[None] | None = None
        self.reloading = Reloading(self.authenticator, self.tls)

    def __repr__(self) -> str:
        return f"<GatewayApp {self.gateway!r}>"

    async def start(self) -> None:
        """Operators first, who can see then why devices are not let in yet; devices once Kafka is known."""
        if self.admin is not None:
            await self.admin.start()
        self._ticking = asyncio.create_task(self._tick())
        await self.broker.start()
        self._begun = True
        if self.link is not None:
            self.link.start()
        if self.public is not None:
            await self.public.start()
        context = self.tls.context if self.tls is not None else None
        self._servers = await serve(
            self.sockets, self.listeners.tcp, tls=context, backlog=self._settings.listen.backlog
        )
        self.gateway.ready = True
        # What is there now stays: looking through it again and again would only hold devices up.
        gc.collect()
        gc.freeze()
        log.info(
            "ingress.listening", **self.listeners.where(), tls=self.tls is not None, server=self.server_id
        )

    async def wait(self, asked: "asyncio.Task[Any]") -> None:
        """Until a stop is asked for, or the gateway cannot go on by itself."""
        while not asked.done() and not self.broker.fault():
            await asyncio.wait((asked,), timeout=LOOK)

    async def stop(self, starting: "asyncio.Task[None]", again: asyncio.Event) -> Exit:
        """Within `stop.deadline`, or at once at a second signal. The order is `Stopping.run`'s."""
        refused = starting.exception() if starting.done() and not starting.cancelled() else None
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
        settings, fault = self._settings.stop, self.broker.fault()
        stopping = Stopping(
            servers=self._servers,
            sockets=self.sockets,
            gateway=self.gateway,
            broker=self.broker,
            http=[server for server in (self.public, self.admin) if server is not None],
            seconds=settings.deadline if not (refused or fault) else min(settings.deadline, 2.0),
            reconnect_after=settings.reconnect_after,
            reconnect_spread=settings.reconnect_spread,
            again=again,
        )
        if self.live is not None:
            self.live.stop()
        drained = await stopping.run()
        if self.link is not None and self._begun:
            await asyncio.to_thread(self.link.stop, min(1.0, self._settings.stop.deadline / 10))
        self.listeners.close()
        await self.reloading.end(1.0)
        self.authenticator.close()
        if self._ticking is not None:
            self._ticking.cancel()
        return self._exit_code(refused, fault, drained=drained)

    def _exit_code(self, refused: BaseException | None, fault: str, *, drained: bool) -> Exit:
        if refused is not None:
            if isinstance(refused, (PublishError, RefusedError, TopicError)):
                log.error("ingress.not_started", reason=str(refused), exit_code=int(Exit.CONFIGURATION))
                return Exit.CONFIGURATION
            log.critical("ingress.defect", exc_info=refused, do="report it with this trace")
            return Exit.DEFECT
        if fault:
            log.error("ingress.client_fatal", error=fault, exit_code=int(Exit.FATAL_CLIENT))
            return Exit.FATAL_CLIENT
        return Exit.DRAINED if drained else Exit.ABANDONED

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self.gateway.tick()
                self.sockets.report()
                if self.live is not None:
                    self.live.tick()
            except Exception:  # one session's defect must not end everybody's deadlines
                log.exception("ingress.defect", do="report it with this trace")

    def _make_admin(self) -> HttpServer | None:
        if not self.listeners.admin:
            return None
        found = registry()
        found.register(self.metrics)
        for figures in (self.gateway.figures, self.sockets.figures, self._figures):
            self.metrics.gauges(figures)
        self.metrics.limits(wiring.told_limits(self._settings, self._most))
        self.live = wiring.live(self._settings, self.server_id, self.gateway, self.broker, self.metrics)
        app = make_admin(
            AdminDeps(
                server_id=self.server_id,
                desk=self.broker.desk,
                presence=self.broker.holders,
                directory=self.gateway.sessions,
                health=self.gateway,
                reasons=self.broker.reasons,
                fault=self.broker.fault,
                exposition=lambda accept: exposition(found, accept),
                metrics=self.metrics,
                token=self._settings.listen.admin_token.get_secret_value(),
                loopback=self.listeners.admin_is_local,
                extra=self.live.routes(),
            )
        )
        limits = wiring.admin_wire_limits()
        return HttpServer(app, self.listeners.admin, name="admin", limits=limits, refused=self._http_refused)

    def _make_public(self) -> HttpServer | None:
        if not self.listeners.http:
            return None
        segments = SegmentDeps(
            authenticator=self.authenticator,
            metrics=self.metrics,
            put=self._put_segment,
            link=self.link,
            topic=self._settings.segments.topic,
            origin=self._settings.segments.origin,
        )
        public = make_public(
            PublicDeps(
                publishing=self.broker.publishing,
                authenticator=self.authenticator,
                metrics=self.metrics,
                health=self.gateway,
                limits=wiring.record_limits(self._settings),
                owed=self.owed if self._settings.topics.responses else None,
                extra=routes(segments),
            )
        )
        self.metrics.gauges(public.figures)
        return HttpServer(
            public.app,
            self.listeners.http,
            name="public",
            context=self.tls.context if self.tls is not None else None,
            limits=wiring.wire_limits(self._settings, self._most[1]),
            refused=self._http_refused,
        )

    def _figures(self) -> Mapping[str, float]:
        broker, public = self.broker, self.public
        return {
            "kafka_waiting_bytes": broker.publishing.waiting_bytes,
            "presence": len(broker.presence.state),
            "commands_queued": broker.commands.state.queued,
            "commands_open": broker.commands.state.opened,
            "ready": self.gateway.ready,
            "http_connections": public.connections if public is not None else 0,
        }

    def _put_segment(self, topic: str, key: bytes, value: bytes | None, partition: int, done: Done) -> bool:
        return self.broker.publishing.record(topic, key, value or b"", partition, done)

    def _http_refused(self, reason: str) -> None:
        self.metrics.count("http_refused", reason)
