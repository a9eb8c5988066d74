"""The older text mode, end to end: what TLCP's tests show, where the protocols differ."""

import itertools

from bridge import table
from process import wait_until
from test_data import ODD_VALUES

TEXT = {"protocol": "text", "transport": "http-streaming"}
POLLS = {"protocol": "text", "transport": "http-polling", "idle_ms": 300}


def lost_once(scene):
    """Everything arrived, with one gap for the only item, in two sessions."""
    scene.status.wait_session("connected", continuity="replaced")
    scene.arrived()
    assert [g["reason"] for g in scene.gaps()] == ["session lost"], scene.gaps()
    assert scene.sim.count("session") == 2


def test_values(world):
    scene = world.bridge([table()], **TEXT).open()
    for before, after in itertools.pairwise([*ODD_VALUES, "\U0001d11e", "\\u0041", "##", "$$"]):
        scene.sim.update("item1", a=before, b=after)
    scene.arrived()
    assert scene.sim.all("session")[0]["protocol"] == "text"
    assert scene.status.states("session/s")[-1] == ("connected", "http-streaming")


def test_lone_surrogate(world):
    scene = world.bridge([table("t", ["item1"], ["a"])], **TEXT).open()
    scene.sim.say(r"data 1,1|x\\ud834y\\udd1e\\u00e9")
    assert scene.consumer.wait(seq=1)["fields"]["a"] == "x\ufffdy\ufffdé"


def test_modes(world):
    tables = [
        table("m", ["item1", "item2"], ["a", "b"]),
        table("d", ["item3"], ["a"], mode="DISTINCT", snapshot=2),
        table("c", ["item4"], ["key", "a", "command"], mode="COMMAND"),
        table("r", ["item5"], ["a"], mode="RAW", snapshot=False),
    ]
    scene = world.bridge(tables, **TEXT)
    scene.sim.updates("item3", range(5))
    scene.sim.say("update TEST item4 key=k1 command=ADD a=1", "update TEST item4 key=k2 command=ADD a=1")
    scene.open()
    scene.sim.update("item1", a="1", b=None)
    scene.sim.updates("item3", range(5, 8))
    scene.sim.say("update TEST item4 key=k1 command=UPDATE a=2", "update TEST item4 key=k2 command=DELETE", "clear TEST item4",
                  "update TEST item4 key=k1 command=UPDATE a=3", "update TEST item5 a=x", "update TEST item5 a=x", "lost TEST item5 7")  # fmt: skip
    scene.arrived()
    assert [m["type"] for m in scene.consumer.live(table="d")] == ["snapshot"] * 2 + ["eos"] + ["update"] * 3
    assert scene.consumer.live(table="c")[-1]["command"] == "ADD"
    assert [m["count"] for m in scene.consumer.select(type="lost")] == [7]


def test_key_and_command_by_position(world):
    fields = ["a", "command", "key"]
    scene = world.bridge([table("c", ["item1"], fields, mode="COMMAND", key_field="3", command_field="command")], **TEXT).open()
    scene.sim.say("update TEST item1 key=k command=ADD a=1", "update TEST item1 key=k command=DELETE a=1")
    scene.arrived()
    last = scene.consumer.live()[-1]
    assert (last["key"], last["command"], last["fields"]) == ("k", "DELETE", {"a": None, "command": "DELETE", "key": "k"})


def test_group_and_schema_without_names(world):
    """What there is shows in the data: positions name items and fields."""
    nameless = {"name": "t", "group": "item1 item2", "schema": "a b", "snapshot": False}
    scene = world.bridge([nameless], **TEXT)
    scene.sim.open_door()
    scene.status.wait_table("active", "s/t")
    scene.sim.update("item2", a="x", b="y")
    got = scene.consumer.wait(seq=1)
    assert (got["item"], got["pos"], got["fields"], got["changed"]) == ("2", 2, {"1": "x", "2": "y"}, ["1", "2"])
    scene.sim.update("item1", b="z")
    assert scene.consumer.wait(pos=1)["fields"] == {"1": None, "2": "z"}


def test_separator(world):
    items, fields = ["an item", "another one"], ["a field", "b"]
    scene = world.bridge([table("t", items, fields)], ["--separator", "|"], separator="|", **TEXT).open()
    scene.sim.say('update TEST "an item" "a field"=1')
    scene.arrived()


def test_loop_keeps_rows(world):
    scene = world.bridge([table()], **TEXT).open()
    for n in range(5):
        scene.sim.updates("item1", range(n * 5, n * 5 + 5))
        scene.sim.say("loop 10", "wait bound")
    scene.arrived()
    scene.status.wait_session("connected", continuity="preserved", count=5)
    assert not scene.gaps() and scene.sim.count("session") == 1


