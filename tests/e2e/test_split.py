"""split_on_error: a group that the server refuses is tried again item by item."""

from bridge import table
from process import run


def three(**more):
    return table(items=["a", "no-such-b", "c d"], split_on_error=True, **more)


def scene_of(world, *tables, **settings):
    scene = world.bridge(list(tables), separator="|", options=["--separator", "|"], **settings)
    scene.sim.open_door()
    return scene


def wait_failed(scene, state, *names, name="s/t", **keys):
    return scene.status.wait_table(state, name, where=lambda m: m.get("failed_items", []) == list(names), **keys)


def test_one_item_is_refused(world, transport):
    """Field note 10. The others come, at their positions and under their topics; who was refused is said everywhere."""
    scene = scene_of(world, three(retry_failed_ms=0))
    last = wait_failed(scene, "active", "no-such-b")
    assert (last["code"], last["items"], last["fields"]) == (21, 3, 2) and last["reason"]
    scene.status.wait_table("pending", code=21)
    scene.sim.say("wait subscribed a", "wait subscribed \"c d\"")
    for n in range(20):
        scene.sim.say(f"update TEST a a={n}", f"update TEST \"c d\" b={n}")
    scene.arrived()
    assert {(m["item"], m["pos"]) for m in scene.consumer.live()} == {("a", 1), ("c d", 3)}
    assert not scene.gaps()
    told = scene.daemon.must("tables")["tables"][0]
    assert (told["state"], told["failed_items"], told["code"]) == ("active", ["no-such-b"], 21)
    scene.daemon.wait_log(r"active; the server refused: .*\(code 21\); items: no-such-b")
    shown = run("lsbridgectl", "-e", scene.daemon.control, "tables").stdout
    assert "(code 21); items: no-such-b\n" in shown, shown
    rows = scene.daemon.must("rows", table="t")["rows"]
    assert [(r["item"], r["pos"]) for r in rows] == [("a", 1), ("c d", 3)], rows


def test_everything_is_refused(world, transport):
    """Failed, and asked for again after its time, and by `start`; a table of one item is not asked for twice."""
    one = table("one", items=["no-such-a"], split_on_error=True, retry_failed_ms=0)
    scene = scene_of(world, table(items=["no-such-a", "no-such-b"], split_on_error=True, retry_failed_ms=300), one)
    last = wait_failed(scene, "failed", "no-such-a", "no-such-b")
    assert last["code"] == 21
    wait_failed(scene, "failed", "no-such-a", "no-such-b", count=2)
    wait_failed(scene, "failed", "no-such-a", name="s/one")
    scene.daemon.must("start", session="s", table="one")
    wait_failed(scene, "failed", "no-such-a", name="s/one", count=2)
    groups = [line for r in scene.sim.requests("control") for line in r.splitlines() if "LS_group=no-such-a&" in line]
    assert len(groups) >= 4, groups


def test_items_come_back(world, transport):
    """One that was refused, one that the server unsubscribes: asked again, with a gap where there was something to lose."""
    scene = world.bridge([table(items=["a", "b"], split_on_error=True, retry_failed_ms=60000)])
    scene.sim.say("refuse control 21 2 not now")
    scene.sim.open_door()
    wait_failed(scene, "active", "a")
    scene.daemon.must("start", session="s", table="t")
    scene.status.wait_table(
        "active", where=lambda m: "failed_items" not in m and "code" not in m and m["seq"] > 3
    )
    scene.sim.say("wait subscribed a", "update TEST a a=1", "update TEST b a=1")
    scene.arrived()
    sub = scene.sim.all("subscribed", items=["b"])[0]["sub"]
    scene.sim.say(f"unsubscribe {sub}")
    last = wait_failed(scene, "active", "b")
    assert last["reason"] == "unsubscribed by the server"
    scene.consumer.wait(type="gap", item="b", reason="unsubscribed by the server")
    scene.sim.say("update TEST a a=2")
    scene.daemon.must("start", session="s", table="t")
    scene.sim.say("wait subscribed b 1", "update TEST b b=7")
    scene.arrived()
    assert [m["item"] for m in scene.gaps()] == ["b"]


def test_a_new_session_begins_with_the_group(world, transport):
    scene = world.bridge([table(items=["a", "b"], split_on_error=True)])
    scene.sim.say("refuse control 21 1 not now")
    scene.sim.open_door()
    scene.status.wait_table("active")
    scene.sim.say("wait subscribed a", "wait subscribed b", "update TEST a a=1", "update TEST b a=2")
    scene.arrived()
    scene.sim.say("end 48", "wait session 2", "wait subscribed a", "update TEST a a=3", "update TEST b a=3")
    scene.arrived()
    assert sorted(m["item"] for m in scene.gaps()) == ["a", "b"]
    second = scene.sim.all("session")[1]["number"]
    assert [e["items"] for e in scene.sim.all("subscribed", number=second)] == [["a", "b"]]


def test_frequency_of_all(world, transport):
    """`reconf` of a split table is one for each item, and one answer."""
    scene = scene_of(world, three(retry_failed_ms=0))
    wait_failed(scene, "active", "no-such-b")
    scene.sim.say("wait subscribed a", "wait subscribed \"c d\"")
    assert float(scene.daemon.must("reconf", session="s", table="t", max_frequency="2.5")["max_frequency"]) == 2.5
    asked = [line for r in scene.sim.requests("control") for line in r.splitlines() if "LS_op=reconf" in line]
    assert len(asked) == 2, asked
    scene.daemon.must("delete-table", session="s", table="t")
    scene.sim.say("wait unsubscribed a", "wait unsubscribed \"c d\"")


def test_cut_while_split(world, transport):
    """Recovered, item by item, without a loss."""
    scene = scene_of(world, three(retry_failed_ms=0))
    wait_failed(scene, "active", "no-such-b")
    scene.sim.say("wait subscribed a", "wait subscribed \"c d\"", "update TEST a a=1")
    scene.sim.say("swallow 2", "update TEST a a=2", "update TEST \"c d\" a=3", "wait bound", "update TEST a a=4")
    scene.arrived()
    assert not scene.gaps()


def test_text_mode(world):
    """Where no SUBOK says that an item is there."""
    scene = world.bridge([three(retry_failed_ms=0)], separator="|", options=["--separator", "|"], protocol="text", transport="http-streaming")
    scene.sim.open_door()
    wait_failed(scene, "active", "no-such-b")
    scene.sim.say("wait subscribed a", 'wait subscribed "c d"', "update TEST a a=1", 'update TEST "c d" b=2', "update TEST a b=3")
    scene.arrived()
    assert {(m["item"], m["pos"]) for m in scene.consumer.live()} == {("a", 1), ("c d", 3)}
