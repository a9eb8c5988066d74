"""Connections that break in every way, servers that restart, forget and count wrongly: nothing is lost, or a gap says so."""

import time

from bridge import session, table
from expect import arrived
from process import wait_until

# So that a silence is noticed while somebody watches.
QUICK = {"keepalive_ms": 200, "stalled_ms": 150, "reconnect_ms": 200, "connect_ms": 1000}


def recovered(scene):
    scene.status.wait_session("connected", continuity="recovered")
    scene.arrived()
    assert not scene.gaps()
    assert scene.sim.count("session") == 1
    assert scene.continuities()[0] == "new" and scene.continuities()[-1] == "recovered", scene.continuities()


def lost_once(scene, reason="session lost"):
    """Everything arrived, with one gap for the only item."""
    scene.status.wait_session("connected", continuity="replaced")
    scene.arrived()
    assert [g["reason"] for g in scene.gaps()] == [reason], scene.gaps()
    assert scene.sim.count("session") == 2


def test_cut_by_fin(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("swallow 5")
    scene.sim.updates("item1", range(5, 10))
    scene.sim.say("cut fin")
    scene.sim.updates("item1", range(10, 15))
    recovered(scene)


def test_cut_in_the_middle_of_a_line(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("cut bytes 30")
    scene.sim.updates("item1", range(5, 15))
    recovered(scene)


def test_cut_while_recovering(world, transport):
    """A recovery that breaks is repeated with the same count (field note 7)."""
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("swallow 20", "refuse bind close 3")
    scene.sim.updates("item1", range(5, 25))
    scene.sim.say("cut")
    recovered(scene)
    asked = [line for line in scene.sim.requests("bind_session", "LS_recovery_from")]
    assert len(asked) == 4 and len({line for line in asked}) == 1, asked


def test_cut_twice(world, transport):
    """The count goes on after a recovery (field note 7)."""
    scene = world.bridge([table()]).open()
    for n in range(4):
        scene.sim.updates("item1", range(n * 10, n * 10 + 5))
        scene.sim.say("swallow 5")
        scene.sim.updates("item1", range(n * 10 + 5, n * 10 + 10))
        scene.sim.say("cut")
        scene.status.wait_session("connected", continuity="recovered", count=n + 1)
        scene.arrived()
    assert not scene.gaps()


def test_stall(world, transport):
    scene = world.bridge([table()], **QUICK).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("stall")
    scene.sim.updates("item1", range(5, 10))
    stalled = scene.status.wait_session("connected", detail="stalled")
    assert stalled["previous"] == "connected"
    scene.status.wait_session("reconnecting", detail="recovering")
    recovered(scene)


def test_stall_that_ends_by_itself(world, transport):
    scene = world.bridge([table()], **{**QUICK, "reconnect_ms": 60000}).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("stall")
    scene.status.wait_session("connected", detail="stalled")
    scene.sim.updates("item1", range(5, 10))
    scene.sim.say("stall off")
    scene.arrived()
    wait_until(lambda: scene.status.states("session/s")[-1] == ("connected", transport), "the end of the stall")
    assert not scene.gaps() and scene.continuities() == ["new", "preserved", "preserved"]


def test_half_open(world, transport):
    scene = world.bridge([table()], **QUICK).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("half-open")
    scene.sim.updates("item1", range(5, 10))
    recovered(scene)


def test_loop(world, transport):
    scene = world.bridge([table()]).open()
    for n in range(5):
        scene.sim.updates("item1", range(n * 5, n * 5 + 5))
        scene.sim.say("loop 10", "wait bound")
    scene.arrived()
    scene.status.wait_session("connected", continuity="preserved", count=5)
    assert scene.continuities() == ["new"] + ["preserved"] * 5, scene.continuities()
    assert not scene.gaps()
    if transport == "ws-streaming":  # the connection stays
        assert len({e["connection"] for e in scene.sim.all("request", name="bind_session")}) == 1


def test_content_length_is_used_up(world):
    """Field note 1: the stream ends by itself, again and again."""
    world.transport = "http-streaming"
    scene = world.bridge([table()], content_length_bytes=2000).open()
    for n in range(300):
        scene.sim.update("item1", a=f"{n} and some text to fill the stream with")
    scene.arrived()
    assert scene.daemon.session()["counters"]["rebinds"] > 3 and not scene.gaps()


def test_session_forgotten(world, transport):
    """Field notes 2 and 8: a new session, everything subscribed anew, and no value of the old rows."""
    scene = world.bridge([table()]).open()
    scene.sim.update("item1", a="old", b="old")
    scene.arrived()
    scene.sim.say("forget")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.update("item1", a="new")
    lost_once(scene)
    after = scene.consumer.live()[2:]
    assert [m["changed"] for m in after] == [["a", "b"], ["a"]], after
    gap = scene.gaps()[0]
    assert "fields" not in gap and gap["reason"]


def test_session_forgotten_at_a_loop(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("forget loop")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(5, 10))
    lost_once(scene)


def test_session_forgotten_in_silence(world, transport):
    scene = world.bridge([table()], **QUICK).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("forget silent")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(5, 10))
    lost_once(scene)


def test_recovery_that_the_server_cannot_do(world, transport):
    """CONERR 4: fewer notifications were kept than were lost."""
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("keep 1", "swallow 5")
    scene.sim.updates("item1", range(5, 10))
    scene.sim.say("cut")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(10, 15))
    lost_once(scene)
    assert scene.sim.count("refused", code=4) == 1


