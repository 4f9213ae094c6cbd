"""Gateways that read one presence topic agree on who holds which device, however it was compacted."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taosink.ingress.broker.presence import SERVER_KEY, Claim, Effect, Presence, device_key, encode

NAMES = ["a", "b", "c"]
DEVICES = ["d1", "d2"]
HOUR_MS = 3_600_000


def apply(state: Presence, device: str, claim: Claim | None, now: float = 0.0) -> Effect | None:
    return state.apply(device_key(device), None if claim is None else encode(claim), now)


def test_the_later_claim_wins_and_the_loser_is_told() -> None:
    """By the topic's order, whatever the clocks say."""
    state = Presence("a")
    state.hold("d", "a1")
    assert apply(state, "d", Claim("a", "a1", at=100)) is None
    assert apply(state, "d", Claim("b", "b1", at=50)) == Effect("replaced", "d", "a1")
    holder = state.holder("d", 1.0)
    assert holder is not None
    assert holder.who == ("b", "b1")


def test_a_claim_that_is_older_than_ours_in_the_topic_replaces_nothing() -> None:
    """Ours is on its way behind it."""
    state = Presence("a")
    state.hold("d", "a1")
    assert apply(state, "d", Claim("b", "b1", at=999)) is None
    assert apply(state, "d", Claim("a", "a1", at=1)) is None
    holder = state.holder("d", 1.0)
    assert holder is not None
    assert holder.who == ("a", "a1")


def test_gone_counts_only_for_the_present_holder() -> None:
    """One who has been replaced takes nothing away; the holder says again who it is, for later readers."""
    state = Presence("b")
    state.hold("d", "b1")
    apply(state, "d", Claim("a", "a1", at=1))
    apply(state, "d", Claim("b", "b1", at=2))
    assert apply(state, "d", Claim("a", "a1", at=3, gone=True)) == Effect("reclaim", "d", "b1")
    assert apply(state, "d", None) == Effect("reclaim", "d", "b1")
    assert state.holder("d", 0.0) is None
    assert apply(state, "d", Claim("b", "b1", at=2, again=True)) is None
    assert state.holder("d", 0.0) is not None


def test_a_claim_again_that_lost_meanwhile_ends_its_session() -> None:
    """Its first copy never came, and the device has connected elsewhere since."""
    state = Presence("a")
    state.hold("d", "a1")
    apply(state, "d", Claim("b", "b1", at=50))
    assert apply(state, "d", Claim("a", "a1", at=40, again=True)) == Effect("replaced", "d", "a1")
    later = Presence("a")
    later.hold("d", "a1")
    apply(later, "d", Claim("b", "b1", at=50))
    assert apply(later, "d", Claim("a", "a1", at=60, again=True)) is None


def test_a_gateways_own_later_session_wins_by_its_own_word() -> None:
    """Its clock may have gone back between the two."""
    state = Presence("b")
    state.hold("d", "b2")
    apply(state, "d", Claim("b", "b1", at=3))
    assert apply(state, "d", Claim("b", "b2", at=2, again=True)) is None
    holder = state.holder("d", 0.0)
    assert holder is not None
    assert holder.client_id == "b2"


def test_the_devices_of_a_silent_server_are_absent() -> None:
    """Until it is heard of again."""
    state = Presence("a", silent=20)
    apply(state, "d", Claim("b", "b1", at=1), now=0)
    assert state.holder("d", 20.0) is not None
    assert state.holder("d", 20.1) is None
    state.apply(SERVER_KEY + "b", encode(Claim("b", at=2, url="http://b")), 30.0)
    assert state.holder("d", 31.0) is not None
    assert state.servers(31.0)["b"].url == "http://b"
    state.apply(SERVER_KEY + "b", encode(Claim("b", at=3, gone=True)), 31.0)
    assert state.holder("d", 31.0) is None


def test_what_has_ended_is_deleted_an_hour_later() -> None:
    """Gone devices, then silent servers, then the devices of servers that are deleted; never what is held."""
    state = Presence("a", kept=3600)
    apply(state, "gone", Claim("b", "b1", at=1_000, gone=True))
    apply(state, "dead", Claim("c", "c1", at=1_000))
    apply(state, "here", Claim("b", "b2", at=1_000))
    state.apply(SERVER_KEY + "b", encode(Claim("b", at=HOUR_MS + 5_000)), 100.0)
    state.apply(SERVER_KEY + "c", encode(Claim("c", at=1_000)), 0.0)

    def swept() -> set[str]:
        return {key for _ in range(3) for key in state.stale(100.0, HOUR_MS + 5_000)}

    assert swept() == {"gone", SERVER_KEY + "c"}
    assert state.stale(100.0, 900) == []
    apply(state, "gone", None)
    state.apply(SERVER_KEY + "c", None, 100.0)
    assert swept() == {"dead"}


def test_claims_of_a_process_before_are_found() -> None:
    """A gateway that keeps its name takes back what it held when it was killed."""
    state = Presence("a")
    apply(state, "d1", Claim("a", "old", at=1))
    apply(state, "d2", Claim("b", "b1", at=1))
    state.hold("d3", "new")
    apply(state, "d3", Claim("a", "new", at=1))
    assert [(key, claim.client_id) for key, claim in state.left_behind()] == [("d1", "old")]


def test_memory_is_bounded_and_our_own_devices_have_room() -> None:
    """What is beyond the bound is counted."""
    state = Presence("a", limit=2)
    for n in range(5):
        apply(state, f"d{n}", Claim("b", f"b{n}", at=1))
    apply(state, "mine", Claim("a", "a1", at=1))
    assert len(state) == 3
    assert state.overflow == 3


