"""A server that talks nonsense: named in the log once, counted, the session ended or the line ignored, and never a guessed row."""

import re

from bridge import table


# Session after session, without much of a pause.
HASTY = {"retry_max_ms": 20}


def ended(scene, *lines, words="protocol error", before=None):
    """Each of LINES, sent as it is, ends the session, which is made anew; what is sent before and after arrives."""
    for n, line in enumerate(lines):
        if before:
            before(scene)
        scene.sim.say(line)
        scene.sim.wait_event("subscribed", n + 2)
        scene.sim.updates("item1", range(n * 3, n * 3 + 3))
        scene.arrived()
    said = [m for m in scene.status.select(topic="session/s") if words in m.get("reason", "")]
    assert len(said) == len(lines), [m.get("reason") for m in scene.status.select(topic="session/s")]
    assert len(re.findall(words, scene.daemon.log())) == len(lines)
    assert scene.daemon.session()["counters"]["faults"] >= len(lines)


def ignored(scene, lines, words):
    """LINES are ignored: named once, and counted."""
    for _ in range(5):
        scene.sim.say(*lines)
        scene.sim.updates("item1", range(3))
    scene.arrived()
    assert scene.continuities() == ["new"] and not scene.gaps()
    assert scene.daemon.session()["counters"]["oddities"] == 5 * len(lines)
    assert len(re.findall(words, scene.daemon.log())) == 1, scene.daemon.log()


def fresh(scene):
    """The item has a row."""
    scene.sim.updates("item1", [77])


def test_updates_that_make_no_sense(world, transport):
    scene = world.bridge([table()], **HASTY).open()
    ended(
        scene,
        "data U,1,2,x|y",  # an item that the table does not have
        "data U,1,0,x|y",
        "data U,1,1,x|y|z",  # too many fields
        "data U,1,1,x",  # too few
        "data U,1,1,^3",
        "data U,1,1,^0|x",
        "data U,1,1,^|x",
        "data U,1,1,^Xx|y",  # an unknown kind of difference
        "data U,1,1,x|%zz",
        "data U,1,1,x|%4",
        "data U,1,1",
        "data U,1,x,a|b",
        before=fresh,
    )


def test_first_updates_that_refer_to_nothing(world, transport):
    """Unchanged fields and differences without a row before; other items go on."""
    scene = world.bridge([table("t", ["item1", "item2"], ["a", "b"])], **HASTY).open()
    ended(scene, "data U,1,2,|x", "data U,1,2,^2", "data U,1,2,x|^Tabc", "data U,1,2,x|^P[]")


def test_differences_that_do_not_apply(world, transport):
    scene = world.bridge([table()], **HASTY).open()
    ended(
        scene,
        "data U,1,1,^Tzz|x",  # copies more than there is
        "data U,1,1,^Tb!|x",
        r'data U,1,1,^P[{"op":"replace","path":"/x","value":1}]|x',
        "data U,1,1,^Pnonsense|x",
        before=fresh,
    )


def test_command_rows_without_sense(world, transport):
    """A row without a key, an unknown command."""
    scene = world.bridge([table("t", ["item1"], ["key", "command", "a"], mode="COMMAND")]).open()
    for n, line in enumerate(["data U,1,1,#|ADD|x", "data U,1,1,k|JUMP|x", "data U,1,1,k|#|x"]):
        scene.sim.say(line)
        scene.sim.wait_event("subscribed", n + 2)
        scene.sim.update("item1", key="k1", command="ADD", a=str(n))
        scene.arrived()
    assert all(m["key"] == "k1" for m in scene.consumer.live() if "key" in m)


def test_messages_out_of_place(world, transport):
    scene = world.bridge([table()], **HASTY).open()
    ended(scene, "raw CONOK,Sx,50000,5000,*", "raw LOOP", "raw LOOP,abc", "data SUBOK,1", "data EOS,1,9", "data EOS,1,0")


def test_control_characters_in_the_log(world):
    """What a server sends reaches the log in readable characters alone, and not at any length."""
    scene = world.bridge([table()]).open()
    scene.sim.say(r"raw \x1b[31mHELLO\x07\x00\xff" + "x" * 5000)
    scene.sim.updates("item1", range(3))
    scene.arrived()
    line = next(line for line in scene.daemon.log().split("\n") if "unknown message" in line)
    assert "HELLO" in line and len(line) < 400, line
    assert not re.search("[\x00-\x1f\x7f]", line), repr(line)


def test_unknown_tag(world, transport):
    """LOOPING is no LOOP."""
    ignored(world.bridge([table()]).open(), ["raw LOOPING,1,2", "raw Hello"], "unknown message")


def test_unknown_table(world, transport):
    ignored(world.bridge([table()]).open(), ["data U,99,1,x|y", "data CS,98,1"], "never asked for")


def test_bytes_without_meaning(world, transport):
    ignored(world.bridge([table()]).open(), [r"raw \x00\x01\x02\xff\xfe", r"raw \0"], "unknown message")


def test_line_without_an_end(world, transport):
    """Sixteen MiB is the most that a line may have."""
    scene = world.bridge([table()], **HASTY).open()
    before = scene.daemon.memory_kb()
    ended(scene, "flood 20000000", words="a line without an end")
    assert scene.daemon.memory_kb() - before < 250000


def test_large_value(world, transport):
    """What is large but has an end is fine."""
    scene = world.bridge([table()], options=["--still"]).open()
    scene.sim.update("item1", a="x" * 150000, b="é" * 60000)
    scene.sim.update("item1", a="y")
    scene.arrived()


def test_empty_lines(world, transport):
    """An end of file that is read as endless empty lines must not fill the log (field note 3)."""
    scene = world.bridge([table()]).open()
    scene.sim.say(r"bytes " + r"\r\n" * 20000)
    scene.sim.updates("item1", range(3))
    scene.arrived()
    assert len(scene.daemon.log()) < 5000 and scene.continuities() == ["new"]


def test_counts_beyond_reason(world, transport):
    """A SUBOK of millions of items, where no names are configured, must not allocate the machine away."""
    scene = world.bridge([{"name": "t", "group": "x", "schema": "a"}])
    before = scene.daemon.memory_kb()
    scene.sim.say("subok 4000000000 4000000000")
    scene.sim.open_door()
    scene.status.wait_table("failed")
    assert scene.daemon.memory_kb() - before < 100000
