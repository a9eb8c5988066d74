"""`types`: what consumers get as numbers, integers, booleans and JSON, and what does not fit."""

import json

from bridge import table

TYPES = {"number": ["n"], "integer": ["i"], "boolean": ["3"], "json": ["j"]}
FIELDS = ["n", "i", "b", "j", "s"]


def typed(**more):
    return table("t", ["item1"], FIELDS, **{"types": TYPES, **more})


def said(scene, count, **values):
    """The fields that the next update changed, the message's text too."""
    scene.sim.update("item1", **values)
    message = scene.consumer.wait(table="t", count=count)
    return {name: message["fields"][name] for name in values}


def test_values_of_their_types(world, transport):
    scene = world.bridge([typed()]).open()
    first = {"n": "-1.50e+3", "i": "42", "b": "1", "j": ' {"a" : [1.10, null]} ', "s": "42"}
    assert said(scene, 1, **first) == {"n": -1500.0, "i": 42, "b": True, "j": {"a": [1.1, None]}, "s": "42"}
    assert said(scene, 2, n="0", i="9007199254740991", b="false", j='"x"', s="1") == {
        "n": 0, "i": 2**53 - 1, "b": False, "j": "x", "s": "1"}  # fmt: skip
    assert said(scene, 3, **dict.fromkeys(FIELDS)) == dict.fromkeys(FIELDS)
    assert scene.daemon.table()["counters"]["misfits"] == 0
    row = scene.daemon.rows(session="s", table="t")[0]
    assert row["fields"] == dict.fromkeys(FIELDS)


def test_misfits_are_strings_and_counted_and_named_once(world, transport):
    scene = world.bridge([typed()]).open()
    misfits = {"n": "01", "i": "9007199254740992", "b": "yes", "j": "{'a':1}", "s": ""}
    assert said(scene, 1, **misfits) == misfits
    empty = dict.fromkeys(FIELDS, "")
    assert said(scene, 2, **empty) == empty
    assert scene.daemon.table()["counters"]["misfits"] == 8
    assert scene.daemon.session()["counters"]["misfits"] == 8
    assert scene.daemon.must("status")["stats"]["misfits"] == 8
    log = scene.daemon.log()
    for words in ['field n: "01" is not of type number', "field i: ", 'field b: "yes" is not of type boolean', "field j: "]:
        assert log.count(words) == 1, (words, log)
    assert "field s: " not in log


def test_types_of_a_schema_by_position(world, transport):
    scene = world.bridge([{"name": "t", "items": ["item1"], "schema": "a b", "types": {"integer": ["2", "77"]}}]).open()
    scene.sim.update("item1", a="1", b="2")
    assert scene.consumer.wait(table="t")["fields"] == {"1": "1", "2": 2}


def test_command_rows(world, transport):
    fields = ["key", "command", "a"]
    scene = world.bridge([table("t", ["item1"], fields, mode="COMMAND", types={"number": ["a", "key"]})]).open()
    scene.sim.update("item1", key="7", command="ADD", a="0.5")
    first = scene.consumer.wait(command="ADD")
    assert (first["key"], first["fields"]) == ("7", {"key": 7, "command": "ADD", "a": 0.5})
    scene.sim.update("item1", key="7", command="DELETE")
    assert scene.consumer.wait(command="DELETE")["fields"] == {"key": 7, "command": "DELETE", "a": None}


def test_types_are_reloaded_at_once(world):
    scene = world.bridge([table("t", ["item1"], ["a", "b"])]).open()
    assert said(scene, 1, a="1.0", b="x") == {"a": "1.0", "b": "x"}
    scene.tables[:] = [table("t", ["item1"], ["a", "b"], types={"number": ["a", "b"]})]
    assert scene.daemon.reload([scene.session()])["changed"] == ["s/t"]
    assert scene.daemon.rows(session="s", table="t")[0]["fields"] == {"a": 1.0, "b": "x"}
    assert scene.daemon.table()["counters"]["misfits"] == 1
    assert said(scene, 2, b="y") == {"b": "y"}
    message = scene.consumer.select(seq=2)[0]
    assert message["fields"]["a"] == 1 and message["changed"] == ["b"], json.dumps(message)
    scene.tables[:] = [table("t", ["item1"], ["a", "b"], types={"number": ["a", "b"]}, topic="{table}")]
    assert scene.daemon.reload([scene.session()])["ok"]
    assert scene.daemon.table()["counters"]["misfits"] == 2, "what is encoded again is not counted again"
    assert not scene.gaps() and scene.sim.count("subscribed") == 1
