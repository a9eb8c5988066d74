"""The data socket: endpoints, topics, filters, replays."""

import os
import stat

from bridge import configuration, session, table
from expect import arrived, check_numbers
from process import run, wait_until


def test_several_endpoints(world):
    endpoints = ["tcp://127.0.0.1:*", f"ipc://{world.path('more')}", "tcp://127.0.0.2:*"]
    scene = world.bridge([table()], publisher={"endpoints": endpoints})
    bound = scene.daemon.bound("data")
    assert len(bound) == 3 and "*" not in "".join(bound), bound
    assert scene.status.wait(topic="bridge", event="start")["endpoints"]["data"] == bound
    assert scene.daemon.must("status")["endpoints"]["data"] == bound
    consumers = [world.consumer(endpoint).ready() for endpoint in bound]
    scene.open()
    scene.sim.updates("item1", range(20))
    for consumer in consumers:
        arrived(scene.sim, consumer, scene.tables)


def test_modes_of_ipc_sockets(world):
    scene = world.bridge([table()], publisher={"ipc_mode": "0600"})
    paths = {what: scene.daemon.bound(what)[0].removeprefix("ipc://") for what in ("data", "status", "control")}
    modes = {what: stat.S_IMODE(os.stat(path).st_mode) for what, path in paths.items()}
    assert modes == {"data": 0o600, "status": 0o660, "control": 0o660}, {k: oct(v) for k, v in modes.items()}
    assert all(os.path.exists(path + ".lock") for path in paths.values())
    scene.daemon.stop()
    assert not any(os.path.exists(path + more) for path in paths.values() for more in ("", ".lock"))


def second(world, **publisher):
    """A daemon that should not start; what it says."""
    config = configuration(
        publisher=publisher,
        status={"endpoints": [f"ipc://{world.path('s2')}"]},
        control={"endpoints": [f"ipc://{world.path('c2')}"]},
        sessions=[session("http://127.0.0.1:1", [table()])],
    )
    return run("lsbridged", "-c", world.file("second.conf", config), status=1).stderr


def test_endpoint_in_use(world):
    first = world.bridge([table()], publisher={"endpoints": ["tcp://127.0.0.1:*", f"ipc://{world.path('one')}"]})
    tcp, ipc = first.daemon.bound("data")
    said = second(world, endpoints=[tcp])
    assert tcp in said and "in use" in said and "endpoints" in said, said
    said = second(world, endpoints=[ipc])
    assert ipc in said and "in use" in said, said
    consumer = world.consumer(ipc).ready()  # and the first one is none the worse
    first.open()
    first.sim.updates("item1", range(3))
    arrived(first.sim, consumer, first.tables)


def test_stale_ipc_socket(world):
    """What a daemon that was killed leaves behind is no obstacle; a plain file is."""
    scene = world.bridge([table()])
    path = scene.daemon.data.removeprefix("ipc://")
    scene.daemon.kill()
    scene.daemon.status = 0
    assert os.path.exists(path)
    again = world.daemon([scene.session()], publisher={"endpoints": [f"ipc://{path}"]})
    world.consumer(again.data).ready()
    said = second(world, endpoints=[f"ipc://{world.file('plain', 'x')}"])
    assert "not a socket" in said, said
    assert os.path.exists(world.path("plain"))


def test_prefixes(world, transport):
    items = ["item1", "item10", "item2"]
    scene = world.bridge([table("t", items), table("u", items, ["c"], topic="{table}/{item}/")])
    by_prefix = world.consumer(scene.daemon.data, "item1").ready()
    exact = world.consumer(scene.daemon.data, "u/item1/").ready()
    two = world.consumer(scene.daemon.data, "item2", "u/item10/").ready()
    scene.open()
    for item in items:
        scene.sim.update(item, a="1", c="2")
    scene.arrived()
    by_prefix.wait(count=2, type="snapshot")
    exact.wait(count=1, type="snapshot")
    two.wait(count=2, type="snapshot")
    for consumer in (by_prefix, exact, two):
        consumer.wait_quiet()
    assert [t for t, m in by_prefix.messages if m["type"] == "snapshot"] == ["item1", "item10"]
    assert [t for t, m in exact.messages if m["type"] == "snapshot"] == ["u/item1/"]
    assert sorted(t for t, m in two.messages if m["type"] == "snapshot") == ["item2", "u/item10/"]


def test_topic_templates(world, transport):
    command = table("c", ["x"], ["key", "command", "a"], mode="COMMAND", topic="{session}.{table}.{item}.{pos}.{key}!")
    scene = world.bridge([table("t", ["item1", "item2"], topic="plain"), command], publisher={"topic": "{item}"})
    scene.consumer = world.consumer(scene.daemon.data).ready()
    scene.open()
    scene.sim.update("item2", a="1")
    scene.sim.update("x", key="k/1", command="ADD", a="1")
    scene.sim.update("x", key="", command="ADD", a="1")
    scene.sim.say("lost TEST x 3")
    scene.arrived()
    topics = [(t, m["type"]) for t, m in scene.consumer.messages if m["type"] != "replayed"]
    assert sorted(topics) == sorted([
        ("plain", "snapshot"), ("s.c.x.1.!", "eos"), ("s.c.x.1.k/1!", "update"), ("s.c.x.1.!", "update"), ("s.c.x.1.!", "lost"),
    ]), topics  # fmt: skip


def test_many_filters(world):
    """A consumer of 5000 items gets each of them."""
    items = [f"i{n}" for n in range(5000)]
    scene = world.bridge([table("t", items, ["a"], topic="{item}/")])
    many = world.consumer(scene.daemon.data, *[f"{item}/" for item in items])
    many.ready()
    scene.open()
    scene.sim.say("rate 50000", "sleep 300", "rate 0")
    scene.arrived()
    many.wait(where=lambda m: m["type"] in ("update", "snapshot"), count=len(scene.consumer.live()))
    assert len({m["item"] for m in many.live()}) == 5000


