"""`add-table`: a table that no file has behaves as one of the file does, and stays as long as its session does."""

import json
import subprocess

from bridge import session, table
from process import command

REFUSED = [
    ({}, ["table.name is missing: expected a name of letters", "table.items is missing", "table.fields is missing"]),
    (
        {**table("b c", mode="MERG", snapshot=1.5), "modes": 1, "group": None},
        ['table.name: expected a name of letters, digits and _ . -, found "b c"',
         'table.mode: expected "MERGE", "DISTINCT", "COMMAND" or "RAW", found "MERG"',
         "table.snapshot: expected true, false or an integer from 1 to 2147483647, found 1.5",
         "table.modes: unknown setting; did you mean mode?", "table.group: expected a string, found null"],
    ),
    (table("t"), ['table.name: expected a name of its own, found "t", which is taken']),
    (table("t", stale_ms="1"), ["table.stale_ms: expected an integer", "table.name: expected a name of its own"]),
    (table("b", ["a b"]), ["table.items: expected a name without the session's separator"]),
    (table("b", ["x", "x"]), ['table.items: expected each once, found "x" twice']),
    (table("b", ["x\0"]), ["table.items: U+0000 cannot be had here"]),
    (table("b", ["x", 1]), ["table.items: expected a string, found 1"]),
    (table("b", snapshot=3), ["table.snapshot: expected true or false, found a length"]),
    (table("b", key_field="a"), ['table.key_field: is for protocol = "text"']),
    (table("b", types={"number": ["z"], "date": ["a"]}),
     ["table.types: unknown type date", "table.types: expected a name in fields or a position from 1 to 2"]),
    (table("b", types=[]), ["table.types: expected a group { }, found an array [ ]"]),
    (table("b", topic="{nothing}"), ["table.topic: expected a text with"]),
    (table("b", encoding="xml"), ['table.encoding: expected "json" or "msgpack", found "xml"']),
    (table("b", stale_ms=2**63), ["table.stale_ms: expected an integer from 0 to 2147483647, found 9223372036854775808, which 64 bits cannot hold"]),
    (table("b", stale_ms=2**31), ["table.stale_ms: expected an integer from 0 to 2147483647, found 2147483648"]),
    (table("b", max_frequency=0), ["table.max_frequency: expected"]),
    (table("b", **{"silent\0": True}), ['table."silent\\u0000": unknown setting']),
]  # fmt: skip


def add(scene, **of):
    return scene.daemon.must("add-table", session="s", table=of)


def names(scene):
    return [t["table"] for t in scene.daemon.must("tables")["tables"]]


def configured(scene):
    return {t["name"]: t for t in scene.daemon.must("config")["config"]["sessions"][0]["tables"]}


def reloaded(scene, tables, added=(), removed=(), changed=(), **settings):
    reply = scene.daemon.reload([scene.session(tables, **settings)])
    expected = {"added": list(added), "removed": list(removed), "changed": list(changed)}
    assert reply == {"ok": True, **expected, "restart_needed": []}, reply


def test_added_while_connected(world, transport):
    """Subscribed at once, published, told, listed and deleted, as the file's are."""
    scene = world.bridge([table()]).open()
    new = table("b", ["item2"], topic="{table}/{item}/", types={"number": ["a"]}, max_frequency=2.5, snapshot=True)
    assert add(scene, **new) == {"ok": True}
    scene.status.wait_table("pending", "s/b")
    told = scene.status.wait_table("active", "s/b", where=lambda m: "max_frequency" in m)
    assert (told["items"], told["fields"], told["max_frequency"]) == (1, 2, "2.500"), told
    scene.tables.append(new)
    scene.sim.update("item2", a="3.04")
    assert scene.consumer.wait(topic="b/item2/", type="snapshot")["fields"] == {"a": 3.04, "b": None}
    assert names(scene) == ["t", "b"] and scene.daemon.session()["tables"] == 2
    assert scene.daemon.rows(table="b")[0]["fields"]["a"] == 3.04
    shown = configured(scene)["b"]
    assert {k: shown[k] for k in new} == new and (shown["mode"], shown["retry_failed_ms"]) == ("MERGE", 60000), shown
    assert not scene.gaps() and scene.sim.count("subscribed") == 2
    scene.daemon.must("reconf", session="s", table="b", max_frequency=7)
    scene.daemon.must("delete-table", session="s", table="b")
    assert scene.consumer.wait(type="gap")["reason"] == "table deleted"
    scene.status.wait_table("deleted", "s/b")
    assert names(scene) == ["t"] and list(configured(scene)) == ["t"]
    add(scene, **table("b", ["item2"]))
    scene.sim.update("item2", a="4")
    assert scene.consumer.wait(topic="item2", table="b", fields={"a": "4", "b": None})["seq"] in (3, 4)
    scene.daemon.must("delete-table", session="s", table="t")
    assert list(configured(scene)) == ["b"], "the configuration in effect"


