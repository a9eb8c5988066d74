"""What the server sends is what consumers get: modes, values, item events."""

import itertools

from bridge import table

ODD_VALUES = [
    "", None, "#", "$", "^", "#a", "$a", "^3", "a#$^", "|", "a|b", "%", "%41", "100%", "\r\n", "\x00", "a\x00b", "\ufeffx",
    "é€😀", "\u2028", '"', "\\", "</script>", "\x7f", "\x01\x1f", "+", "a b", " ", "a" * 70000, "null", "0.10", "1e400",
]  # fmt: skip


def test_values(world, transport):
    scene = world.bridge([table()]).open()
    for before, after in zip(ODD_VALUES, ODD_VALUES[1:]):
        scene.sim.update("item1", a=before, b=after)
    scene.arrived()
    got = [m["fields"]["a"] for m in scene.consumer.live()]
    assert got == ODD_VALUES[:-1], got


def test_null_is_not_empty(world, transport):
    scene = world.bridge([table()]).open()
    for value in [None, "", None, "x", "", "", None, None]:
        scene.sim.update("item1", a=value)
    scene.arrived()
    changed = [m["changed"] for m in scene.consumer.live()]
    assert changed == [["a", "b"], ["a"], ["a"], ["a"], ["a"], [], ["a"], []]


def test_ill_formed_bytes_become_one_replacement_each(world, transport):
    """Ill-formed UTF-8 in a server's values: the JSON stays valid (every consumer here insists on that)."""
    scene = world.bridge([table("t", ["item1"], ["a"])]).open()
    for raw in ["a%FFb", "%C3", "%C3%28", "%ED%A0%80", "%F0%9F%98", "%E2%82x", "%F5%80%80%80", "ok"]:
        scene.sim.say(f"data U,1,1,{raw}")
    got = [m["fields"]["a"] for m in [scene.consumer.wait(seq=n + 1) for n in range(8)]]
    assert got[0] == "a\ufffdb" and got[1] == "\ufffd" and got[2] == "\ufffd(" and got[7] == "ok", got
    assert got[4] == "\ufffd" and got[5] == "\ufffdx", got
    assert all("\ufffd" in value for value in got[:7])
    scene.sim.say(r'bytes U,1,1,\xff\xc3\x28\r\n')
    # Not counted: a raw line is none of the history's, so the session is given up on purpose.
    scene.consumer.wait(where=lambda m: m.get("fields") == {"a": "\ufffd\ufffd("})


def test_diffs(world, transport):
    scene = world.bridge([table("t", ["item1"], ["a", "b"])], options=["--diffs"]).open()
    text = "the quick brown fox jumps over the lazy dog, again and again and again"
    document = '{"name":"some stock","price":%s,"volumes":[1,2,3,4,5,6,7,8,9,%d],"big":12345678901234567890.10}'
    for n in range(20):
        words = text.replace("fox", f"fox {n} é😀").replace("lazy", "lazy" * (n % 3))
        scene.sim.update("item1", a=words, b=document % (n / 4, n % 2))
    scene.arrived()
    assert scene.consumer.live()[-1]["fields"]["b"].endswith('"big":12345678901234567890.10}')


def test_merge_with_snapshot_lost_and_clear(world, transport):
    tables = [table("t", ["item1", "item2", "item3"], ["a", "b"])]
    scene = world.bridge(tables)
    scene.sim.update("item1", a="1", b="2")
    scene.open()
    scene.sim.update("item2", a="x")
    scene.sim.update("item1", a="3")
    scene.sim.say("drop 3")
    scene.sim.updates("item1", [4, 5, 6])
    scene.sim.updates("item1", [7])
    scene.sim.say("lost TEST item2 41", "clear TEST item1")
    scene.sim.updates("item1", [8])
    scene.arrived()
    assert [m["type"] for m in scene.consumer.live(item="item1")][:2] == ["snapshot", "update"]
    assert sum(m["count"] for m in scene.consumer.select(type="lost", item="item1")) == 3
    assert [m["count"] for m in scene.consumer.select(type="lost", item="item2")] == [41]


def test_merge_without_snapshot(world, transport):
    scene = world.bridge([table(snapshot=False)])
    scene.sim.update("item1", a="1", b="2")
    scene.open()
    scene.sim.update("item1", a="3")
    scene.arrived()
    assert [m["type"] for m in scene.consumer.live()] == ["update"]


def test_distinct(world, transport):
    scene = world.bridge([table(mode="DISTINCT", snapshot=3), table("u", fields=["b"], mode="DISTINCT", snapshot=False)])
    scene.sim.updates("item1", range(10))
    scene.open()
    scene.sim.updates("item1", range(10, 15))
    scene.sim.say("drop 1", "update TEST item1 a=15", "clear TEST item1", "update TEST item1 b=x")
    scene.arrived()
    types = [m["type"] for m in scene.consumer.live(table="t")]
    assert types == ["snapshot"] * 3 + ["eos"] + ["update"] * 5 + ["lost", "clear", "update"], types
    assert [m["fields"]["a"] for m in scene.consumer.live(table="t")[:3]] == ["7", "8", "9"]
    assert "snapshot" not in [m["type"] for m in scene.consumer.live(table="u")]


def test_raw(world, transport):
    scene = world.bridge([table(mode="RAW", snapshot=False)])
    scene.sim.updates("item1", range(3))
    scene.open()
    scene.sim.say(*["update TEST item1 a=same b=same"] * 5)
    scene.arrived()
    assert [(m["type"], m["changed"]) for m in scene.consumer.live()] == [("update", ["a", "b"])] + [("update", [])] * 4


