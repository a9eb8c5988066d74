"""A reload touches only what changed: what runs beside it never notices."""

from bridge import session, table
from expect import arrived


class Before:
    """Two tables and a session beside them that must never notice."""

    def __init__(self, world, transport):
        self.world = world
        self.scene = scene = world.bridge([table("t"), table("u", ["item2"])])
        self.other_sim = world.sim()
        self.other_table = table("o", ["item9"])
        self.other = session(self.other_sim.url, [self.other_table], name="other", transport=transport)
        assert scene.daemon.reload([scene.session(), self.other])["added"] == ["other"]
        self.other_sim.open_door()
        scene.open()
        self.other_sim.wait_subscribed()
        self.update(0)
        scene.arrived()

    def update(self, n):
        self.scene.sim.say(f"update TEST item1 a={n}", f"update TEST item2 a={n}")
        self.other_sim.update("item9", a=str(n))

    def reload(self, tables=None, **settings):
        reply = self.scene.daemon.reload([self.scene.session(tables, **settings), self.other])
        assert reply["ok"], reply
        return reply

    def untouched(self, *, table=None):
        """No gap but those of TABLE (of none, when None); both sessions live on."""
        if table:
            self.scene.consumer.wait(type="gap", table=table)
        self.update(1)
        arrived(self.other_sim, self.scene.consumer, [self.other_table], name="other")
        gaps = {(g["session"], g["table"]) for g in self.scene.gaps()}
        assert gaps == ({("s", table)} if table else set()), gaps
        assert self.other_sim.count("session") == 1 and self.other_sim.count("subscribed") == 1
        assert self.scene.sim.count("session") == 1


def test_nothing_changed(world, transport):
    before = Before(world, transport)
    assert before.reload() == {"ok": True, "added": [], "removed": [], "changed": [], "restart_needed": []}
    before.untouched()
    before.scene.arrived()
    assert before.scene.sim.count("subscribed") == 2


def test_frequency(world, transport):
    """max_frequency becomes a reconf."""
    before = Before(world, transport)
    reply = before.reload([table("t", max_frequency=5), table("u", ["item2"])])
    assert reply["changed"] == ["s/t"], reply
    line = before.scene.sim.wait_event("request", name="control", where=lambda e: "LS_op=reconf" in e["lines"])["lines"]
    assert "LS_requested_max_frequency=5" in line, line
    before.scene.status.wait_table("active", "s/t", max_frequency="5.0")
    before.untouched()
    assert before.scene.sim.count("subscribed") == 2


def test_topic(world, transport):
    """At once, without a new subscription."""
    before = Before(world, transport)
    assert before.reload([table("t", topic="new/{item}"), table("u", ["item2"])])["changed"] == ["s/t"]
    before.untouched()
    before.scene.arrived()
    assert [t for t, m in before.scene.consumer.messages if m.get("table") == "t"] == ["item1", "new/item1"]
    late = world.consumer(before.scene.daemon.data, "new/").ready()
    assert late.select(table="t")[0]["seq"] == 2
    assert before.scene.sim.count("subscribed") == 2


def test_table(world, transport):
    """Any other change of a table subscribes it anew, with a gap; seq goes on."""
    before = Before(world, transport)
    assert before.reload([table("t", fields=["b", "a"]), table("u", ["item2"])])["changed"] == ["s/t"]
    before.scene.sim.wait_event("unsubscribed")
    before.scene.sim.wait_event("subscribed", 3)
    before.scene.consumer.wait(type="gap")
    before.untouched(table="t")
    last = before.scene.consumer.wait(table="t", where=lambda m: m.get("fields") == {"b": None, "a": "1"})
    numbers = [m["seq"] for m in before.scene.consumer.live(table="t")]
    assert numbers == list(range(1, len(numbers) + 1)) and last["seq"] == len(numbers)
    assert [m["changed"] for m in before.scene.consumer.live(table="t") if "changed" in m][1] == ["b", "a"]


def test_table_added_and_removed(world, transport):
    before = Before(world, transport)
    reply = before.reload([table("u", ["item2"]), table("v", ["item1"])])
    assert (reply["added"], reply["removed"], reply["changed"]) == (["s/v"], ["s/t"], []), reply
    gap = before.scene.consumer.wait(type="gap")
    assert gap["table"] == "t" and "deleted" in gap["reason"], gap
    before.scene.status.wait_table("deleted", "s/t")
    before.scene.status.wait_table("active", "s/v")
    before.untouched(table="t")
    seen = len(before.scene.consumer.live(table="t"))
    before.scene.sim.update("item1", a="9")
    before.scene.consumer.wait(table="v", where=lambda m: m.get("fields", {}).get("a") == "9")
    assert len(before.scene.consumer.live(table="t")) == seen  # nothing after its gap