def test_kinds_of_settings(world):
    """What JSON writes where libconfig writes something else."""
    scene = world.bridge([table()]).open()
    more = [
        table("a", ["item2"], mode="DISTINCT", snapshot=10, buffer_size="unlimited", max_frequency="unlimited"),
        table("b", ["item2"], mode="RAW", max_frequency="unfiltered"),
        table("c", ["item2"], mode="DISTINCT", snapshot=False, buffer_size=2, max_frequency=1e3, selector="s > 1"),
        table("d", ["${HOME}", "$${"], data_adapter='Ä "x"', topic="{item}", encoding="msgpack"),
        {"name": "e", "group": "g x", "schema": "one two", "types": {"integer": ["2"]}},
    ]
    for one in more:
        add(scene, **one)
        scene.daemon.wait_table("active", one["name"])
    shown = configured(scene)
    assert (shown["a"]["snapshot"], shown["a"]["buffer_size"], shown["b"]["snapshot"]) == (10, "unlimited", False)
    assert (shown["c"]["snapshot"], shown["c"]["buffer_size"], shown["c"]["max_frequency"]) == (False, 2, 1000)
    assert (shown["d"]["items"], shown["d"]["data_adapter"]) == (["${HOME}", "$${"], 'Ä "x"'), "no ${NAME} in a request"
    assert scene.sim.wait_event("subscribed", items=["${HOME}", "$${"])
    for one in shown.values():
        scene.daemon.must("delete-table", session="s", table=one["name"])
        assert scene.daemon.must("add-table", session="s", table=one), "what `config` shows can be added"
    assert configured(scene) == shown


def test_every_fault_in_one_error(world):
    scene = world.bridge([table()]).open()
    before = len(scene.sim.all("request"))
    for asked, expected in REFUSED:
        no = scene.daemon.ask("add-table", session="s", table=asked)
        lines = no.get("error", "").split("\n")
        assert no["ok"] is False and len(lines) == len(expected), (asked, no)
        assert all(any(line.startswith(e) for line in lines) for e in expected), (asked, lines)
    for request, expected in (
        ({"table": table("b")}, '"add-table" needs "session"'), ({"session": "s"}, '"add-table" needs "table"'),
        ({"session": "x", "table": table("b")}, 'there is no session "x"'),
        ({"session": "s", "table": "b"}, '"table" must be an object'), ({"session": "s", "table": []}, '"table" must be an object'),
    ):  # fmt: skip
        assert scene.daemon.ask("add-table", **request)["error"] == expected
    assert names(scene) == ["t"] and list(configured(scene)) == ["t"] and len(scene.sim.all("request")) == before


def test_it_waits_for_its_session(world):
    """Connecting, stopped, refused, or while it is made anew: it comes when the session does."""
    scene = world.bridge([table()])
    scene.status.wait_session("connecting")
    add(scene, **table("connecting", ["item2"]))
    assert scene.daemon.table("connecting")["state"] == "pending"
    scene.tables.append(table("connecting", ["item2"]))
    scene.open()
    scene.daemon.must("disconnect", session="s")
    scene.daemon.wait_state("disconnected")
    add(scene, **table("stopped", ["item3"]))
    assert scene.daemon.table("stopped")["state"] == "pending"
    scene.daemon.must("connect", session="s")
    for name in ("t", "connecting", "stopped"):
        scene.daemon.wait_table("active", name)
    scene.sim.say("refuse create 1 1")
    scene.daemon.must("disconnect", session="s")
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_state("disconnected", detail="refused")
    add(scene, **table("refused", ["item4"], silent=True))
    assert scene.daemon.table("refused")["state"] == "silent"
    scene.daemon.must("start", session="s", table="refused")
    scene.daemon.must("connect", session="s")
    for name in ("connecting", "stopped", "refused"):
        scene.daemon.wait_table("active", name)


