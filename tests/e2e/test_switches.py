"""Transports that change during one session, under load, counting: whatever makes the daemon change, nothing is lost or doubled."""

import random
import time

import proxy
from bridge import table
from process import wait_until


TABLES = [
    table("m", ["m1", "m2"], snapshot=False),
    table("r", ["r1"], mode="RAW"),
    table("c", ["c1"], fields=("key", "command", "a"), mode="COMMAND"),
    table("d", ["d1"], mode="DISTINCT"),
]
TRANSPORTS = ("ws-streaming", "http-streaming", "ws-polling", "http-polling")


def details(scene):
    """How it was reached, one after the other."""
    said = [m["detail"] for m in scene.status.select(topic="session/s", state="connected") if not m.get("replay")]
    return [d for n, d in enumerate(said) if n == 0 or said[n - 1] != d]


def all_came(scene):
    """The load ends, all of it has come, in one session and without a gap."""
    scene.sim.say("rate 0")
    scene.arrived()
    assert scene.sim.count("session") == 1
    assert not scene.gaps()


def sent(scene, more):
    """So many notifications more have been sent."""
    before = len(scene.sim.all("sent"))
    wait_until(lambda: len(scene.sim.all("sent")) >= before + more, f"{more} notifications")


def rebound(world, transport):
    world.transport = transport
    scene = world.bridge(TABLES, idle_ms=200).open()
    scene.sim.say("rate 500")
    for _ in range(10):
        binds = scene.sim.count("bound")
        scene.daemon.must("rebind", session="s")
        wait_until(lambda: scene.sim.count("bound") > binds, "another bind")
        scene.daemon.wait_state("connected", detail=transport)
    sent(scene, 100)
    all_came(scene)
    assert details(scene) == [transport]
    assert all(c in ("new", "preserved") for c in scene.continuities())


def test_rebinds_ws_streaming(world):
    rebound(world, "ws-streaming")


def test_rebinds_http_streaming(world):
    rebound(world, "http-streaming")


def test_rebinds_ws_polling(world):
    rebound(world, "ws-polling")


def test_rebinds_http_polling(world):
    rebound(world, "http-polling")


def recovered(world, transport):
    """Cut under load, the session is recovered by an HTTP poll, and goes on as before."""
    world.transport = transport
    scene = world.bridge(TABLES, idle_ms=200).open()
    scene.sim.say("rate 500")
    # Bytes are cut off the connection that there is: between two polls there may be none.
    ways = ["cut after 20", "swallow 5", "cut fin after 7"] + ["cut bytes 500"] * transport.endswith("streaming")
    for way in ways:
        before = scene.sim.count("bound")
        scene.sim.say("wait bound", way)
        wait_until(lambda: scene.sim.all("bound")[before:] and any("recovery_from" in e for e in scene.sim.all("bound")[before:]),
                   f"a recovery after {way}")  # fmt: skip
        scene.daemon.wait_state("connected", detail=transport)
    sent(scene, 100)
    all_came(scene)
    assert details(scene) == [transport]
    assert scene.continuities().count("recovered") >= len(ways)


def test_recoveries_ws_streaming(world):
    recovered(world, "ws-streaming")


def test_recoveries_http_streaming(world):
    recovered(world, "http-streaming")


def test_recoveries_ws_polling(world):
    recovered(world, "ws-polling")


def test_recoveries_http_polling(world):
    recovered(world, "http-polling")


def gated(world, transport):
    """A scene with a gate between daemon and server; and the gate."""
    gate = world.keep(proxy.Gate(0))
    scene = world.bridge(TABLES, url=gate.url, transport=transport, connect_ms=500, idle_ms=200)
    gate.upstream_port = scene.sim.port
    wait_until(lambda: scene.sim.requests("create_session"), "a way through the gate")
    return scene.open(), gate


def cut_until(scene, gate, detail):
    """The connection is cut under load: what is used from then on is DETAIL."""
    sent(scene, 100)
    gate.cut()
    scene.daemon.wait_state("connected", detail=detail)
    sent(scene, 100)


def test_from_websocket_to_http_and_on_to_polls(world):
    scene, gate = gated(world, "auto")
    scene.sim.say("rate 300")
    scene.daemon.wait_state("connected", detail="ws-streaming")
    gate.no_websocket = True
    cut_until(scene, gate, "http-streaming")
    gate.keeps = True
    cut_until(scene, gate, "http-polling")
    cut_until(scene, gate, "http-polling")
    all_came(scene)
    assert details(scene) == ["ws-streaming", "http-streaming", "http-polling"], details(scene)


def test_from_websocket_to_polls(world):
    scene, gate = gated(world, "auto")
    scene.sim.say("rate 300")
    scene.daemon.wait_state("connected", detail="ws-streaming")
    gate.no_websocket = gate.keeps = True
    cut_until(scene, gate, "http-polling")
    all_came(scene)
    assert details(scene) == ["ws-streaming", "http-polling"], details(scene)


def test_from_http_to_polls(world):
    scene, gate = gated(world, "http")
    scene.sim.say("rate 300")
    scene.daemon.wait_state("connected", detail="http-streaming")
    gate.keeps = True
    cut_until(scene, gate, "http-polling")
    all_came(scene)
    assert details(scene) == ["http-streaming", "http-polling"], details(scene)