def test_prog_below_what_was_asked(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(10))
    scene.sim.say("swallow 3")
    scene.sim.updates("item1", range(10, 13))
    scene.sim.say("prog -4", "cut")
    recovered(scene)


def test_prog_above_what_was_asked(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(10))
    scene.sim.say("prog +1", "cut")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(10, 15))
    lost_once(scene)


def test_recovery_out_of_reach(world, transport):
    """Field note 7: a recovery is not tried for ever."""
    scene = world.bridge([table()], recovery_ms=300).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("refuse bind close always", "cut")
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(5, 10))
    lost_once(scene)


def test_end_codes(world, transport):
    """What an END means: made anew."""
    scene = world.bridge([table()], retry_max_ms=20).open()
    codes = [41, 48, 32, 33, 34, 99]
    for n, code in enumerate(codes):
        scene.sim.updates("item1", range(n * 3, n * 3 + 3))
        scene.arrived()
        scene.sim.say(f"end {code} so be it")
        scene.sim.wait_event("subscribed", n + 2)
        scene.status.wait_session("connecting", code=code, reason="so be it")
    scene.sim.updates("item1", range(90, 95))
    scene.arrived()
    assert len(scene.gaps()) == len(codes)
    assert scene.continuities() == ["new"] + ["replaced"] * len(codes)


def test_server_restarts(world, transport):
    """The simulator is killed and another one takes its port (behind a proxy, that stays where it is)."""
    first = world.sim()
    proxy = world.proxy(first.port)
    tables = [table()]
    daemon = world.daemon([session(proxy.url, tables, transport=transport)])
    consumer = world.consumer(daemon.data).ready()
    status = world.status(daemon.status_endpoint)
    first.open_door()
    first.wait_subscribed()
    first.updates("item1", range(5))
    arrived(first, consumer, tables)
    first.say("listen off")
    proxy.refusing = True
    proxy.cut(rst=True)
    status.wait_session("reconnecting", detail="recovering")
    second = world.sim(door="open")
    proxy.upstream_port = second.port
    proxy.refusing = False
    second.wait_subscribed()
    second.updates("item1", range(10, 15))
    status.wait_session("connected", continuity="replaced")
    gap = consumer.wait(type="gap")
    assert gap["seq"] == 6
    last = consumer.wait(where=lambda m: m.get("fields") == {"a": "14", "b": None})
    assert last["seq"] == 11
    # It asks for a session that the second one never heard of, which is what it looks like after a restart.
    second.strict = False
    assert second.count("violation") == 1
    second.popen.kill()
    second.status = 0
    world.processes.remove(second)