def test_added_during_a_recovery(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("refuse bind close 3", "cut")
    add(scene, **table("b", ["item2"]))
    scene.tables.append(table("b", ["item2"]))
    scene.status.wait_table("active", "s/b", timeout_s=30)
    scene.sim.updates("item1", range(5, 10))
    scene.sim.updates("item2", range(5))
    scene.arrived()


def test_a_reload_leaves_it_alone(world):
    """The new file is compared with the last one, in which it was not either."""
    scene = world.bridge([table()]).open()
    add(scene, **table("b", ["item2"]))
    scene.daemon.wait_table("active", "b")
    reloaded(scene, [table()])
    reloaded(scene, [table(), table("c", ["item3"])], added=["s/c"])
    reloaded(scene, [table("c", ["item3"])], removed=["s/t"])
    scene.daemon.wait_table("active", "c")
    assert names(scene) == ["b", "c"] and scene.sim.count("subscribed") == 3 and not scene.gaps()
    other = session(scene.sim.url, [table("b", ["item2"])], name="other")
    assert scene.daemon.reload([other])["removed"] == ["s"]
    scene.status.wait_table("deleted", "s/b")
    scene.status.wait_table("active", "other/b")


def test_a_new_session_takes_it_along(world, transport):
    scene = world.bridge([table()]).open()
    new = table("b", ["item2"], silent=True)
    add(scene, **new)
    scene.daemon.must("start", session="s", table="b")
    scene.daemon.wait_table("active", "b")
    scene.sim.update("item2", a="1")
    scene.consumer.wait(table="b", type="snapshot")
    reloaded(scene, [table()], changed=["s"], retry_ms=21)
    assert scene.consumer.wait(table="b", type="gap")["reason"] == "session replaced"
    scene.daemon.wait_table("active", "b")
    assert list(configured(scene)) == ["t", "b"]
    scene.sim.update("item2", a="2")
    assert scene.consumer.wait(table="b", fields={"a": "2", "b": None})["seq"] == 4
    scene.daemon.must("delete-table", session="s", table="b")
    reloaded(scene, [table()], changed=["s"], retry_ms=22)
    assert names(scene) == ["t"] and list(configured(scene)) == ["t"]


def test_the_file_takes_it_over(world):
    """What it says otherwise is changed as by any reload, and nothing else."""
    scene = world.bridge([table()]).open()
    add(scene, **table("b", ["item2"]))
    scene.daemon.wait_table("active", "b")
    scene.sim.update("item2", a="1")
    scene.consumer.wait(table="b")
    reloaded(scene, [table(), table("b", ["item2"])], added=["s/b"])
    assert scene.sim.count("subscribed") == 2 and not scene.gaps()
    reloaded(scene, [table()], removed=["s/b"])
    assert names(scene) == ["t"], "it was the file's"
    add(scene, **table("b", ["item2"]))
    scene.daemon.wait_table("active", "b")
    reloaded(scene, [table(), table("b", ["item2"], topic="x")], added=["s/b"])
    scene.sim.update("item2", a="2")
    scene.consumer.wait(table="b", topic="x")
    assert scene.sim.count("subscribed") == 3
    reloaded(scene, [table()], removed=["s/b"])
    add(scene, **table("b", ["item2"]))
    scene.sim.update("item2", a="3")
    scene.consumer.wait(table="b", fields={"a": "3", "b": None})
    reloaded(scene, [table(), table("b", ["item3"])], added=["s/b"])
    scene.consumer.wait(type="gap", reason="table subscribed anew")
    scene.daemon.wait_table("active", "b")
    assert scene.sim.count("subscribed", items=["item3"]) == 1


def test_in_the_place_of_a_table_of_the_file(world):
    """Deleted, and added with other settings: the file's comes back only when the file changes it."""
    scene = world.bridge([table("t", ["item1"])]).open()
    scene.daemon.must("delete-table", session="s", table="t")
    add(scene, **table("t", ["item2"]))
    scene.daemon.wait_table("active")
    reloaded(scene, [table("t", ["item1"])])
    assert configured(scene)["t"]["items"] == ["item2"] and names(scene) == ["t"]
    reloaded(scene, [table("t", ["item1"])], changed=["s"], retry_ms=23)
    scene.daemon.wait_state("connected", continuity="replaced")
    scene.daemon.wait_table("active")
    assert configured(scene)["t"]["items"] == ["item2"]
    reloaded(scene, [table("u", ["item1"])], added=["s/u"], retry_ms=23)
    assert configured(scene)["t"]["items"] == ["item2"], "what the file had was deleted before"
    reloaded(scene, [table("t", ["item1"])], added=["s/t"], removed=["s/u"], retry_ms=23)
    scene.status.wait_table("active", where=lambda m: m["seq"] > 8)
    assert configured(scene)["t"]["items"] == ["item1"] and list(configured(scene)) == ["t"]


def test_one_that_does_not_fit_a_changed_session(world):
    """It is a fault of the file, which then changes nothing."""
    scene = world.bridge([table()]).open()
    add(scene, **table("b", ["item-2"]))
    add(scene, **table("c", ["item-3"]))
    scene.daemon.wait_table("active", "c")
    no = scene.daemon.reload([scene.session([table()], separator="-")])
    lines = no["error"].split("\n")
    assert no["ok"] is False and len(lines) == 2, no
    assert lines[0].startswith("session s: table b, added at run time: table.items: expected a name without"), lines
    scene.daemon.wait_log("does not fit the new file", 2)
    assert names(scene) == ["t", "b", "c"] and scene.sim.count("session") == 1
    for name in ("b", "c"):
        scene.daemon.must("delete-table", session="s", table=name)
    reloaded(scene, [table()], changed=["s"], separator="-")


def test_the_tool(world):
    scene = world.bridge([table()]).open()

    def ctl(*arguments, status=0, text=None):
        argv = command("lsbridgectl", "-e", scene.daemon.control, *arguments)
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done
        return done.stdout if status == 0 else done.stderr

    path = world.file("table.json", json.dumps(table("b", ["item2"]), indent=2) + "\n")
    assert ctl("add-table", "s", json.dumps(table("a", ["item2"]))) == "ok\n"
    assert ctl("add-table", "s", f"@{path}") == "ok\n"
    assert ctl("add-table", "s", "-", text=json.dumps(table("c", ["item2"]))) == "ok\n"
    assert json.loads(ctl("--json", "add-table", "s", "@-", text=json.dumps(table("d", ["item2"])))) == {"ok": True}
    for name in "abcd":
        scene.daemon.wait_table("active", name)
    wrong = ctl("add-table", "s", json.dumps(table("a", mode="x", stale_ms=123456789012345678901234)), status=1)
    assert [line.strip() for line in wrong.splitlines()] == [
        f'lsbridgectl: {scene.daemon.control}: table.mode: expected "MERGE", "DISTINCT", "COMMAND" or "RAW", found "x"',
        "table.stale_ms: expected an integer from 0 to 2147483647, found 123456789012345678901234, which 64 bits cannot hold",
        'table.name: expected a name of its own, found "a", which is taken',
    ], wrong
    for text in ("{", "[]", '{"name":"e"} x', '"@"', ""):
        assert "not a JSON object" in ctl("add-table", "s", text, status=1)
    assert "No such file" in ctl("add-table", "s", "@/nonexistent/table", status=1)
    assert "1 MiB" in ctl("add-table", "s", "-", text=" " * (1 << 20) + "{}", status=1)
    assert "SESSION TABLE is missing" in ctl("add-table", "s", status=64)


def test_long_lists(world):
    """A request of some hundred KiB does not stop the daemon for long: what is looked up is looked up by name."""
    scene = world.bridge([table()])
    names = [f"{n:x}" for n in range(20000)]
    assert scene.daemon.ask("add-table", timeout_s=10, session="s", table=table("b", names, names, types={"json": names}))["ok"]
    unknown = [f"z{n:x}" for n in range(20000)]
    no = scene.daemon.ask("add-table", timeout_s=10, session="s", table=table("c", ["x y"] * 20000, names, types={"json": unknown}))
    assert no["ok"] is False and len(no["error"].split("\n")) > 10000


def test_in_text_mode(world):
    """The session's protocol says what a table needs."""
    scene = world.bridge([table()], protocol="text", transport="http-streaming").open()
    no = scene.daemon.ask("add-table", session="s", table=table("c", ["x"], ["k", "c"], mode="COMMAND"))
    assert [line.split(" is ")[0] for line in no["error"].split("\n")] == ["table.key_field", "table.command_field"], no
    add(scene, **table("c", ["x"], ["key", "command"], mode="COMMAND", key_field="1"))
    scene.daemon.wait_table("active", "c")
    shown = configured(scene)["c"]
    assert (shown["key_field"], shown["command_field"]) == ("1", "command"), shown
    assert scene.daemon.session()["details"]["protocol"] == "text"
    reloaded(scene, [table()], changed=["s"], retry_ms=33)
    scene.daemon.wait_state("connected", continuity="replaced")
    scene.daemon.wait_table("active", "c")
    no = scene.daemon.reload([scene.session([table()], protocol="tlcp")])
    assert "table c, added at run time: table.key_field: is for protocol" in no["error"], no
