"""The status socket: every state with its detail, replays, heartbeats, statistics, the daemon's own events."""

import time

from bridge import session, table
from process import wait_until


def test_a_session_from_start_to_stop(world, transport):
    scene = world.bridge([table()])
    topic = "session/s"
    # The first one was there before us: the latest of each topic is repeated.
    first = scene.status.wait(topic=topic)
    assert first.get("replay") is True or first["state"] == "connecting"
    scene.open()
    new = scene.status.wait_session("connected", continuity="new")
    sid = scene.sim.all("session")[0]["session"]
    assert (new["previous"], new["detail"], new["session_id"]) == ("connecting", transport, sid[-6:])
    scene.sim.say("loop 50")
    looped = scene.status.wait_session("reconnecting", detail=transport)
    assert looped["session_id"] == sid[-6:]
    assert scene.status.wait_session("connected", continuity="preserved")["previous"] == "reconnecting"
    scene.sim.say("refuse bind close 1", "cut")
    recovering = scene.status.wait_session("reconnecting", detail="recovering")
    assert recovering["reason"] and recovering["retry_in_ms"] <= 1000
    scene.status.wait_session("connected", continuity="recovered")
    scene.sim.say("refuse create 7 1 full", "forget")
    waiting = scene.status.wait_session("connecting", detail="waiting", code=7)
    assert waiting["reason"] == "full" and waiting["retry_in_ms"] > 0 and "session_id" not in waiting
    scene.status.wait_session("connected", continuity="replaced")
    scene.daemon.must("disconnect", session="s")
    stopped = scene.status.wait_session("disconnected", detail="stopped")
    assert stopped["previous"] == "connected" and stopped["reason"] and "retry_in_ms" not in stopped
    scene.status.check_all()
    assert all(m["session"] == "s" for m in scene.status.select(topic=topic))


def test_tables(world, transport):
    tables = [table("t", max_frequency=2.5), table("u", ["no-such-item"])]
    scene = world.bridge(tables)
    scene.status.wait_table("pending", "s/t")
    scene.sim.open_door()
    active = scene.status.wait_table("active", "s/t", max_frequency="2.500")
    assert (active["items"], active["fields"], active["session"], active["table"]) == (1, 2, "s", "t")
    failed = scene.status.wait_table("failed", "s/u")
    assert (failed["code"], bool(failed["reason"])) == (21, True)
    scene.sim.say("conf 1 1.5")
    scene.status.wait_table("active", "s/t", max_frequency="1.500")
    assert scene.daemon.reload([scene.session(tables=[tables[1], table("v")])])["ok"]
    scene.status.wait_table("deleted", "s/t")
    late = world.status(scene.daemon.status_endpoint)
    late.wait_table("failed", "s/u")
    late.wait_quiet()
    assert [m["state"] for m in late.select(topic="table/s/t")] == ["deleted"]  # the latest of its topic


def test_replay_to_new_consumers(world):
    scene = world.bridge([table()]).open()
    late = world.status(scene.daemon.status_endpoint, "session/", "bridge")
    late.wait_session("connected")
    late.wait(topic="bridge", event="start")
    late.wait_quiet()
    assert len(late.messages) == 2 and all(m["replay"] is True for _, m in late.messages), late.messages
    latest = scene.status.select(topic="session/s")[-1]
    assert late.select(topic="session/s")[0] == {**latest, "replay": True}


def test_heartbeat(world, transport):
    """At most one a second while anything arrives; never repeated."""
    scene = world.bridge([table()], keepalive_ms=100).open()
    begun = time.monotonic()
    scene.status.wait(topic="heartbeat/s", count=3)
    passed = time.monotonic() - begun
    beats = scene.status.select(topic="heartbeat/s")
    spaces = [after["time"] - before["time"] for before, after in zip(beats, beats[1:])]
    assert all(space >= 990000 for space in spaces) and passed < 8, spaces
    late = world.status(scene.daemon.status_endpoint)
    late.wait_session("connected")
    late.wait_quiet(0.2)
    assert not [m for m in late.select(topic="heartbeat/s") if m.get("replay")]
    scene.sim.say("stall")
    wait_until(lambda: time.time() * 1e6 - scene.status.select(topic="heartbeat/s")[-1]["time"] > 1.5e6, "silence")