def test_network_cuts_stalls_and_trickles(world, transport):
    scene_sim = world.sim()
    proxy = world.proxy(scene_sim.port)
    tables = [table("t", ["item1", "item2"], ["a", "b"])]
    daemon = world.daemon([session(proxy.url, tables, transport=transport, **QUICK)])
    consumer = world.consumer(daemon.data).ready()
    scene_sim.open_door()
    scene_sim.wait_subscribed("item1")
    for n, trouble in enumerate(["fin", "rst", "trickle", "delay", "stall", "refuse"]):
        scene_sim.updates("item1", range(n * 20, n * 20 + 10))
        if trouble in ("fin", "rst"):
            proxy.cut(rst=trouble == "rst")
        proxy.trickle = 3 if trouble == "trickle" else 0
        proxy.delay_s = 0.02 if trouble == "delay" else 0
        if trouble == "stall":
            proxy.stalled = True
            daemon.wait_state("reconnecting")
            proxy.stalled = False
        if trouble == "refuse":
            proxy.refusing = True
            proxy.cut(rst=True)
            daemon.wait_state("reconnecting", detail="recovering")
            proxy.refusing = False
        scene_sim.updates("item2", range(n * 20 + 10, n * 20 + 20))
        arrived(scene_sim, consumer, tables)
    assert not consumer.select(type="gap")


def test_late_answers(world, transport):
    """What a request causes overtakes its answer."""
    scene = world.bridge([table("t"), table("u", ["item2"])], options=["--late-ms", "100"])
    scene.sim.say("late create 100")
    scene.open()
    scene.sim.updates("item1", range(5))
    scene.sim.updates("item2", range(5))
    scene.sim.say("late bind 100", "loop")
    scene.sim.updates("item1", range(5, 10))
    scene.arrived()
    assert not scene.gaps() and scene.continuities() == ["new", "preserved"]


def test_no_answer(world, transport):
    """A server that takes the connection and says nothing."""
    scene = world.bridge([table()], connect_ms=200)
    scene.sim.say("late create never")
    scene.sim.open_door()
    scene.status.wait_session("connecting", detail="waiting", where=lambda m: "connect_ms" in m.get("reason", ""))
    scene.sim.say("late create 0")
    scene.open()
    scene.sim.updates("item1", range(5))
    scene.arrived()


def test_subscription_in_flight_when_the_connection_falls(world, transport):
    scene = world.bridge([table(), table("u", ["item2"])])
    scene.sim.say("late control 1000")
    scene.sim.open_door()
    scene.sim.wait_subscribed("item2")
    scene.sim.say("cut")
    scene.sim.updates("item1", range(5))
    scene.sim.updates("item2", range(5))
    scene.status.wait_session("connected", continuity="recovered")
    scene.sim.say("late control 0")
    scene.arrived()
    assert not scene.gaps() and scene.sim.count("subscribed") == 2


def test_back_off(world, transport):
    """Doubled with jitter up to retry_max_ms, said in retry_in_ms, and reset once a session was stable."""
    scene = world.bridge([table()], retry_ms=8, retry_max_ms=64)
    waits = [scene.status.wait(topic="session/s", detail="waiting", count=n + 1)["retry_in_ms"] for n in range(10)]
    # A new consumer's first message may be a later attempt's; from there on they do not shrink below half.
    assert all(4 <= ms <= 64 for ms in waits) and waits[-1] >= 32, waits
    more = [scene.status.wait(topic="session/s", detail="waiting", count=n + 1)["retry_in_ms"] for n in range(10, 25)]
    assert all(32 <= ms <= 64 for ms in more) and len(set(more)) > 1, more
    scene.open()
    time.sleep(0.1)  # longer than retry_max_ms: stable
    before = len(scene.status.select(topic="session/s", detail="waiting"))
    scene.sim.say("refuse create close 1", "forget")
    again = scene.status.wait(topic="session/s", detail="waiting", count=before + 1)
    assert again["retry_in_ms"] <= 8 * 2, again
    scene.sim.wait_event("subscribed", 2)


