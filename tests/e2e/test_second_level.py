"""Two-level COMMAND: every key is an item of its own, whose fields stand in the key's row."""

import json

from bridge import table
from process import wait_until


def portfolio(**more):
    second = {"fields": ["bid", "ask"], "data_adapter": "QUOTES"}
    return table("p", ["x"], ["key", "command", "qty"], mode="COMMAND", second_level=second, **more)


def add(scene, key, command="ADD", **fields):
    scene.sim.update("x", key=key, command=command, **fields)


def subscribed(scene, key, n=1):
    scene.sim.say(f'wait subscribed "{key}" {n}')


def test_both_levels(world, transport):
    """Rows, `changed`, kseq; keys of any characters; the second level's first update is a snapshot; it goes with its key."""
    scene = world.bridge([portfolio()], separator="|", options=["--separator", "|"]).open()
    for key in ("k1", "k 2+%&=", "ключ"):
        add(scene, key, qty="1")
        subscribed(scene, key)
        scene.sim.update(key, bid="1.5", ask=None)
        scene.sim.update(key, ask="2")
        add(scene, key, "UPDATE", qty="2")
        scene.sim.update(key, bid="1.5", ask="2")
    scene.arrived()
    first = scene.consumer.wait(key="k1", kseq=2)
    assert (first["type"], first["command"], sorted(first["changed"])) == ("snapshot", "UPDATE", ["bid", "command"])
    assert list(first["fields"]) == ["key", "command", "qty", "bid", "ask"], first
    rows = {r["key"]: r["fields"] for r in scene.daemon.must("rows", table="p")["rows"]}
    assert rows["ключ"] == {"key": "ключ", "command": "UPDATE", "qty": "2", "bid": "1.5", "ask": "2"}
    assert scene.daemon.must("tables")["tables"][0]["fields"] == 5
    add(scene, "k1", "DELETE")
    scene.sim.say("wait unsubscribed k1")
    add(scene, "k1", qty="7")
    subscribed(scene, "k1")
    scene.sim.update("k1", bid="9")
    scene.arrived()
    gone = scene.consumer.wait(key="k1", command="DELETE")
    assert gone["fields"] == {"key": "k1", "command": "DELETE", "qty": None, "bid": None, "ask": None}
    scene.sim.say("clear TEST x", "wait unsubscribed k1", "wait unsubscribed ключ")
    add(scene, "k1", qty="8")
    scene.arrived()
    asked = [line for r in scene.sim.requests("control") for line in r.splitlines() if "LS_group=k1&" in line]
    assert "LS_mode=MERGE" in asked[0] and "LS_data_adapter=QUOTES" in asked[0] and "LS_snapshot=true" in asked[0], asked


def test_what_consumers_see(world):
    """Types, topics by key, MessagePack, replays and changed fields alone, of both levels."""
    tables = [portfolio(topic="{item}/{key}/", types={"number": ["qty", "bid"]})]
    scene = world.bridge(tables, publisher={"fields": "changed"}).open()
    live = world.consumer(scene.daemon.data, "x/k1/").ready()
    add(scene, "k1", qty="3")
    add(scene, "k2", qty="3")
    subscribed(scene, "k1")
    scene.sim.update("k1", bid="1.25", ask="a")
    scene.sim.update("k1", ask=None)
    last = live.wait(kseq=3)
    assert last["fields"] == {"key": "k1", "command": "UPDATE", "ask": None}
    assert live.wait(kseq=2)["fields"] == {"key": "k1", "command": "UPDATE", "bid": 1.25, "ask": "a"}
    late = world.consumer(scene.daemon.data, "x/k1/")
    row = late.wait(replay=True)
    assert row["fields"] == {"key": "k1", "command": "UPDATE", "qty": 3, "bid": 1.25, "ask": None}
    assert late.wait(type="replayed")["count"] == 1


def test_messagepack(world):
    scene = world.bridge([portfolio(encoding="msgpack", types={"integer": ["bid"]})]).open()
    add(scene, "k1", qty="3")
    subscribed(scene, "k1")
    scene.sim.update("k1", bid="12", ask="a")
    last = scene.consumer.wait(kseq=2)
    assert last["fields"] == {"key": "k1", "command": "UPDATE", "qty": "3", "bid": 12, "ask": "a"}
    row = scene.daemon.must("rows", key="k1")["rows"][0]
    assert row["fields"] == last["fields"], row


def test_refused(world, transport):
    """The table stays active, the fields null; it is told once, and asked for again after its time."""
    scene = world.bridge([portfolio(retry_failed_ms=200)]).open()
    add(scene, "no-such-1", qty="1")
    add(scene, "no-such-2", qty="1")
    add(scene, "k", qty="1")
    subscribed(scene, "k")
    scene.sim.update("k", bid="1")
    add(scene, "no-such-1", "UPDATE", qty="2")
    scene.arrived()
    scene.daemon.wait_log(r"no second level for key no-such-1 of table p: .*\(code 2\d\)")

    def asked():
        return sum(r.count("LS_group=no-such-1&") for r in scene.sim.requests("control"))

    wait_until(lambda: asked() >= 3, lambda: f"asked {asked()} times")
    told = scene.daemon.must("tables")["tables"][0]
    assert told["state"] == "active" and (told["counters"]["keys"], told["counters"]["keys_failed"]) == (3, 2), told
    assert scene.daemon.log().count("no second level") == 1
    add(scene, "no-such-1", "DELETE")
    scene.arrived()