def test_stats(world, transport):
    scene = world.bridge([table()])
    daemon = world.daemon([scene.session()], status={"stats_interval_ms": 50})
    status = world.status(daemon.status_endpoint)
    scene.sim.open_door()
    daemon.wait_table("active")
    for n in range(5):
        scene.sim.update("item1", a=str(n))
    last = status.wait(topic="stats", where=lambda m: m["messages"] >= 5)
    assert last["sessions"]["s"]["updates"] == 5 and last["sessions"]["s"]["bytes_received"] > 100, last
    assert last["dropped"] == 0 and last["held_ms"] == 0, last
    status.wait(topic="stats", count=5)
    times = [m["time"] for m in status.select(topic="stats") if not m.get("replay")]
    assert times == sorted(times)


def test_bridge_events(world):
    scene = world.bridge([table()])
    start = scene.status.wait(topic="bridge", event="start")
    assert start["config"] == scene.daemon.config_path and start["version"]
    assert start["endpoints"] == {what: scene.daemon.bound(what) for what in ("data", "status", "control")}
    scene.daemon.must("reload")
    scene.status.wait(topic="bridge", event="reload")
    scene.daemon.hang_up()
    scene.status.wait(topic="bridge", event="reload", count=2)
    scene.daemon.stop()
    scene.status.wait(topic="bridge", event="stop")


def test_commands_see_the_same(world, transport):
    """`sessions` and `tables` give what the status socket last said."""
    scene = world.bridge([table()]).open()
    said = scene.status.select(topic="session/s")[-1]
    now = scene.daemon.session()
    for key in ("session", "state", "detail", "session_id", "continuity"):
        assert now[key] == said[key], (key, now, said)
    said = scene.status.select(topic="table/s/t")[-1]
    now = scene.daemon.table()
    for key in ("state", "items", "fields", "max_frequency"):
        assert now.get(key) == said.get(key), (key, now, said)


def test_a_new_subscription_gets_every_one_of_many_topics(world):
    """They come in one go, and must fit into what is queued for one consumer."""
    sim = world.sim(door="open")
    daemon = world.daemon([session(sim.url, [table(f"t{n}", [f"item{n}"]) for n in range(1500)])])
    sim.wait_event("subscribed", 1500)
    daemon.wait_table("active", "t1499")
    late = world.status(daemon.status_endpoint, "table/")
    late.wait(count=1500, replay=True, state="active")


def test_names_may_be_long(world):
    """Two that differ in their last letter alone have topics of their own."""
    names = ["n" * 699 + "a", "n" * 699 + "b"]
    sim = world.sim(door="open")
    daemon = world.daemon([session(sim.url, [table(n) for n in names], name=name) for name in names])
    status = world.status(daemon.status_endpoint)
    for name in names:
        status.wait_session("connected", name)
        for other in names:
            status.wait_table("active", f"{name}/{other}")
    reply = daemon.reload([session(sim.url, [table(names[0])], name=names[0])])
    assert (reply["removed"], reply["changed"]) == ([names[1], f"{names[0]}/{names[1]}"], []), reply


def test_stale_tables(world, transport):
    """`stale` when nothing came for stale_ms, `active` when something comes; a reload takes effect at once, held clocks stand still."""
    tables = [table("t", ["item1"], stale_ms=300), table("u", ["item2"])]
    scene = world.bridge(tables).open()
    scene.sim.updates("item1", [1])
    told = scene.status.wait_table("stale", "s/t")
    assert told["reason"] and told["items"] == 1, told
    scene.daemon.wait_table("stale", "t")
    scene.sim.updates("item1", [2])
    scene.status.wait_table("active", "s/t", where=lambda m: m["seq"] > told["seq"])
    scene.status.wait_table("stale", "s/t", count=2)
    scene.tables[:] = [table("t", ["item1"], stale_ms=600000), table("u", ["item2"], stale_ms=100)]
    assert scene.daemon.reload([scene.session()])["changed"] == ["s/t", "s/u"]
    scene.daemon.wait_table("active", "t")
    scene.status.wait_table("stale", "s/u")
    assert scene.sim.count("subscribed") == 2 and not scene.gaps()