def test_table_comes_back(world, transport):
    """A table that was removed and is added again goes on counting."""
    before = Before(world, transport)
    before.reload([table("u", ["item2"])])
    before.scene.consumer.wait(type="gap", table="t")
    before.reload()
    before.scene.sim.wait_event("subscribed", 3)
    before.update(5)
    again = before.scene.consumer.wait(table="t", seq=3)
    assert again["changed"] == ["a", "b"]


def test_session_settings(world, transport):
    """Make it anew; the other one does not notice."""
    before = Before(world, transport)
    assert before.reload(stalled_ms=1999)["changed"] == ["s"]
    before.scene.sim.wait_event("session", 2)
    assert before.scene.sim.wait_event("ended")["cause"] == "destroyed"
    before.scene.status.wait_session("connected", continuity="replaced")
    before.scene.sim.wait_event("subscribed", 4)
    before.update(2)
    before.scene.arrived()
    assert {(g["session"], g["table"]) for g in before.scene.gaps()} == {("s", "t"), ("s", "u")}
    assert before.other_sim.count("session") == 1


def test_session_added_and_removed(world, transport):
    before = Before(world, transport)
    more = session(before.other_sim.url, [table("m", ["item8"])], name="more", transport=transport)
    reply = before.scene.daemon.reload([before.other, more])
    assert (reply["added"], reply["removed"]) == (["more"], ["s"]), reply
    before.scene.sim.wait_event("ended")
    before.scene.consumer.wait(type="gap", table="t")
    before.scene.consumer.wait(type="gap", table="u")
    before.scene.status.wait_table("deleted", "s/t")
    before.scene.status.wait_session("connected", "more", continuity="new")
    names = [s["session"] for s in before.scene.daemon.must("sessions")["sessions"]]
    assert sorted(names) == ["more", "other"]
    assert before.scene.daemon.ask("rows", session="s")["ok"] is False


def test_faults_change_nothing(world, transport):
    before = Before(world, transport)
    for config in ("sessions = (", "nonsense = 1;", "", 'sessions = ( { name = "x"; } );'):
        reply = before.scene.daemon.reload([], config=config)
        assert reply["ok"] is False and before.scene.daemon.config_path + ":" in reply["error"], reply
    before.scene.daemon.hang_up()
    before.scene.daemon.wait_log("not reloaded")
    before.untouched()
    before.scene.arrived()
    assert before.reload()["changed"] == []  # compared with the last one that was taken


def test_restart_needed(world, transport):
    before = Before(world, transport)
    before.scene.daemon.groups["publisher"]["high_water_mark"] = 9999
    before.scene.daemon.groups["status"]["stats_interval_ms"] = 4999
    reply = before.reload()
    assert sorted(reply["restart_needed"]) == ["publisher.high_water_mark", "status.stats_interval_ms"], reply
    before.untouched()


def test_by_signal(world, transport):
    before = Before(world, transport)
    before.scene.daemon.write([before.scene.session([table("u", ["item2"])]), before.other])
    before.scene.daemon.hang_up()
    before.scene.status.wait_table("deleted", "s/t")
    before.untouched(table="t")


def test_refused_session_is_tried_when_it_changes(world, transport):
    scene = world.bridge([table()], adapter_set="NO_SUCH")
    scene.sim.open_door()
    scene.status.wait_session("disconnected", detail="refused")
    assert scene.daemon.must("reload")["changed"] == []
    assert scene.daemon.reload([scene.session(adapter_set="TEST")])["changed"] == ["s"]
    scene.status.wait_table("active")


def test_disconnected_session_stays_so(world, transport):
    scene = world.bridge([table()]).open()
    scene.daemon.must("disconnect", session="s")
    scene.daemon.wait_state("disconnected")
    assert scene.daemon.must("reload")["changed"] == []
    assert scene.daemon.session()["state"] == "disconnected"
    assert scene.daemon.reload([scene.session(stalled_ms=1999)])["changed"] == ["s"]
    scene.daemon.wait_state("connected")


def test_again_and_again(world, transport):
    """Reload after reload while data flows: nothing of the table that stays is lost."""
    tables = [table("stays", ["item1"])]
    scene = world.bridge(tables).open()
    for n in range(15):
        scene.sim.say(*[f"update TEST item1 a={n}.{i}" for i in range(5)])
        more = [table(f"x{n % 3}", ["item2"], ["a"] if n % 2 else ["b"])] if n % 4 else []
        assert scene.daemon.reload([scene.session(tables + more)])["ok"]
    scene.arrived()
    assert not [g for g in scene.gaps() if g["table"] == "stays"]