def test_content_length_is_used_up(world):
    scene = world.bridge([table()], content_length_bytes=2000, **TEXT).open()
    for n in range(300):
        scene.sim.update("item1", a=f"{n} and some text to fill the stream with")
    scene.arrived()
    assert scene.daemon.session()["counters"]["rebinds"] > 3 and not scene.gaps()


def test_cut(world):
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("swallow 5")
    scene.sim.updates("item1", range(5, 10))
    scene.sim.say("cut")
    scene.sim.updates("item1", range(10, 15))
    lost_once(scene)


def test_cut_in_the_middle_of_a_line(world):
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("cut bytes 5")
    scene.sim.updates("item1", range(5, 15))
    lost_once(scene)


def test_stall(world):
    quick = {"keepalive_ms": 200, "stalled_ms": 150, "reconnect_ms": 200, "connect_ms": 1000}
    scene = world.bridge([table()], **TEXT, **quick).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("stall")
    scene.sim.updates("item1", range(5, 10))
    scene.status.wait_session("connected", detail="stalled")
    lost_once(scene)


def test_sync_error_on_a_bind(world):
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("forget")
    scene.sim.updates("item1", range(5, 10))
    lost_once(scene)


def test_ends(world):
    """With a code on the line, and without one."""
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("end 32")
    lost_once(scene)
    scene.sim.say("end 35")
    refused = scene.status.wait_session("disconnected", detail="refused")
    assert refused["code"] == 35


def test_refused(world):
    scene = world.bridge([table()], user="u", password="wrong", **TEXT)
    scene.sim.say("refuse create 1 always no")
    refused = scene.status.wait_session("disconnected", detail="refused")
    assert refused["code"] == 1 and refused["reason"]


def test_table_refused(world):
    scene = world.bridge([table(), table("u", ["item9"])], **TEXT)
    scene.sim.say("refuse item item9 21 always Bad item")
    scene.sim.open_door()
    failed = scene.status.wait_table("failed", "s/u")
    assert (failed["code"], failed["reason"]) == (21, "Bad item")
    scene.status.wait_table("active", "s/t")
    scene.sim.updates("item1", range(3))
    scene.consumer.wait(seq=3)


def test_silent_table(world):
    scene = world.bridge([table(silent=True)], **TEXT)
    scene.sim.open_door()
    scene.status.wait_table("silent", "s/t")
    wait_until(lambda: scene.sim.requests("control", "LS_op=add_silent"), "the silent add")
    scene.sim.updates("item1", range(3))
    assert scene.daemon.ask("start", session="s", table="t")["ok"]
    scene.status.wait_table("active", "s/t")
    scene.sim.updates("item1", range(3, 6))
    wait_until(lambda: scene.consumer.live() and scene.consumer.live()[-1]["fields"]["a"] == "5", "the data")


def test_granted_on_request(world):
    scene = world.bridge([table()], **TEXT).open()
    assert scene.daemon.ask("reconf", session="s", table="t", max_frequency=5)["max_frequency"] == 5
    assert scene.daemon.ask("constrain", session="s", max_bandwidth_kbps=100)["max_bandwidth_kbps"] == 100
    assert scene.daemon.ask("constrain", session="s", max_bandwidth_kbps="unlimited")["max_bandwidth_kbps"] == "unlimited"
    scene.sim.updates("item1", range(3))
    scene.arrived()


def test_rebind(world):
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(3))
    scene.arrived()
    assert scene.daemon.ask("rebind", session="s")["ok"]
    scene.status.wait_session("connected", continuity="preserved")
    scene.sim.updates("item1", range(3, 6))
    scene.arrived()
    assert not scene.gaps()


def test_delete_and_add(world):
    scene = world.bridge([table(), table("u", ["item2"])], **TEXT).open()
    scene.sim.updates("item2", range(3))
    scene.arrived()
    assert scene.daemon.ask("delete-table", session="s", table="u")["ok"]
    assert scene.consumer.wait(type="gap")["reason"] == "table deleted"
    assert scene.daemon.ask("add-table", session="s", table=table("w", ["item3"]))["ok"]
    scene.status.wait_table("active", "s/w")
    scene.sim.updates("item3", range(3))
    scene.consumer.wait(item="item3", seq=3)


def test_older_parameter(world):
    scene = world.bridge([table(data_adapter="TEST")], adapter_parameter="LS_adapter", **TEXT).open()
    assert scene.sim.requests("control", "LS_adapter=TEST")
    scene.sim.updates("item1", range(3))
    scene.arrived()


