"""Who belongs to whom among the objects of the Kubernetes manifests, and who may reach whom."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.manifest_processes import Process, processes
from support.manifests import BUILDS, EVERYTHING, PRODUCTION, Build, Manifest, build, pod_of, selects

from taosink.config import ConsumerSettings


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(request.param, tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def started(built: Build, tmp_path_factory: pytest.TempPathFactory) -> list[Process]:
    return list(processes(built, tmp_path_factory.mktemp("mounts")))


def serving_ones(started: list[Process]) -> Iterator[tuple[Process, Any]]:
    """Consumers and gateways, with their settings."""
    return ((p, p.load().settings) for p in started if p.command in ("consumer", "ingress"))


def test_selectors_take_their_own_pods_and_no_others(built: Build) -> None:
    """Deployments, budgets for disruptions and network policies; one that selects nothing protects nothing."""
    labels = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in built.pods()}
    for manifest in built.manifests:
        spec, name = manifest.get("spec", {}), manifest["metadata"]["name"]
        selector = spec.get("podSelector", spec.get("selector"))
        if selector is None:
            continue
        if manifest["kind"] == "Service":
            selector = {"matchLabels": selector}
        taken = {workload for workload, found in labels.items() if selects(selector, found)}
        assert taken == {name} & set(labels), (manifest["kind"], name)
        # A PodMonitor of gateways may stand where there are none.
        assert taken or manifest["kind"] == "PodMonitor"


def test_everything_that_runs_for_good_is_protected(built: Build) -> None:
    """A budget for disruptions that never holds up a drain for good, and a network policy."""
    for workload in built.pods():
        name = workload["metadata"]["name"]
        if name == "taosink-simulator":
            continue
        budget = built.one("PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert "minAvailable" not in budget
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert set(built.one("NetworkPolicy", name)["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_pods_are_spread(built: Build) -> None:
    """Over nodes, in production over zones too; a pod is rather placed badly than not at all."""
    for workload in built.pods():
        if workload["metadata"]["name"] == "taosink-simulator":
            continue
        labels = workload["spec"]["template"]["metadata"]["labels"]
        spreads = pod_of(workload)["topologySpreadConstraints"]
        keys = {s["topologyKey"].rpartition("/")[2] for s in spreads}
        assert keys == {"hostname"} | ({"zone"} if built.name in (PRODUCTION, EVERYTHING) else set())
        for spread in spreads:
            assert selects(spread["labelSelector"], labels)
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
            assert spread["matchLabelKeys"] == ["pod-template-hash"]


def allowed(policy: Manifest, direction: str) -> dict[tuple[str, int], str]:
    """(protocol, port) -> the namespace that it is open for, `anybody` where there is none."""
    found: dict[tuple[str, int], str] = {}
    for rule in policy["spec"][direction]:
        sides = rule.get("to", rule.get("from"))
        space = "anybody"
        if sides is not None:
            [side] = sides
            space = side["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        found |= {(port["protocol"], port["port"]): space for port in rule["ports"]}
    return found


def test_pods_reach_what_their_settings_name_and_nothing_else(built: Build, started: list[Process]) -> None:
    """Kafka, TDengine and DNS, by the namespace that stands in the address."""
    for process, settings in serving_ones(started):
        wanted = {("UDP", 53): "kube-system", ("TCP", 53): "kube-system"}
        addresses = list(settings.kafka.brokers)
        if isinstance(settings, ConsumerSettings):
            addresses.append(settings.taos.uri.get_secret_value().rpartition("@")[2].partition("/")[0])
        for address in addresses:
            host, _, port = address.rpartition(":")
            wanted["TCP", int(port)] = host.split(".")[1]
        policy = built.one("NetworkPolicy", process.name.partition("/")[0])
        assert allowed(policy, "egress") == wanted


def test_pods_are_reached_by_whom_they_are_for(built: Build, started: list[Process]) -> None:
    """Metrics by Prometheus alone, devices' ports by anybody; probes come from the node, which is not shut out."""
    for process, _ in serving_ones(started):
        ports = {p["name"]: p["containerPort"] for p in process.container["ports"]}
        wanted = {
            ("TCP", port): "monitoring" if name in ("status", "admin") else "anybody"
            for name, port in ports.items()
        }
        policy = built.one("NetworkPolicy", process.name.partition("/")[0])
        assert allowed(policy, "ingress") == wanted


def test_the_service_is_for_devices_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It keeps their addresses, and the operators' listener is not behind it."""
    found = build(EVERYTHING, tmp_path_factory.mktemp("tree"))
    [service] = found.all("Service")
    gateway = pod_of(found.one("Deployment", "taosink-ingress"))["containers"][0]
    named = {p["name"] for p in gateway["ports"]}
    targets = {p["targetPort"] for p in service["spec"]["ports"]}
    assert targets == named - {"admin"}
    assert service["spec"]["externalTrafficPolicy"] == "Local"
