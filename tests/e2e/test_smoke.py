"""A little of everything, for where time is short: under valgrind each step takes its time."""

from bridge import table


def test_rows_status_and_control(world, transport):
    scene = world.bridge([table("t", ["item1", "item2"], ["a", "b"])])
    scene.open()
    scene.sim.update("item1", a="1", b=None)
    scene.sim.update("item2", a="", b="x|y%\r\n#")
    scene.sim.update("item1", a="2")
    scene.arrived()
    assert scene.status.states("session/s")[-1] == ("connected", transport)
    rows = scene.daemon.rows()
    assert [r["fields"] for r in rows] == [{"a": "2", "b": None}, {"a": "", "b": "x|y%\r\n#"}]
    assert scene.daemon.ask("nonsense")["ok"] is False


def test_cut_is_recovered(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(10))
    scene.sim.say("swallow 5")
    scene.sim.updates("item1", range(10, 15))
    scene.sim.say("cut", "wait bound")
    scene.sim.updates("item1", range(15, 20))
    scene.arrived()
    assert not scene.gaps()
    scene.status.wait_session("connected", continuity="recovered")
