"""The pods of the Kubernetes manifests: probes, stops, rights, memory, and who may reach whom."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from support.http_rig import Well, metrics, serving
from support.manifest_processes import DOCKERFILE, SECRET, Process, processes
from support.manifests import (
    BUILDS,
    Build,
    Manifest,
    build,
    bytes_of,
    containers,
    pod_of,
)
from support.status_rig import StatusRig

from taosink.config import ConsumerSettings, IngressSettings
from taosink.ingress.http.admin import AdminDeps, make_admin
from taosink.observe.listen_rule import parse_address
from taosink.observe.status.guard import Guard
from taosink.observe.status.look import POLL_LIMIT
from taosink.observe.status.routes import StatusCalls, make_app

DESIGN = Path(__file__).parents[2] / "docs" / "DESIGN.md"
MIB = 2**20
WATCHDOG = 1.0
"""Seconds after stop.deadline at which a process ends itself."""
SPARE = 5.0
"""Seconds of a loaded node that a stop needs besides."""
POD_FIELDS = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_FIELDS = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(request.param, tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def started(built: Build, tmp_path_factory: pytest.TempPathFactory) -> list[Process]:
    return list(processes(built, tmp_path_factory.mktemp("mounts")))


def serving_ones(started: list[Process]) -> Iterator[tuple[Process, Any]]:
    """Consumers and gateways, with their settings: the ones that run for good and are probed."""
    for process in started:
        if process.command in ("consumer", "ingress"):
            yield process, process.load().settings


def probes(container: Manifest) -> dict[str, Manifest]:
    return {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}


# Rights


def test_every_pod_passes_the_restricted_standard(built: Build) -> None:
    """No root, no rights, no writable root filesystem, no token of the cluster's API."""
    for workload in built.pods():
        pod = pod_of(workload)
        assert pod["automountServiceAccountToken"] is False
        assert POD_FIELDS.items() <= pod["securityContext"].items()
        for container in containers(pod):
            assert container["securityContext"] == CONTAINER_FIELDS
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all(set(v) & {"configMap", "secret", "emptyDir"} for v in pod["volumes"])


def test_every_pod_is_the_images_user(built: Build) -> None:
    """By number, since a name does not show that it is not root; secrets are readable for its group."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    user, group = re.findall(r"^USER (\d+):(\d+)$", text, flags=re.MULTILINE)[-1]
    for workload in built.pods():
        pod = pod_of(workload)
        context = pod["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert context["fsGroup"] == int(group)
                assert volume["secret"]["defaultMode"] == 0o440


def test_no_pod_gets_variables_of_services(built: Build) -> None:
    """TAOSINK_INGRESS_PORT and such look like settings that are misspelt."""
    assert all(pod_of(workload)["enableServiceLinks"] is False for workload in built.pods())


def test_every_container_can_write_temporary_files_and_nothing_else(built: Build) -> None:
    """Into a volume that is bounded."""
    for workload in built.pods():
        pod = pod_of(workload)
        volumes = {v["name"]: v for v in pod["volumes"]}
        for container in containers(pod):
            mounts = container["volumeMounts"]
            writable = [m for m in mounts if not m.get("readOnly")]
            assert [m["mountPath"] for m in writable] == ["/tmp"]
            assert "sizeLimit" in volumes[writable[0]["name"]]["emptyDir"]


# Probes


@pytest.fixture(scope="module")
def consumer_answers() -> Iterator[Any]:
    """GET of a path of a consumer's status listener that others than this machine can reach."""
    rig = StatusRig()
    guard = Guard(token=SECRET, loopback=False)
    with serving(lambda: make_app(StatusCalls(rig.looker), guard)) as listener:
        yield lambda path: listener.get(path)[0]


@pytest.fixture(scope="module")
def gateway_answers() -> Iterator[Any]:
    """The same of a gateway's admin listener."""
    unused = cast(Any, None)
    deps = AdminDeps(
        server_id="s0",
        desk=unused,
        presence=unused,
        directory=unused,
        health=Well(),
        reasons=list,
        fault=str,
        exposition=lambda _accept: (b"", "text/plain"),
        metrics=metrics(),
        token=SECRET,
        loopback=False,
    )
    with serving(partial(make_admin, deps)) as listener:
        yield lambda path: listener.get(path)[0]


def test_every_probe_is_answered(started: list[Process], consumer_answers: Any, gateway_answers: Any) -> None:
    """By the real listener, without a token; other paths of it want one, and paths that are none are not taken."""
    for process, _ in serving_ones(started):
        answers = consumer_answers if process.command == "consumer" else gateway_answers
        found = {name: probe["httpGet"]["path"] for name, probe in probes(process.container).items()}
        assert found == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert {answers(path) for path in found.values()} == {200}
        assert answers("/ready") == 401
        assert answers("/metrics") == 200


