"""MessagePack: the same keys and values. What other files' tests say of JSON messages is asked of these as well."""

import json

import test_data
import test_types
from bridge import table
from consumer import Consumer

ROWS = ["session", "table", "item", "pos", "seq", "type", "fields", "changed", "key", "command", "kseq", "count"]


def in_msgpack(test):
    def again(world, transport):
        world.publisher = {"encoding": "msgpack"}
        test(world, transport)
        encodings = {e for c in world.closers if type(c) is Consumer for e in c.encodings}
        assert encodings == {"msgpack"}, encodings

    return again


SHARED = {name: test for name, test in vars(test_data).items() if name.startswith("test_")}
SHARED["test_types"] = test_types.test_values_of_their_types
SHARED["test_types_of_keys"] = test_types.test_command_rows

for name, function in SHARED.items():
    if function.__code__.co_argcount == 2:
        globals()[name] = in_msgpack(function)


def test_two_tables_side_by_side(world, transport):
    """One server item, published by two tables: every message has its twin."""
    names, types = ["key", "command", "a", "b"], {"number": ["a"], "json": ["b"]}
    tables = [table(t, ["item1"], names, mode="COMMAND", types=types, encoding=t, topic="{table}/{item}") for t in
              ("json", "msgpack")]  # fmt: skip
    scene = world.bridge(tables).open()
    for n, (a, b) in enumerate([("1.5", '{"x":[1,2.5,null]}'), (None, ""), ("é\0", "[]"), ("7", '"\\ud83d\\ude00"')]):
        scene.sim.update("item1", key=f"k{n % 2}", command="UPDATE", a=a, b=b)
    scene.sim.update("item1", key="k0", command="DELETE")
    scene.sim.say("clear TEST item1")
    twins = [scene.consumer.select(table=t) for t in ("json", "msgpack") if scene.consumer.wait(table=t, type="clear")]
    both = [[{k: v for k, v in m.items() if k in ROWS and k != "table"} for m in ms] for ms in twins]
    assert both[0] == both[1] and len(both[0]) >= 6, both
    assert [list(m) for m in twins[0]] == [list(m) for m in twins[1]]
    assert scene.consumer.encodings == {"json", "msgpack"}


def test_rows_are_json(world):
    types = {"number": ["a"], "integer": ["b"]}
    tables = [table("t", ["item1"], ["a", "b", "c"], types=types, encoding="msgpack")]
    scene = world.bridge(tables).open()
    scene.sim.update("item1", a="1.50", b="9007199254740993", c="x\"\\\0é")
    assert scene.consumer.wait(table="t")["fields"] == {"a": 1.5, "b": 2**53 + 1, "c": 'x"\\\0é'}
    row = scene.daemon.rows(session="s", table="t")[0]
    assert row["fields"] == {"a": 1.5, "b": "9007199254740993", "c": 'x"\\\0é'}, row
    assert scene.daemon.table()["counters"]["misfits"] == 0, "rows count nothing"


def test_integers_beyond_doubles(world):
    scene = world.bridge([table("t", ["item1"], ["a", "b"], types={"integer": ["a"], "number": ["b"]}, encoding="msgpack")])
    scene.open()
    scene.sim.update("item1", a="18446744073709551615", b="0.1234567890123456789")
    scene.sim.update("item1", a="18446744073709551616", b="0.1")
    first, second = [scene.consumer.wait(table="t", seq=n)["fields"] for n in (1, 2)]
    assert first == {"a": 2**64 - 1, "b": "0.1234567890123456789"}, first
    assert second == {"a": "18446744073709551616", "b": 0.1}, second
    assert scene.daemon.table()["counters"]["misfits"] == 2


def test_replays_of_either_encoding(world):
    tables = [table(t, ["item1"], ["a", "b"], encoding=t) for t in ("json", "msgpack")]
    world.publisher = {"encoding": "msgpack"}
    scene = world.bridge(tables).open()
    scene.sim.update("item1", a="1", b=None)
    for t in ("json", "msgpack"):
        scene.consumer.wait(table=t)
    late = world.consumer(scene.daemon.data)
    assert late.wait(type="replayed")["count"] == 2
    rows = late.select(replay=True)
    assert [r["fields"] for r in rows] == [{"a": "1", "b": None}] * 2 and late.encodings == {"json", "msgpack"}


def test_encoding_is_reloaded_at_once(world):
    def change(**more):
        scene.tables[:] = [table("t", ["item1"], ["a", "b"], types={"number": ["a", "b"]}, **more)]
        assert scene.daemon.reload([scene.session()])["changed"] == ["s/t"]

    scene = world.bridge([table("t", ["item1"], ["a", "b"], types={"number": ["a", "b"]})]).open()
    scene.sim.update("item1", a="1.5", b="x")
    first = scene.consumer.wait(table="t", seq=1)
    assert scene.consumer.encodings == {"json"}
    change(encoding="msgpack")
    scene.sim.update("item1", b="y")
    second = scene.consumer.wait(table="t", seq=2)
    assert scene.consumer.encodings == {"json", "msgpack"}
    assert list(second) == list(first) and second["fields"] == {"a": 1.5, "b": "y"} and second["changed"] == ["b"]
    assert scene.daemon.rows(session="s", table="t")[0]["fields"] == {"a": 1.5, "b": "y"}
    scene.consumer.encodings.clear()
    change(encoding="json", topic="x")
    scene.sim.update("item1", a="2")
    assert scene.consumer.wait(table="t", seq=3)["fields"] == {"a": 2, "b": "y"}
    assert scene.consumer.encodings == {"json"}
    assert scene.daemon.table()["counters"]["misfits"] == 2, "what is encoded again is not counted again"
    assert not scene.gaps() and scene.sim.count("subscribed") == 1


def test_the_tool_shows_it(world):
    from process import run

    scene = world.bridge([table("t", ["item1"], ["a", "b"], encoding="msgpack", types={"number": ["a"]})]).open()
    scene.sim.update("item1", a="1.0", b='"')
    scene.consumer.wait(table="t")
    made = run("lsbridgectl", "-e", scene.daemon.control, "--json", "tail", "--count", "1")
    assert json.loads(made.stdout)["fields"] == {"a": 1.0, "b": '"'}, made