def test_devices_that_have_gone_take_no_room_beyond_the_bound() -> None:
    """Ids that are used once each do not fill the memory of the gateway that they came to."""
    state = Presence("a", limit=2)
    for n in range(100):
        apply(state, f"d{n}", Claim("a", f"a{n}", at=1))
        apply(state, f"d{n}", Claim("a", f"a{n}", at=2, gone=True))
    assert len(state) <= 2
    assert state.holder("d50", 1.0) is None


def test_a_device_cannot_pass_for_a_server() -> None:
    """Whatever its id; and strangers' values are counted."""
    state = Presence("a")
    evil = SERVER_KEY + "b"
    apply(state, evil, Claim("c", "c1", at=1), now=1.0)
    assert state.holder(evil, 1.0) is not None
    assert set(state.servers(1.0)) == {"c"}
    assert state.apply("d", b"\xff", 1.0) is None
    assert state.broken == 1


class Gateway:
    """One gateway of the model: what it has read, its sockets, and its records on their way."""

    def __init__(self, name: str, log: list[tuple[str, bytes | None]]) -> None:
        self.state = Presence(name, silent=1e9)
        self.name, self.log = name, log
        self.read = 0
        self.at: dict[str, int] = {}
        self.outbox: list[tuple[str, bytes | None]] = []

    def say(self, device: str, claim: Claim) -> None:
        self.outbox.append((device, encode(claim)))

    def step(self) -> None:
        key, value = self.log[self.read]
        self.read += 1
        if key == "":  # compacted away
            return
        effect = self.state.apply(key, value, 0.0)
        if effect is None:
            return
        if effect.kind == "replaced":
            self.state.release(effect.device, effect.client)
        elif effect.kind == "left":
            self.say(effect.device, Claim(self.name, effect.client, self.at[effect.client], gone=True))
        else:
            self.say(effect.device, Claim(self.name, effect.client, self.at[effect.client], again=True))


class PresenceMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, bytes | None]] = []
        self.gateways = {name: Gateway(name, self.log) for name in NAMES}
        self.clock = 0

    @rule(name=st.sampled_from(NAMES), device=st.sampled_from(DEVICES), skew=st.integers(-3, 3))
    def connect(self, name: str, device: str, skew: int) -> None:
        gateway = self.gateways[name]
        self.clock += 1
        client = f"{name}{self.clock}"
        gateway.at[client] = self.clock + skew
        gateway.state.hold(device, client)
        gateway.say(device, Claim(name, client, gateway.at[client]))

    @rule(name=st.sampled_from(NAMES), device=st.sampled_from(DEVICES))
    def disconnect(self, name: str, device: str) -> None:
        gateway = self.gateways[name]
        client = gateway.state.client_here(device)
        if client is not None and gateway.state.release(device, client):
            gateway.say(device, Claim(name, client, self.clock, gone=True))

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 3))
    def publish(self, name: str, count: int) -> None:
        outbox = self.gateways[name].outbox
        self.log += outbox[:count]
        del outbox[:count]

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 5))
    def read(self, name: str, count: int) -> None:
        gateway = self.gateways[name]
        for _ in range(min(count, len(self.log) - gateway.read)):
            gateway.step()

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        """A record runs out of time, and is said again: a claim then knows that it comes late."""
        outbox = self.gateways[name].outbox
        state = self.gateways[name].state
        for n, (device, value) in enumerate(outbox):
            client = state.client_here(device)
            if client and value and f'"{client}"'.encode() in value and b"gone" not in value:
                del outbox[n]
                outbox.append(
                    (device, encode(Claim(name, client, self.gateways[name].at[client], again=True)))
                )
                return

    @rule(device=st.sampled_from(DEVICES))
    def sweep(self, device: str) -> None:
        """Any gateway may delete what it takes for old."""
        self.log.append((device, None))

    @rule(end=st.integers(0, 60))
    def compact(self, end: int) -> None:
        """Of what all have read, the last record of each key is left."""
        end = min(end, *(g.read for g in self.gateways.values()))
        last = {key: n for n, (key, _) in enumerate(self.log[:end])}
        for n, (key, _) in enumerate(self.log[:end]):
            if last[key] != n:
                self.log[n] = ("", None)

    def settle(self) -> None:
        for _ in range(50):
            for gateway in self.gateways.values():
                self.log += gateway.outbox
                gateway.outbox.clear()
                while gateway.read < len(self.log):
                    gateway.step()
            if not any(g.outbox for g in self.gateways.values()) and all(
                g.read == len(self.log) for g in self.gateways.values()
            ):
                return
        raise AssertionError("they never come to rest")

    def teardown(self) -> None:
        self.settle()
        late = Gateway("late", self.log)
        while late.read < len(self.log):
            late.step()
        for device in DEVICES:
            views = {
                (claim.who if (claim := g.state.holder(device, 0.0)) else None)
                for g in [*self.gateways.values(), late]
            }
            sockets = {
                (name, client)
                for name, g in self.gateways.items()
                if (client := g.state.client_here(device)) is not None
            }
            assert len(views) == 1
            assert sockets == views - {None}

    @invariant()
    def one_socket_a_device_in_each_gateway(self) -> None:
        for gateway in self.gateways.values():
            for device in DEVICES:
                client = gateway.state.client_here(device)
                assert client is None or gateway.state.device_here(client) == device


TestPresenceMachine = PresenceMachine.TestCase
TestPresenceMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