def test_polling(world):
    scene = world.bridge([table(), table("d", ["item2"], mode="DISTINCT")], **POLLS).open()
    for n in range(10):
        scene.sim.updates("item1", range(n * 5, n * 5 + 5))
        scene.sim.updates("item2", range(n * 5, n * 5 + 5))
    scene.arrived()
    assert not scene.gaps() and scene.sim.count("session") == 1
    assert scene.status.states("session/s")[-1] == ("connected", "http-polling")


def test_stop_destroys(world):
    scene = world.bridge([table()], **TEXT).open()
    scene.sim.updates("item1", range(3))
    scene.arrived()
    assert scene.daemon.stop() == 0
    assert scene.sim.requests("control", "LS_op=destroy")


def test_slow_consumer_loses_nothing(world):
    publisher = {"high_water_mark": 100, "slow_consumer": "wait"}
    scene = world.bridge([table()], publisher=publisher, **TEXT)
    slow = world.consumer(scene.daemon.data).ready()
    scene.open()
    slow.pause()
    scene.sim.say("burst TEST item1 5000")
    slow.resume()
    wait_until(lambda: len(slow.live()) >= 5000, "all of them")


def test_codes_on_create(world):
    """As in TLCP, but that no other version is tried."""
    scene = world.bridge([table()], retry_max_ms=100, **TEXT)
    for code in [5, 8, 123]:
        scene.sim.say(f"refuse create {code} 1 busy")
        scene.status.wait_session("connecting", detail="waiting", code=code)
    for code in [2, 65, -5]:
        scene.sim.say(f"refuse create {code} 1 no")
        scene.daemon.must("connect", session="s")
        assert scene.status.wait_session("disconnected", detail="refused", code=code)["reason"] == "no"


def test_end_in_the_head(world):
    scene = world.bridge([table()], **TEXT)
    scene.sim.say("refuse create end none 1")
    reason = scene.status.wait_session("connecting", detail="waiting", where=lambda m: "END" in m.get("reason", ""))["reason"]
    assert reason == "END, without a code"
    scene.sim.say("refuse create end 31 1")
    scene.daemon.must("connect", session="s")
    assert scene.status.wait_session("disconnected", detail="refused")["code"] == 31


def test_messages(world):
    scene = world.bridge([table()], **TEXT).open()
    assert scene.daemon.must("send-message", session="s", text="plain, é + %")["response"] == ""
    for n in range(3):
        scene.daemon.must("send-message", session="s", text=f"in order {n}", sequence="q")
    scene.sim.say('message "no such" fail -9 "not like this"')
    refused = scene.daemon.ask("send-message", session="s", text="no such", sequence="q")
    assert (refused["ok"], refused["code"]) == (False, -9) and "not like this" in refused["error"]
    assert "LS_msg_prog=4" in scene.sim.requests("send_message", "LS_sequence=q")[-1]


def test_split_on_error(world):
    scene = world.bridge([table(items=["a", "no-such-b", "c"], split_on_error=True, retry_failed_ms=0)], **TEXT)
    scene.sim.say("refuse item no-such-b 21 always Bad item")
    scene.sim.open_door()
    scene.status.wait_table("active", "s/t", where=lambda m: m.get("failed_items") == ["no-such-b"])
    scene.sim.say("wait subscribed a", "wait subscribed c")
    scene.sim.updates("a", range(5))
    scene.sim.updates("c", range(5))
    scene.arrived()
    assert {(m["item"], m["pos"]) for m in scene.consumer.live()} == {("a", 1), ("c", 3)}


def test_second_level(world):
    second = {"fields": ["bid", "ask"], "data_adapter": "QUOTES"}
    scene = world.bridge([table("p", ["x"], ["key", "command", "qty"], mode="COMMAND", second_level=second)], **TEXT).open()
    for key in ("k1", "k2"):
        scene.sim.update("x", key=key, command="ADD", qty="1")
        scene.sim.say(f"wait subscribed {key}")
        scene.sim.update(key, bid="1.5", ask=None)
        scene.sim.update(key, ask="2")
    scene.arrived()
    first = scene.consumer.wait(key="k1", kseq=2)
    assert (first["type"], first["command"], sorted(first["changed"])) == ("snapshot", "UPDATE", ["bid", "command"])
    scene.sim.update("x", key="k1", command="DELETE")
    scene.sim.say("wait unsubscribed k1")
    scene.sim.update("x", key="k1", command="ADD", qty="7")
    scene.sim.say("wait subscribed k1")
    scene.sim.update("k1", bid="9")
    scene.arrived()
    last = scene.consumer.live()[-1]["fields"]
    assert last == {"key": "k1", "command": "UPDATE", "qty": "7", "bid": "9", "ask": "2"}, last