def test_a_websocket_that_is_there_again(world):
    """A session stays with what worked; the next one begins with the best again."""
    scene, gate = gated(world, "auto")
    gate.no_websocket = True
    gate.cut()
    scene.daemon.wait_state("connected", detail="http-streaming")
    gate.no_websocket = False
    scene.sim.say("forget")
    scene.daemon.wait_state("connected", detail="ws-streaming", continuity="replaced")


def at_random(world, seed, transport):
    """What lets WebSockets and streams through, and what does not, takes turns, and connections are cut meanwhile."""
    rng = random.Random(seed)
    scene, gate = gated(world, transport)
    scene.sim.say("rate 200")
    for _ in range(12):
        what = rng.randrange(5)
        if what == 0:
            gate.no_websocket = not gate.no_websocket
        elif what == 1:
            gate.keeps = not gate.keeps
        elif what == 2:
            scene.daemon.ask("rebind", session="s")
        else:
            gate.cut(rst=what == 4)
        scene.sim.say(f"sleep {rng.randrange(300)}")
    gate.no_websocket = gate.keeps = False
    gate.cut()
    scene.daemon.wait_state("connected")
    all_came(scene)


def test_at_random_auto_1(world):
    at_random(world, 1, "auto")


def test_at_random_auto_2(world):
    at_random(world, 2, "auto")


def test_at_random_http(world):
    at_random(world, 3, "http")


# --- falling behind ---


def behind(world, transport, polling):
    """By SYNC the daemon sees that it falls behind, and polls; as soon as nothing waits for it, it streams again."""
    world.transport = transport
    scene = world.bridge(TABLES, ("--sync-ms", "100"), slowing=True, idle_ms=300).open()
    scene.sim.say("rate 100", "behind 1000000")
    began = time.monotonic()
    scene.daemon.wait_state("connected", detail=polling)
    # As much as seven seconds late: that cannot be earlier.
    assert time.monotonic() - began > 6
    sent(scene, 100)
    scene.sim.say("behind 0", "rate 0")
    scene.daemon.wait_state("connected", detail=transport)
    scene.sim.say("rate 500")
    sent(scene, 200)
    all_came(scene)
    assert details(scene) == [transport, polling, transport], details(scene)
    scene.status.wait_session("reconnecting", detail=polling, where=lambda m: "behind" in m["reason"])
    scene.status.wait_session("reconnecting", detail=transport, where=lambda m: "no longer behind" in m["reason"])
    assert set(scene.continuities()) == {"new", "preserved"}


def test_behind_on_a_websocket(world):
    behind(world, "ws-streaming", "ws-polling")


def test_behind_on_http(world):
    behind(world, "http-streaming", "http-polling")


def test_not_behind(world, transport):
    scene = world.bridge(TABLES, ("--sync-ms", "50"), slowing=True).open()
    scene.sim.say("rate 500")
    sent(scene, 500)
    all_came(scene)
    assert details(scene) == [transport]
    assert not scene.sim.requests("control", "force_rebind")


def test_behind_without_slowing(world, transport):
    """Without the setting no SYNC is asked for."""
    scene = world.bridge(TABLES, ("--sync-ms", "50")).open()
    streams = scene.sim.requests("create_session") + scene.sim.requests("bind_session")
    assert any("LS_send_sync=false" in lines for lines in streams)
    assert all("LS_send_sync=false" in lines or "LS_polling=true" in lines for lines in streams)


def test_held_is_not_behind(world, transport):
    """A consumer that does not read holds the server back for longer than a daemon may be late; that is not falling behind."""
    scene = world.bridge(TABLES, ("--sync-ms", "200"), publisher={"high_water_mark": 100, "slow_consumer": "wait"},
                         slowing=True)  # fmt: skip
    scene.consumer = world.consumer(scene.daemon.data).ready()
    stalled = world.consumer(scene.daemon.data, high_water_mark=5).ready()
    scene.open()
    stalled.pause()
    filler = "x" * 2000
    scene.sim.say(*[f"update TEST r1 a={i} b={filler}" for i in range(1500)])
    scene.status.wait_session("connected", detail="held")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 8, "eight seconds")
    stalled.resume()
    scene.arrived()
    scene.sim.say("rate 100")
    sent(scene, 100)
    all_came(scene)
    assert set(details(scene)) == {transport, "held"}, details(scene)
    assert not scene.sim.requests("control", "force_rebind")


# --- older versions ---


def older(world, version):
    """Everything works with a server that knows no newer version, over every transport."""
    for transport in TRANSPORTS:
        world.transport = transport
        scene = world.bridge(TABLES, ("--tlcp-version", version, "--diffs"), idle_ms=200, reverse_heartbeat_ms=500).open()
        scene.sim.say("rate 300")
        sent(scene, 50)
        scene.daemon.must("reconf", session="s", table="m", max_frequency=100)
        assert scene.daemon.must("send-message", session="s", text="hello", sequence="q")["response"] in ("", None)
        scene.sim.say("wait bound", "swallow 5")
        scene.status.wait_session("connected", continuity="recovered")
        scene.sim.say("wait bound", "loop")
        sent(scene, 50)
        all_came(scene)
        assert scene.daemon.session()["details"]["protocol"].endswith(version), scene.daemon.session()
        assert details(scene) == [transport]


def test_version_2_4(world):
    older(world, "2.4.0")


def test_version_2_3(world):
    older(world, "2.3.0")


def test_version_2_2(world):
    older(world, "2.2.0")


def test_version_2_1(world):
    older(world, "2.1.0")


def test_version_2_0(world):
    older(world, "2.0.0")