def test_every_probe_asks_the_port_that_is_listened_on(started: list[Process]) -> None:
    """By its name in the container; every port of a container is one that the process opens."""
    for process, settings in serving_ones(started):
        ports = {p["name"]: p["containerPort"] for p in process.container["ports"]}
        if isinstance(settings, ConsumerSettings):
            listens = {"status": settings.status.listen}
        else:
            assert isinstance(settings, IngressSettings)
            listen = settings.listen
            listens = {"devices": listen.tcp, "http": listen.http, "admin": listen.admin}
        assert ports == {name: parse_address(text).number for name, text in listens.items()}
        asked = {probe["httpGet"]["port"] for probe in probes(process.container).values()}
        assert asked <= {"status", "admin"} & set(ports)
        assert all("scheme" not in probe["httpGet"] for probe in probes(process.container).values())


def test_a_start_is_given_time(started: list[Process]) -> None:
    """The consumer's listener opens after its first login, which lasts up to taos.timeout where the database accepts
    connections and says nothing: restarts would not mend that."""
    for process, settings in serving_ones(started):
        startup = probes(process.container)["startup"]
        given = startup["periodSeconds"] * startup["failureThreshold"]
        look = settings.taos.timeout + settings.taos.connect_timeout if process.command == "consumer" else 60
        assert given >= look + 60


def test_liveness_is_slow_to_restart(started: list[Process]) -> None:
    """It is asked of the process alone, again and again, with time for an answer on a node that is busy."""
    for process, settings in serving_ones(started):
        found = probes(process.container)
        for probe in found.values():
            assert probe["timeoutSeconds"] >= 3
            assert probe["timeoutSeconds"] <= probe["periodSeconds"]
        liveness = found["liveness"]
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
        if isinstance(settings, ConsumerSettings):
            # What /livez itself waits for before it is red is longer than any call to Kafka blocks.
            assert settings.stop.revoke + POLL_LIMIT > 45 + settings.stop.revoke


# Stops


def test_a_stop_has_time_to_end(started: list[Process]) -> None:
    """The grace period is above preStop, stop.deadline and the watchdog; otherwise SIGKILL comes into the drain."""
    for process, settings in serving_ones(started):
        before = process.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = before + settings.stop.deadline + WATCHDOG + SPARE
        assert process.pod["terminationGracePeriodSeconds"] >= needed
        # Kubernetes has no use for it, but a node that goes down waits so long.
        assert process.pod["terminationGracePeriodSeconds"] <= needed + 30


def test_only_what_a_service_sends_to_waits_before_its_stop(built: Build) -> None:
    """A consumer that waited would hold its partitions for nothing."""
    served = [s["spec"]["selector"] for s in built.all("Service")]
    for workload in built.pods():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        sent_to = any(selector.items() <= labels.items() for selector in served)
        waits = any("lifecycle" in c for c in containers(pod_of(workload)))
        assert waits == sent_to


def test_consumers_leave_before_new_ones_come_and_gateways_the_other_way(built: Build) -> None:
    """Additional members only move partitions once more; devices need somewhere to go."""
    rolling = built.one("Deployment", "taosink-consumer")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": "25%"}
    if built.has_gateways:
        gateways = built.one("Deployment", "taosink-ingress")["spec"]
        assert gateways["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert gateways["replicas"] >= 2


# Memory


def measured() -> tuple[int, dict[int, int]]:
    """The largest idle size, and per budget what is held beyond idle size and budget, in bytes, as DESIGN.md says."""
    text = re.sub(r"\s+", " ", DESIGN.read_text(encoding="utf-8"))
    idle = re.search(r"idle size \((\d+) to (\d+) MiB\)", text)
    constants = re.search(r"(\d+) MiB with a budget of (\d+) MiB, (\d+) MiB with (\d+) MiB", text)
    assert idle
    assert constants
    small, at_small, large, at_large = (int(found) * MIB for found in constants.groups())
    return int(idle[2]) * MIB, {at_small: small, at_large: large}


def test_a_consumer_fits_into_its_limit(started: list[Process]) -> None:
    """Idle size, budget and what is not of the budget; and as much is reserved, since a backlog needs it."""
    idle, beyond = measured()
    for process, settings in serving_ones(started):
        limits, requests = (process.container["resources"][kind] for kind in ("limits", "requests"))
        assert limits["memory"] == requests["memory"]
        if not isinstance(settings, ConsumerSettings):
            continue
        budget = settings.queue.memory
        assert budget <= max(beyond), "measure larger budgets first"
        constant = next(beyond[at] for at in sorted(beyond) if at >= budget)
        assert bytes_of(limits["memory"]) >= idle + budget + constant


def test_a_gateway_fits_into_its_limit(started: list[Process]) -> None:
    """What is bounded by bytes, twice, and a base: 95 MiB were measured with 10,000 connections."""
    for process, settings in serving_ones(started):
        if isinstance(settings, IngressSettings):
            bounded = settings.waits.max_unacknowledged_bytes + settings.http.all_bodies
            limit = bytes_of(process.container["resources"]["limits"]["memory"])
            assert limit >= 2 * bounded + 95 * MIB


def test_every_container_is_bounded_in_memory_and_not_in_cpu(built: Build) -> None:
    """A member that is throttled misses its heartbeats."""
    for workload in built.pods():
        for container in containers(pod_of(workload)):
            assert set(container["resources"]["limits"]) == {"memory"}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
