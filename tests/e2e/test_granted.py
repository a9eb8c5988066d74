"""A server that grants less than it is asked for: what it granted is told, and everything that it sends within it arrives."""

import time

from bridge import table
from process import wait_until


def pace(scene, item, seconds=1.0):
    """How many messages of ITEM come in a second."""
    began, before = time.monotonic(), len(scene.consumer.live(item=item))
    wait_until(lambda: time.monotonic() - began > seconds, "a second")
    return (len(scene.consumer.live(item=item)) - before) / (time.monotonic() - began)


def test_a_frequency_lower_than_asked_for(world, transport):
    scene = world.bridge([table(), table("u", ["item2"], max_frequency=2)])
    scene.sim.say("grant frequency 8")
    scene.open()
    scene.daemon.wait_table("active", max_frequency="8.0")
    scene.daemon.wait_table("active", "u", max_frequency="2.0")
    assert scene.daemon.must("reconf", session="s", table="u", max_frequency=50)["max_frequency"] == 8
    assert scene.daemon.must("reconf", session="s", table="u", max_frequency="unlimited")["max_frequency"] == 8
    scene.sim.say("rate 400")
    for item in ("item1", "item2"):
        assert 2 < pace(scene, item) < 12, pace(scene, item)
    scene.sim.say("grant frequency off")
    assert scene.daemon.must("reconf", session="s", table="t", max_frequency="unlimited")["max_frequency"] == "unlimited"
    assert pace(scene, "item1") > 50
    scene.sim.say("rate 0", "sleep 200")
    scene.arrived()


def test_a_frequency_that_the_server_changes(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.say("conf 1 5")
    scene.daemon.wait_table("active", max_frequency="5.0")
    scene.sim.say("rate 200")
    assert 1 < pace(scene, "item1") < 9
    scene.sim.say("conf 1 unlimited", "rate 0")
    scene.daemon.wait_table("active", max_frequency="unlimited")
    scene.arrived()


def test_a_bandwidth_lower_than_asked_for(world, transport):
    scene = world.bridge([table()], max_bandwidth_kbps=100)
    scene.sim.say("grant bandwidth 60.5")
    scene.open()
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps=80)["max_bandwidth_kbps"] == 60.5
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps="unlimited")["max_bandwidth_kbps"] == 60.5
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps=7)["max_bandwidth_kbps"] == 7
    scene.sim.say("grant bandwidth unmanaged")
    granted = scene.daemon.must("constrain", session="s", max_bandwidth_kbps=80)["max_bandwidth_kbps"]
    assert granted in ("unmanaged", "unlimited"), granted
    scene.sim.updates("item1", range(5))
    scene.arrived()


def test_a_bandwidth_that_is_kept(world, transport):
    """Under a narrow limit the server merges and drops, which it tells; all that it sends arrives."""
    tables = [table("m", ["m1", "m2"]), table("r", ["r1"], mode="RAW"), table("d", ["d1"], mode="DISTINCT")]
    scene = world.bridge(tables, max_bandwidth_kbps=16).open()
    scene.sim.say("rate 2000")
    began = time.monotonic()
    wait_until(lambda: scene.consumer.select(type="lost"), "updates that were dropped")
    wait_until(lambda: time.monotonic() - began > 1, "a second")
    sent, seconds = len(scene.sim.all("sent")), time.monotonic() - began
    assert sent < 2000 / 12 * (seconds + 1), (sent, seconds)  # 2000 bytes a second, of lines that have twelve at least
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps="unlimited")["max_bandwidth_kbps"] == "unlimited"
    scene.sim.say("rate 0")
    scene.arrived()
    assert not scene.gaps()


def test_limits_of_later_sessions(world, transport):
    """What was asked for at run time is asked for again in the next session; what is granted may be less."""
    scene = world.bridge([table()]).open()
    scene.daemon.must("reconf", session="s", table="t", max_frequency=20)
    scene.daemon.must("constrain", session="s", max_bandwidth_kbps=500)
    scene.sim.say("grant frequency 4", "grant bandwidth 90", "forget loop")
    scene.status.wait_session("connected", continuity="replaced")
    scene.daemon.wait_table("active", max_frequency="4.0")
    assert "LS_requested_max_bandwidth=500" in scene.sim.requests("create_session")[-1]
    assert any("LS_requested_max_frequency=20" in lines for lines in scene.sim.requests("control", "LS_op=add"))
    scene.sim.updates("item1", range(3))
    scene.sim.say("sleep 800")
    scene.arrived()