# --- replay ---


def rows(consumer, **keys):
    return consumer.select(where=lambda m: m.get("replay"), **keys)


def test_replay(world, transport):
    tables = [
        table("t", ["item1", "item10", "item2"]),
        table("c", ["x"], ["key", "command", "a"], mode="COMMAND", topic="c/{item}/{key}/"),
        table("d", ["item1"], ["a", "b", "c"], mode="DISTINCT"),
    ]
    scene = world.bridge(tables).open()
    for n, item in enumerate(["item1", "item10", "item1", "item2", "item1"]):
        scene.sim.update(item, a=str(n), b=None)
    for key in ["k1", "k2", "k3"]:
        scene.sim.update("x", key=key, command="ADD", a=key)
    scene.sim.update("x", key="k2", command="DELETE")
    scene.sim.update("x", key="k3", command="UPDATE", a="new")
    scene.arrived()

    one = world.consumer(scene.daemon.data, "item1").ready()
    assert [(m["item"], m["seq"], m["fields"]["a"]) for m in rows(one)] == [("item1", 3, "4"), ("item10", 1, "1")]
    assert one.select(type="replayed") == [{"v": 1, "run": one.messages[0][1]["run"], "type": "replayed", "count": 2}]
    assert [t for t, m in one.messages if m["type"] == "replayed"] == ["item1"]
    assert all("changed" not in m for m in rows(one))

    keys = world.consumer(scene.daemon.data, "c/x/").ready()
    assert [(m["key"], m["command"], m["kseq"], m["fields"]) for m in rows(keys)] == [
        ("k1", "ADD", 1, {"key": "k1", "command": "ADD", "a": "k1"}),
        ("k3", "UPDATE", 2, {"key": "k3", "command": "UPDATE", "a": "new"}),
    ]

    nothing = world.consumer(scene.daemon.data, "nobody").ready()
    assert nothing.messages[-1][1]["count"] == 0

    # A second subscription to the same is answered too, and heard by the first: it knows the numbers already.
    world.consumer(scene.daemon.data, "item1").ready()
    one.wait(type="replayed", count=2)
    assert len(rows(one)) == 4
    scene.arrived()
    check_numbers(scene.consumer)


def test_replay_limit(world):
    items = [f"item{n}" for n in range(1, 12)]
    scene = world.bridge([table("t", items)], publisher={"replay_limit": 5})
    scene.consumer = world.consumer(scene.daemon.data).ready()
    scene.open()
    for item in items:
        scene.sim.update(item, a="1")
    scene.arrived()
    late = world.consumer(scene.daemon.data, "item")
    last = late.wait(type="replayed")
    assert (last.get("skipped"), "count" in last) == (11, False), last
    assert not rows(late)
    few = world.consumer(scene.daemon.data, "item1").ready()
    assert len(rows(few)) == 3  # item1, item10, item11
    assert len(scene.daemon.rows(table="t", limit=2)) == 11


def test_no_replay(world):
    scene = world.bridge([table()], publisher={"replay": False}).open()
    scene.sim.update("item1", a="1")
    wait_until(lambda: scene.daemon.rows(), "a row")
    late = world.consumer(scene.daemon.data)
    wait_until(lambda: scene.sim.update("item1", a="2") or late.messages, "the subscription")
    assert not rows(late) and not late.select(type="replayed")


def test_rows_are_void_after_a_gap(world, transport):
    """Neither replay nor `rows` has rows of a session that is lost."""
    scene = world.bridge([table()]).open()
    scene.sim.update("item1", a="1")
    scene.arrived()
    scene.sim.say("refuse create close always", "forget")
    scene.consumer.wait(type="gap")
    late = world.consumer(scene.daemon.data).ready()
    assert not rows(late) and scene.daemon.rows() == []


def test_only_what_changed(world, transport):
    command = table("c", ["x"], ["key", "command", "a", "b"], mode="COMMAND")
    scene = world.bridge([table(), command, table("d", ["item2"], mode="DISTINCT")], publisher={"fields": "changed"})
    consumer = world.consumer(scene.daemon.data).ready()
    scene.open()
    scene.sim.update("item1", a="1", b="2")
    scene.sim.update("item1", a="1", b=None)
    scene.sim.update("item1", a="1")
    scene.sim.update("x", key="k", command="ADD", a="1", b="2")
    scene.sim.update("x", key="k", command="UPDATE", b="3")
    scene.sim.update("x", key="k", command="DELETE")
    scene.sim.update("item2", a="1", b="2")
    scene.sim.update("item2", a="1", b="3")
    consumer.wait(table="d", seq=3)
    assert [m["fields"] for m in consumer.live(table="t")] == [{"a": "1", "b": "2"}, {"b": None}, {}]
    assert [m["fields"] for m in consumer.live(table="c")[1:]] == [
        {"key": "k", "command": "ADD", "a": "1", "b": "2"},
        {"key": "k", "command": "UPDATE", "b": "3"},
        {"key": "k", "command": "DELETE", "a": None, "b": None},
    ]
    assert not any("changed" in m for m in consumer.live() if m["table"] != "d")
    # Rows of DISTINCT are always whole, with `changed`.
    assert [(m["fields"], m["changed"]) for m in consumer.live(table="d")[1:]] == [
        ({"a": "1", "b": "2"}, ["a", "b"]), ({"a": "1", "b": "3"}, ["b"]),
    ]  # fmt: skip
    late = world.consumer(scene.daemon.data, "item1").ready()
    assert rows(late)[0]["fields"] == {"a": "1", "b": None}