def test_control_link(world, transport):
    """Rebinds and control requests go to it; sessions are created at the configured address."""
    real = world.sim()
    front = world.proxy(real.port)
    behind = world.proxy(real.port)
    real.stop()
    linked = world.sim("--control-link", f"127.0.0.1:{behind.port}")
    front.upstream_port = behind.upstream_port = linked.port
    tables = [table()]
    daemon = world.daemon([session(front.url, tables, transport=transport)])
    consumer = world.consumer(daemon.data).ready()
    linked.open_door()
    linked.wait_subscribed()
    for n in range(3):
        linked.updates("item1", range(n * 5, n * 5 + 5))
        linked.say("cut" if n else "loop", "wait bound")
    linked.updates("item1", range(15, 20))
    arrived(linked, consumer, tables)
    assert not consumer.select(type="gap")
    assert behind.n_connections > 0
    seen = front.n_connections
    linked.say("cut")
    linked.updates("item1", range(20, 25))
    arrived(linked, consumer, tables)
    assert front.n_connections == seen
    linked.say("forget")
    linked.wait_event("subscribed", 2)
    assert front.n_connections == seen + 1


def test_control_link_is_ignored_on_request(world, transport):
    scene = world.bridge([table()], options=["--control-link", "127.0.0.1:1"], ignore_control_link=True).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("cut")
    scene.sim.updates("item1", range(5, 10))
    recovered(scene)


def test_control_link_out_of_reach(world, transport):
    """Field note 7: the session is lost, and made anew at the configured address."""
    scene = world.bridge([table()], options=["--control-link", "127.0.0.1:1"], recovery_ms=300, connect_ms=500)
    scene.sim.open_door()
    scene.status.wait_session("connected")
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="replaced")


def test_several_sessions(world, transport):
    sims = [world.sim(), world.sim()]
    tables = [[table("t", ["item1"])], [table("t", ["item1"], ["x"])]]
    sessions = [session(s.url, t, name=n, transport=transport) for s, t, n in zip(sims, tables, ["one", "two"])]
    daemon = world.daemon(sessions)
    consumer = world.consumer(daemon.data).ready()
    for sim in sims:
        sim.open_door()
        sim.wait_subscribed()
    for n in range(20):
        sims[0].update("item1", a=str(n))
        sims[1].update("item1", x=str(-n))
        if n == 10:
            sims[0].say("forget")
            sims[0].wait_event("subscribed", 2)
    arrived(sims[0], consumer, tables[0], name="one")
    arrived(sims[1], consumer, tables[1], name="two")
    assert {g["session"] for g in consumer.select(type="gap")} == {"one"}


def test_everybody_is_cut_at_the_same_time(world):
    """Field note 4: clients do not come back in step."""
    sim = world.sim()
    names = [f"s{n}" for n in range(12)]
    sessions = [session(sim.url, [table(f"t{n}", [f"i{n}"])], name=n, retry_ms=200, retry_max_ms=200) for n in names]
    daemon = world.daemon(sessions)
    status = world.status(daemon.status_endpoint)
    sim.open_door()
    sim.wait_event("subscribed", 12)
    sim.say("cut")
    waits = [status.wait_session("reconnecting", name, detail="recovering")["retry_in_ms"] for name in names]
    assert all(100 <= ms <= 200 for ms in waits) and len(set(waits)) > 3, waits