def test_eos_that_takes_its_time(world, transport):
    scene = world.bridge([table(mode="DISTINCT")])
    scene.sim.say("autoeos off")
    scene.open()
    scene.sim.updates("item1", range(3))
    scene.sim.say("eos TEST item1")
    scene.sim.updates("item1", range(3, 6))
    scene.arrived()
    assert [m["type"] for m in scene.consumer.live()] == ["snapshot"] * 3 + ["eos"] + ["update"] * 3


COMMAND = {"mode": "COMMAND", "fields": ["key", "command", "a", "b"]}


def test_command(world, transport):
    scene = world.bridge([table(**COMMAND)])
    for key in ["k1", "k2", ""]:
        scene.sim.update("item1", key=key, command="ADD", a="1", b="2")
    scene.open()
    for key, command, fields in [
        ("k1", "UPDATE", {"a": "2"}),
        ("k1", "UPDATE", {"a": "2"}),
        ("k3", "ADD", {"a": "1"}),
        ("k3", "ADD", {"a": "5"}),  # of a key that is known: an update of it
        ("k4", "UPDATE", {"b": None}),  # of one that is not: adds it
        ("k1", "DELETE", {}),
        ("k5", "DELETE", {}),  # of one that is not known: published all the same
        ("k1", "ADD", {"a": "1", "b": "2"}),
        ("", "UPDATE", {"b": ""}),
        ("k|%\r\n", "ADD", {"a": "|"}),
    ]:
        scene.sim.update("item1", key=key, command=command, **fields)
    scene.arrived()
    keys = [r["key"] for r in scene.daemon.rows()]
    assert sorted(keys) == sorted(["k2", "", "k3", "k4", "k1", "k|%\r\n"]), keys
    scene.sim.say("clear TEST item1", "update TEST item1 key=k2 command=ADD a=9")
    scene.arrived()
    assert [r["fields"] for r in scene.daemon.rows()] == [{"key": "k2", "command": "ADD", "a": "9", "b": None}]


def test_many_items_and_tables(world, transport):
    items = [f"item{n}" for n in range(1, 41)]
    tables = [table(f"t{n}", items[n * 10 : n * 10 + 10], [f"f{m}" for m in range(20)], mode=mode, snapshot=snapshot)
              for n, (mode, snapshot) in enumerate([("MERGE", True), ("DISTINCT", True), ("RAW", False), ("MERGE", False)])]
    scene = world.bridge(tables).open()
    scene.sim.say(*[f"burst TEST {item} {n % 7 + 1}" for n, item in enumerate(items * 5)])
    scene.arrived()


def test_fast_and_without_loss(world, transport):
    scene = world.bridge([table("t", [f"i{n}" for n in range(50)], ["a", "b", "c"])]).open()
    scene.sim.say("rate 10000", "sleep 1000", "rate 0")
    scene.arrived()
    assert len(scene.consumer.messages) > 5000


def test_items_with_odd_names(world, transport):
    """With a separator of its own, a name may hold anything else."""
    items = ["1", "a b", "é€", "x+y", "a=b&c", "a/b,c", '"q"', "a%41"]
    scene = world.bridge([table("t", items, ["a", "f g"])], options=["--separator", "|"], separator="|").open()
    for item in items:
        scene.sim.say("update TEST " + simulator_word(item) + ' a=1 "f g"=2')
    scene.arrived()
    assert {t for t, m in scene.consumer.messages if m.get("item")} == set(items)


def simulator_word(text):
    from simulator import quoted

    return quoted(text)


def test_group_and_schema_without_names(world, transport):
    scene = world.bridge([{"name": "t", "group": "x y", "schema": "a b"}]).open()
    scene.sim.update("y", a="1", b="2")
    message = scene.consumer.wait(type="snapshot")
    assert (message["item"], message["pos"], message["fields"], message["changed"]) == \
        ("2", 2, {"1": "1", "2": "2"}, ["1", "2"])  # fmt: skip
    assert scene.daemon.table()["items"] == 2 and scene.daemon.table()["fields"] == 2


def test_written_in_pieces(world, transport):
    """The stream cut anywhere, by the server's writes and by WebSocket's frames."""
    scene = world.bridge([table(fields=["a", "b"])], options=["--split", "random", "--fragment", "7"]).open()
    for n in range(60):
        scene.sim.update("item1", a="é" * (n % 5) + str(n), b="|" * (n % 3))
    scene.arrived()


def test_one_byte_at_a_time(world, transport):
    scene = world.bridge([table()], options=["--split", "1"]).open()
    for n in range(20):
        scene.sim.update("item1", a=f"é€{n}", b="|")
    scene.arrived()


def test_every_mode_through_every_trouble(world, transport):
    """LOOPs and cuts, again and again, under a mixed load: nothing is lost, nothing doubled, no gap."""
    tables = [
        table("merge", ["m1", "m2"]),
        table("distinct", ["d1"], mode="DISTINCT"),
        table("command", ["c1"], **{k: v for k, v in COMMAND.items()}),
        table("raw", ["r1"], mode="RAW", snapshot=False),
    ]
    options = ["--cut-every", "37", "--loop-every", "23", "--split", "random", "--diffs"]
    scene = world.bridge(tables, options=options).open()
    commands = itertools.cycle(["ADD", "UPDATE", "UPDATE", "DELETE"])
    for n in range(80):
        scene.sim.say(
            f"update TEST m{n % 2 + 1} a={n} b={n % 3}",
            f"update TEST d1 a={n}",
            f"update TEST c1 key=k{n // 4 % 3} command={next(commands)} a={n}",
            f"update TEST r1 a={n} b=x",
        )
    scene.arrived()
    assert not scene.gaps()
    assert "recovered" in scene.continuities()