def test_unsubscribed_by_the_server(world, transport):
    """What it told is void: null again, until it is asked for again."""
    scene = world.bridge([portfolio(retry_failed_ms=300)]).open()
    add(scene, "k", qty="1")
    subscribed(scene, "k")
    scene.sim.update("k", bid="1", ask="2")
    scene.sim.say("wait drained")
    sub = scene.sim.all("subscribed", items=["k"])[0]["sub"]
    scene.sim.say(f"unsubscribe {sub}")
    void = scene.consumer.wait(kseq=3)
    assert (void["type"], void["fields"]["bid"], sorted(void["changed"])) == ("update", None, ["ask", "bid"])
    scene.sim.wait_event("subscribed", 3)
    scene.sim.update("k", bid="3")
    scene.arrived()
    assert not scene.gaps()


def test_recovered_and_replaced(world, transport):
    """A recovery goes on with both levels; a new session makes both anew."""
    scene = world.bridge([portfolio()]).open()
    for key in ("a", "b"):
        add(scene, key, qty="1")
        subscribed(scene, key)
        scene.sim.update(key, bid="1", ask="1")
    scene.sim.say("swallow 3")
    scene.sim.update("a", bid="2")
    add(scene, "b", "DELETE")
    scene.sim.update("a", ask="3")
    scene.sim.say("wait bound", "wait unsubscribed b")
    scene.arrived()
    assert not scene.gaps()
    scene.sim.say("end 48", "wait session 2", "wait subscribed x", "wait subscribed a")
    scene.sim.update("a", bid="5")
    scene.arrived()
    assert [m["item"] for m in scene.gaps()] == ["x"]


def test_lost_updates(world, transport):
    scene = world.bridge([portfolio()]).open()
    add(scene, "a", qty="1")
    subscribed(scene, "a")
    scene.sim.update("a", bid="1", ask="1")
    scene.sim.say("lost TEST a 3")
    scene.arrived()
    assert scene.consumer.wait(type="lost")["count"] == 3


def test_many_keys_come_and_go(world, transport):
    """What is left has what the server last said; what went is unsubscribed."""
    scene = world.bridge([portfolio()]).open()
    lines = []
    for n in range(1500):
        lines.append(f"update TEST x key=k{n % 500} command=ADD qty={n}")
        if n % 3 == 0:
            lines.append(f"update TEST x key=k{(n + 7) % 500} command=DELETE")
    scene.sim.say(*lines)
    scene.sim.say("wait drained")
    left = {}
    for event in scene.sim.all("sent", kind="update", mode="COMMAND"):
        fields = event["fields"]
        left[fields["key"]] = fields["qty"] if fields["command"] != "DELETE" else None
    left = {key: qty for key, qty in left.items() if qty is not None}

    def rows():
        found, after = {}, {}
        while True:
            reply = scene.daemon.must("rows", limit=1000, **after)
            found.update({r["key"]: r["fields"] for r in reply["rows"]})
            if "next" not in reply:
                return found
            after = {"after": reply["next"]}

    wait_until(lambda: {k: r["qty"] for k, r in rows().items()} == left, lambda: "other rows")

    def subscriptions():
        last = {}
        for event in scene.sim.all("subscribed", mode="MERGE"):
            last[event["sub"]] = event["items"][0]
        for event in scene.sim.all("unsubscribed"):
            last.pop(event["sub"], None)
        return sorted(last.values())

    wait_until(lambda: subscriptions() == sorted(left), lambda: f"{len(subscriptions())} of {len(left)}")
    scene.sim.say(*[f"update TEST {key} bid={key}" for key in left])
    wait_until(lambda: all(r["bid"] == k for k, r in rows().items()), lambda: json.dumps(rows())[:2000])
    assert not scene.gaps()


def test_reloaded(world):
    scene = world.bridge([portfolio()]).open()
    add(scene, "a", qty="1")
    subscribed(scene, "a")
    other = dict(portfolio(), second_level={"fields": ["bid"], "data_adapter": "QUOTES"})
    scene.daemon.write([scene.session([other])])
    assert scene.daemon.must("reload")["changed"] == ["s/p"]
    scene.status.wait_table("active", "s/p", where=lambda m: m["fields"] == 4)
    scene.sim.say("wait subscribed x")
    scene.consumer.wait(type="gap")
    row = scene.consumer.wait(where=lambda m: m.get("command") == "ADD" and len(m["fields"]) == 4)
    assert row["fields"] == {"key": "a", "command": "ADD", "qty": "1", "bid": None}


def test_text_mode(world):
    more = {"key_field": "key", "command_field": "2"}
    scene = world.bridge([portfolio(**more)], protocol="text", transport="http-streaming").open()
    for key in ("a", "b"):
        add(scene, key, qty="1")
        subscribed(scene, key)
        scene.sim.update(key, bid="1", ask=None)
        scene.sim.update(key, ask="#2")
    add(scene, "a", "UPDATE", qty="2")
    add(scene, "b", "DELETE")
    scene.sim.say("wait unsubscribed b")
    scene.arrived()
    assert scene.daemon.must("rows", key="a")["rows"][0]["fields"]["ask"] == "#2"


def test_split_and_added_at_run_time(world):
    """Items one by one, keys of each."""
    scene = world.bridge([table()]).open()
    second = {"fields": ["bid"], "data_adapter": "QUOTES"}
    added = table("p", ["x", "no-such-y"], ["key", "command"], mode="COMMAND", second_level=second, split_on_error=True)
    scene.daemon.must("add-table", session="s", table=added)
    scene.status.wait_table("active", "s/p", where=lambda m: m.get("failed_items") == ["no-such-y"])
    add(scene, "k")
    subscribed(scene, "k")
    scene.sim.update("k", bid="1")
    row = scene.consumer.wait(key="k", kseq=2)
    assert (row["type"], row["fields"]["bid"], row["pos"]) == ("snapshot", "1", 1)
    scene.daemon.must("delete-table", session="s", table="p")
    scene.sim.say("wait unsubscribed k")
    scene.consumer.wait(type="gap", table="p", item="x")
