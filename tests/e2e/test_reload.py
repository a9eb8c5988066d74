"""A changed configuration, by `reload` and by SIGHUP: it touches what changed, at once, and says so."""

from bridge import session, table


def reloaded(scene, tables, added=(), removed=(), changed=(), restart_needed=(), **settings):
    """Reloads with these TABLES; the reply says just that."""
    reply = scene.daemon.reload([scene.session(tables, **settings)])
    expected = {"added": list(added), "removed": list(removed), "changed": list(changed)}
    assert reply == {"ok": True, **expected, "restart_needed": list(restart_needed)}, reply


def controls(scene):
    return len(scene.sim.requests("control"))


def test_nothing_changed(world, transport):
    scene = world.bridge([table()]).open()
    before = len(scene.sim.all("request"))
    reloaded(scene, [table()])
    reloaded(scene, [table()])
    scene.sim.updates("item1", range(3))
    scene.arrived()
    assert len(scene.sim.all("request")) == before and not scene.gaps()
    assert scene.status.wait(topic="bridge", event="reload", count=2)


def test_tables_are_added_removed_and_changed_while_the_server_is_silent(world, transport):
    """No update comes meanwhile: what the reload asks for does not wait for one."""
    scene = world.bridge([table("a", ["item1"]), table("b", ["item2"]), table("c", ["item3"])]).open()
    for item in ("item1", "item2", "item3"):
        scene.sim.updates(item, [1])
    scene.consumer.wait(item="item3", type="snapshot")
    tables = [table("a", ["item1"], fields=["b", "a"]), table("c", ["item3"]), table("d", ["item4"])]
    reloaded(scene, tables, added=["s/d"], removed=["s/b"], changed=["s/a"])
    scene.status.wait_table("deleted", "s/b")
    scene.status.wait_table("active", "s/d")
    scene.status.wait_table("active", "s/a", where=lambda m: m["seq"] > 2)
    assert [(m["table"], m["reason"]) for m in scene.gaps()] == [("b", "table deleted"), ("a", "table subscribed anew")]
    scene.sim.updates("item4", [1])
    scene.sim.updates("item2", [2])
    scene.consumer.wait(table="d", type="snapshot")
    assert len(scene.consumer.live(table="b")) == 2, "a message after the gap of a deleted table"
    late = world.status(scene.daemon.status_endpoint, "table/s/b")
    assert late.wait(topic="table/s/b")["state"] == "deleted", "the latest of its topic"


def test_max_frequency_is_asked_for_at_once(world, transport):
    scene = world.bridge([table()]).open()
    reloaded(scene, [table(max_frequency=3)], changed=["s/t"])
    scene.status.wait_table("active", where=lambda m: m.get("max_frequency", "").startswith("3"))
    assert scene.sim.count("subscribed") == 1 and not scene.gaps()
    reloaded(scene, [table(max_frequency="unfiltered")], changed=["s/t"])
    scene.sim.wait_event("subscribed", 2)


def test_topic_changes_without_a_new_subscription(world):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", [1])
    scene.consumer.wait(topic="item1", type="snapshot")
    reloaded(scene, [table(topic="{table}/{item}/")], changed=["s/t"])
    scene.sim.updates("item1", [2])
    assert scene.consumer.wait(topic="t/item1/")["seq"] == 2
    assert scene.sim.count("subscribed") == 1


def test_a_session_made_anew_says_what_becomes_of_its_tables(world, transport):
    scene = world.bridge([table("a", ["item1"]), table("b", ["item2"])]).open()
    scene.sim.updates("item1", [1])
    scene.sim.updates("item2", [1])
    scene.consumer.wait(item="item2", type="snapshot")
    tables = [table("a", ["item1"]), table("c", ["item3"])]
    reloaded(scene, tables, ["s/c"], ["s/b"], ["s"], stalled_ms=2500)
    scene.status.wait_table("deleted", "s/b")
    scene.status.wait_table("active", "s/c")
    assert scene.status.wait_session("connected", count=2)["continuity"] == "replaced"
    assert {(m["table"], m["reason"]) for m in scene.gaps()} == {("b", "table deleted"), ("a", "session replaced")}
    assert scene.sim.count("ended", cause="destroyed") == 1


def test_settings_outside_the_sessions_need_a_restart(world):
    """They are named once, and neither in effect nor shown as if they were."""
    scene = world.bridge([table()]).open()
    scene.daemon.groups["publisher"]["topic"] = "{table}"
    scene.daemon.groups["status"]["stats_interval_ms"] = 777
    reloaded(scene, [table()], restart_needed=["publisher.topic", "status.stats_interval_ms"])
    reloaded(scene, [table()])
    scene.sim.updates("item1", [1])
    scene.consumer.wait(topic="item1", type="snapshot")
    config = scene.daemon.must("config")["config"]
    assert (config["publisher"]["topic"], config["status"]["stats_interval_ms"]) == ("{item}", 5000)


def test_a_fault_changes_nothing(world):
    scene = world.bridge([table()]).open()
    before = len(scene.sim.all("request"))
    reply = scene.daemon.reload([scene.session([table(mode="MERG"), table("u", bogus=1)])])
    assert reply["ok"] is False
    faults = reply["error"].split("\n")
    assert len(faults) == 2 and all(f.startswith(f"{scene.daemon.config_path}:") for f in faults), faults
    scene.sim.updates("item1", range(3))
    scene.arrived()
    assert len(scene.sim.all("request")) == before and not scene.status.select(event="reload")


def test_hang_up_reloads(world):
    scene = world.bridge([table()]).open()
    scene.daemon.write([scene.session([table(), table("u", ["item2"])])])
    scene.daemon.hang_up()
    scene.status.wait_table("active", "s/u")
    scene.status.wait(topic="bridge", event="reload")


def test_sessions_come_and_go(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", [1])
    scene.consumer.wait(type="snapshot")
    other = session(scene.sim.url, [table()], name="other", transport=world.transport)
    reply = scene.daemon.reload([other])
    assert (reply["added"], reply["removed"], reply["changed"]) == (["other"], ["s"], [])
    scene.status.wait_session("connected", "other")
    scene.status.wait_session("disconnected")
    assert scene.consumer.wait(type="gap")["session"] == "s"
    scene.sim.wait_event("ended", cause="destroyed")


def test_a_deleted_table_comes_back_when_it_is_changed(world):
    """Not by a reload of what is the same: the new file is compared with the last one."""
    scene = world.bridge([table()]).open()
    scene.daemon.must("delete-table", session="s", table="t")
    reloaded(scene, [table()])
    assert not scene.daemon.must("tables")["tables"]
    for more in ({"max_frequency": 2}, {"topic": "x"}, {"snapshot": False}):
        reloaded(scene, [table(**more)], changed=["s/t"])
        scene.daemon.wait_table("active")
        scene.daemon.must("delete-table", session="s", table="t")
