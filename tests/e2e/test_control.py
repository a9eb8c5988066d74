"""The control socket: every command, every kind of client, and requests that are none."""

import json
import os
import random
import threading
import time

import zmq

from bridge import Client, table
from process import wait_until

NOT_YET = ["metrics"]


def test_every_command(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.update("item1", a="1")
    scene.arrived()
    must = scene.daemon.must
    assert abs(must("ping")["time"] / 1e6 - time.time()) < 60
    version = must("version")
    assert version["version"] and version["libraries"]["libzmq"] == zmq.zmq_version(), version
    status = must("status")
    assert status["pid"] == scene.daemon.pid or os.environ.get("LSBRIDGE_WRAPPER")
    assert (status["run"], status["config"]) == (scene.consumer.live()[0]["run"], scene.daemon.config_path)
    assert [s["session"] for s in status["sessions"]] == ["s"] and [t["table"] for t in status["tables"]] == ["t"]
    assert must("config")["config"]["sessions"][0]["name"] == "s"
    assert must("sessions")["sessions"] == must("sessions", session="s")["sessions"]
    assert must("tables")["tables"][0]["mode"] == "MERGE"
    rows = must("rows")
    assert rows["run"] == status["run"] and "next" not in rows
    live = scene.consumer.live()[0]
    row = rows["rows"][0]
    assert {k: row[k] for k in row if k in ("session", "table", "item", "pos", "seq", "time", "fields")} == \
        {k: live[k] for k in ("session", "table", "item", "pos", "seq", "time", "fields")}  # fmt: skip
    assert rows["items"] == [{"session": "s", "table": "t", "item": "item1", "seq": 1}]
    must("disconnect", session="s")
    scene.daemon.wait_state("disconnected", detail="stopped")
    must("disconnect", session="s")
    must("connect", session="s")
    scene.daemon.wait_state("connected")
    must("connect", session="s")
    assert must("reload") == {"ok": True, "added": [], "removed": [], "changed": [], "restart_needed": []}
    for cmd in ("sessions", "tables", "rows", "connect", "disconnect"):
        no = scene.daemon.ask(cmd, session="nobody")
        assert no["ok"] is False and "nobody" in no["error"], no
    for cmd in ("connect", "disconnect"):
        assert "session" in scene.daemon.ask(cmd)["error"]


def test_what_is_not_there_yet(world):
    scene = world.bridge([table()])
    for cmd in NOT_YET:
        no = scene.daemon.ask(cmd)
        assert (no["ok"], bool(no["error"])) == (False, True), no


def test_connect_at_once(world):
    """`connect` does not wait for the back-off."""
    scene = world.bridge([table()], retry_ms=60000, retry_max_ms=60000)
    scene.status.wait_session("connecting", detail="waiting")
    scene.sim.open_door()
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_state("connected")


def test_rebind(world, transport):
    """Nothing is lost, and nothing is said to be."""
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(50))
    scene.daemon.must("rebind", session="s")
    scene.sim.updates("item1", range(50, 100))
    scene.arrived()
    scene.status.wait_session("connected", continuity="preserved")
    assert not scene.gaps()
    assert "nobody" in scene.daemon.ask("rebind", session="nobody")["error"]
    scene.daemon.must("disconnect", session="s")
    scene.daemon.wait_state("disconnected")
    assert "not connected" in scene.daemon.ask("rebind", session="s")["error"]


def test_constrain_amid_a_rebind(world, transport):
    """A session that exists takes it, as it takes reconf and messages, also while its connection is being renewed."""
    scene = world.bridge([table()]).open()
    scene.sim.say("loop 500")
    scene.daemon.wait_state("reconnecting")
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps=400)["max_bandwidth_kbps"] == 400
    scene.arrived()


def test_silent_table(world):
    """Subscribed once it is started: by this session, by later ones, and after a reload of other settings."""
    loud, quiet = table("loud"), table("quiet", ["item2"], silent=True)
    scene = world.bridge([loud])
    assert scene.daemon.reload([scene.session(tables=[loud, quiet])])["added"] == ["s/quiet"]
    scene.sim.open_door()
    scene.daemon.wait_table("active", "loud")
    assert scene.daemon.table("quiet")["state"] == "silent"
    scene.daemon.must("start", session="s", table="quiet")
    scene.daemon.must("start", session="s", table="quiet")
    scene.daemon.wait_table("active", "quiet")
    scene.sim.update("item2", a="1")
    scene.consumer.wait(item="item2")
    scene.daemon.must("disconnect", session="s")
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_table("active", "quiet")
    quiet["fields"] = ["a"]
    assert scene.daemon.reload([scene.session(tables=[loud, quiet])])["changed"] == ["s/quiet"]
    scene.daemon.wait_table("active", "quiet", fields=1)
    assert scene.daemon.reload([scene.session(tables=[loud, quiet], retry_ms=21)])["changed"] == ["s"]
    scene.daemon.wait_table("active", "quiet", fields=1)


def test_failed_table_is_asked_for_again(world):
    scene = world.bridge([table(retry_failed_ms=0)])
    scene.sim.say("refuse control 21 1")
    scene.sim.open_door()
    scene.daemon.wait_table("failed", code=21)
    scene.daemon.must("start", session="s", table="t")
    scene.daemon.wait_table("active")
    for cmd in ("start", "delete-table"):
        assert '"x"' in scene.daemon.ask(cmd, session="s", table="x")["error"]
        assert '"x"' in scene.daemon.ask(cmd, session="x", table="t")["error"]
        assert '"table"' in scene.daemon.ask(cmd, session="s")["error"]
        assert '"session"' in scene.daemon.ask(cmd, table="t")["error"]


def test_delete_table(world, transport):
    """A gap at once, and nothing after it; a reload brings it back only when it changed."""
    tables = [table("a"), table("b", ["item2"])]
    scene = world.bridge(tables).open()
    scene.sim.updates("item1", [1])
    scene.sim.updates("item2", [1])
    scene.consumer.wait(table="b")
    scene.daemon.must("delete-table", session="s", table="b")
    gap = scene.consumer.wait(table="b", type="gap")
    assert gap["reason"] == "table deleted", gap
    scene.status.wait_table("deleted", "s/b")
    assert "b" not in [t["table"] for t in scene.daemon.must("tables")["tables"]] and scene.daemon.rows(table="a")
    assert scene.daemon.ask("delete-table", session="s", table="b")["ok"] is False
    scene.sim.updates("item1", [2])
    scene.consumer.wait(table="a", fields={"a": "2", "b": None})
    assert scene.consumer.select(table="b")[-1] == gap
    assert scene.daemon.reload([scene.session(tables=tables)])["changed"] == []
    assert len(scene.daemon.must("tables")["tables"]) == 1
    tables[1]["fields"] = ["a"]
    assert scene.daemon.reload([scene.session(tables=tables)])["changed"] == ["s/b"]
    scene.daemon.wait_table("active", "b")


def test_reconf(world, transport):
    """The reply is what the server granted, or its refusal with the code."""
    scene = world.bridge([table()]).open()
    client = world.client(scene.daemon.control)
    no = client.ask({"cmd": "reconf", "session": "s", "table": "t", "max_frequency": 5, "id": [1]})
    assert no == {"ok": True, "max_frequency": no["max_frequency"], "id": [1]} and no["max_frequency"] == 5, no
    assert scene.daemon.must("reconf", session="s", table="t", max_frequency="2.5")["max_frequency"] == 2.5
    assert scene.daemon.must("reconf", session="s", table="t", max_frequency="2.5")["max_frequency"] == 2.5
    scene.daemon.wait_table("active", max_frequency="2.500")  # as the server wrote it
    assert scene.daemon.must("reconf", session="s", table="t", max_frequency="unlimited")["max_frequency"] == "unlimited"
    scene.sim.say("refuse control 13 1 not now")
    no = scene.daemon.ask("reconf", session="s", table="t", max_frequency=7)
    assert (no["ok"], no["code"], no["error"]) == (False, 13, "not now"), no
    for value in (0, -1, "", "fast", "unfiltered", 1e30, True, None, [], "1.", ".5", "0.0", "1.2.3"):
        no = scene.daemon.ask("reconf", session="s", table="t", max_frequency=value)
        assert "must be a number" in no["error"], (value, no)
    scene.arrived()


def test_reconf_while_it_cannot_be(world):
    scene = world.bridge([table(), table("u", ["item2"], max_frequency="unfiltered"), table("r", ["item3"], mode="RAW")])
    assert "not active" in scene.daemon.ask("reconf", session="s", table="t", max_frequency=1)["error"]
    assert "not connected" in scene.daemon.ask("constrain", session="s", max_bandwidth_kbps=1)["error"]
    scene.open()
    assert "unfiltered" in scene.daemon.ask("reconf", session="s", table="u", max_frequency=1)["error"]
    assert "RAW" in scene.daemon.ask("reconf", session="s", table="r", max_frequency=1)["error"]
    assert '"x"' in scene.daemon.ask("reconf", session="s", table="x", max_frequency=1)["error"]
    assert '"x"' in scene.daemon.ask("constrain", session="x", max_bandwidth_kbps=1)["error"]
    assert '"max_frequency"' in scene.daemon.ask("reconf", session="s", table="t")["error"]


def test_answers_that_never_come(world, transport):
    """Each request gets one reply: when its time is over, its table deleted, its session gone, and others do not wait for it."""
    scene = world.bridge([table(), table("u", ["item2"])], connect_ms=1500).open()
    scene.sim.say("late control never")
    clients = [world.client(scene.daemon.control, zmq.DEALER) for _ in range(3)]

    def send(client, **request):
        client.send(json.dumps(request).encode())

    def both(client):
        """Two replies in the order of their ids."""
        return sorted((json.loads(client.receive()[-1]) for _ in range(2)), key=lambda reply: reply["id"])

    # What has an order is sent by one client: what two of them send is read in any.
    send(clients[0], cmd="reconf", session="s", table="u", max_frequency=1, id=0)
    send(clients[0], cmd="delete-table", session="s", table="u", id=1)
    send(clients[1], cmd="constrain", session="s", max_bandwidth_kbps=50, id=1)
    scene.daemon.must("ping")
    no, yes = both(clients[0])
    assert (no["ok"], no["error"], yes) == (False, "the table was deleted", {"ok": True, "id": 1}), (no, yes)
    no = json.loads(clients[1].receive()[-1])
    assert (no["ok"], no["id"]) == (False, 1) and "1500 ms" in no["error"], no
    send(clients[2], cmd="reconf", session="s", table="t", max_frequency=1, id=2)
    send(clients[2], cmd="disconnect", session="s", id=3)
    no, yes = both(clients[2])
    assert (no["ok"], no["error"], yes) == (False, "session disconnected", {"ok": True, "id": 3}), (no, yes)
    scene.daemon.must("ping")


def test_constrain(world, transport):
    """Later sessions of the run begin with what was granted, not with what was refused."""
    scene = world.bridge([table()]).open()
    assert scene.daemon.must("constrain", session="s", max_bandwidth_kbps=40.5)["max_bandwidth_kbps"] == 40.5
    scene.sim.say("refuse control 13 1 no")
    no = scene.daemon.ask("constrain", session="s", max_bandwidth_kbps="unlimited")
    assert (no["ok"], no["code"], no["error"]) == (False, 13, "no"), no
    scene.daemon.must("disconnect", session="s")
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_state("connected")
    created = scene.sim.requests("create_session")
    assert "LS_requested_max_bandwidth" not in created[0] and "LS_requested_max_bandwidth=40.5" in created[-1], created


def test_log_level(world):
    scene = world.bridge([table()])
    scene.daemon.must("log-level", level="error")
    before = scene.daemon.log()
    scene.daemon.must("disconnect", session="s")
    assert scene.daemon.log() == before
    scene.daemon.must("log-level", level="debug")
    scene.daemon.must("connect", session="s")
    wait_until(lambda: scene.daemon.log() != before, "a line in the log")
    for level in ("", "emergency", "DEBUG", "7"):
        assert "must be" in scene.daemon.ask("log-level", level=level)["error"]
    assert "level" in scene.daemon.ask("log-level")["error"]


BAD = [
    b"", b" ", b"null", b"1", b'"ping"', b"[]", b"{}", b"{", b'{"cmd"', b'{"cmd":"ping"', b'{"cmd":"ping"}}', b'{"cmd":1}',
    b'{"cmd":null}', b'{"cmd":["ping"]}', b'{"cmd":""}', b'{"cmd":"PING"}', b'{"cmd":"pi\\u0000ng"}',
    b'{"cmd":"ping","extra":1}', b'{"cmd":"disconnect","session":"s\\u0000x"}', b'{"cmd":"rows","limit":0}', b'{"cmd":"rows","limit":1001}', b'{"cmd":"rows","limit":-1}',
    b'{"cmd":"rows","limit":1.5}', b'{"cmd":"rows","limit":"10"}', b'{"cmd":"rows","limit":99999999999999999999999}',
    b'{"cmd":"rows","after":"nonsense"}', b'{"cmd":"rows","after":"a/b/c/d"}', b'{"cmd":"rows","after":""}', b'{"cmd":"rows","after":7}',
    b'{"cmd":"rows","session":1}', b'{"cmd":"rows","session":{"a":1}}', b'{"cmd":"connect"}', b'{"cmd":"connect","session":""}',
    b'{"cmd":"connect","session":"\\ud800"}', b'{"cmd":"connect","session":"' + b"x" * 100000 + b'"}', b'{"cmd":NaN}', b'{"cmd":\'ping\'}',
    b"\xff\xfe\x00", b"\x00", b'{"cmd":"p\xffng"}', b"[" * 100000, b'{"a":' * 10000, b"\xef\xbb\xbf" + b'{"cmd":"ping"}', b"{" * 1000000,
    b'{"cmd":"ping"}' * 2, b'{"cmd":"ping",}', b'{"cmd":"ping"} x',
]  # fmt: skip


def test_requests_that_are_none(world):
    scene = world.bridge([table()])
    client = world.client(scene.daemon.control)
    for request in BAD:
        reply = client.ask(request)
        assert reply["ok"] is False and reply["error"], (request[:100], reply)
        assert len(reply["error"]) < 1000
    for seed in range(300):
        assert client.ask(random.Random(seed).randbytes(seed))["ok"] is False
    assert client.ask({"cmd": "ping"})["ok"] is True
    assert len(scene.daemon.log()) < 5000  # not a line for each


def test_garbage_in_the_name_and_blanks_are_fine(world):
    client = world.client(world.bridge([table()]).daemon.control)
    assert client.ask(b' \r\n\t{ "cmd" : "pi\\u006eg" }\n')["ok"] is True


IDS = [
    "1", "-0", "0.10", "1e400", "123456789012345678901234567890", '"x"', '"\\u0000\\ud83d\\ude00"', "null", "true", "[]", '[1,{"a":[null]}]',
    '{"b":1,"a":2}', '""', '"' + "x" * 10000 + '"',
]  # fmt: skip


def test_ids_come_back(world):
    """Whatever they are: numbers to the last digit."""
    scene = world.bridge([table()])
    client = world.client(scene.daemon.control)
    for text in IDS:
        for cmd in ("ping", "no-such-command"):
            client.send(f'{{"id":{text},"cmd":"{cmd}"}}'.encode())
            raw = client.receive()[0].decode()
            assert json.loads(raw)["id"] == json.loads(text), (text, raw)
            if text[0] in "-0123456789":
                assert f'"id":{text}' in raw, (text, raw)


def test_envelopes(world):
    """REQ, DEALER with and without the empty frame, routing frames before it, many and large frames."""
    scene = world.bridge([table()])
    dealer = world.client(scene.daemon.control, zmq.DEALER)
    ping = b'{"cmd":"ping"}'
    for frames, envelope in [
        ([b"", ping], [b""]), ([ping], []), ([b"route", b"", ping], [b"route", b""]), ([b"a", b"b", b"", ping], [b"a", b"b", b""]),
    ]:  # fmt: skip
        dealer.send(*frames)
        got = dealer.receive()
        assert got[:-1] == envelope and json.loads(got[-1])["ok"] is True, (frames, got)
    for frames in ([b"", ping, ping], [b""], [b"", b""], [b"x"] * 200, [b"", *[b"y"] * 200], [b"r" * 100000, b"", ping]):
        dealer.send(*frames)
        assert json.loads(dealer.receive()[-1])["ok"] is False, frames[:3]
    dealer.send(b"", ping)
    assert json.loads(dealer.receive()[-1])["ok"] is True


def test_bodies_too_large(world):
    """One of 1 MiB is read; a larger one may cost the connection, and nothing else."""
    scene = world.bridge([table()])
    client = world.client(scene.daemon.control)
    request = b'{"cmd":"ping","id":"' + b"x" * (1048576 - 22) + b'"}'
    assert len(request) == 1 << 20
    assert client.ask(request)["ok"] is True
    greedy = world.client(scene.daemon.control)
    greedy.send(b'{"cmd":"ping","id":"' + b"x" * (16 << 20) + b'"}')
    assert world.client(scene.daemon.control).ask({"cmd": "ping"})["ok"] is True


def test_many_clients_at_once(world):
    scene = world.bridge([table()]).open()
    wrong = []

    def work(number):
        with Client(scene.daemon.control) as client:
            for n in range(50):
                reply = client.ask({"cmd": "status" if n % 5 == 0 else "ping", "id": [number, n]})
                if reply.get("id") != [number, n] or not reply["ok"]:
                    wrong.append(reply)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


def test_clients_that_never_read(world):
    """Their replies are dropped at some point; nobody else notices."""
    scene = world.bridge([table()]).open()
    before = scene.daemon.memory_kb()
    rude = world.client(scene.daemon.control, zmq.DEALER)
    rude.socket.rcvhwm = 1
    request = b'{"cmd":"config","id":"' + b"x" * 10000 + b'"}'
    for _ in range(3000):
        try:
            rude.socket.send_multipart([b"", request], zmq.NOBLOCK)
        except zmq.Again:
            break
    assert world.client(scene.daemon.control).ask({"cmd": "ping"})["ok"] is True
    assert scene.daemon.memory_kb() - before < 100000


# --- rows ---


def test_rows_are_selected(world):
    tables = [table("t", ["item1", "item2"]), table("c", ["x", "y"], ["key", "command", "a"], mode="COMMAND")]
    scene = world.bridge(tables).open()
    scene.sim.update("item1", a="1")
    scene.sim.update("item2", a="2")
    for item in "xy":
        for key in ("k1", "k2", ""):
            scene.sim.update(item, key=key, command="ADD", a=item)
    scene.arrived()

    def found(**keys):
        return sorted((r["table"], r["item"], r.get("key")) for r in scene.daemon.rows(**keys))

    assert len(found()) == 8 and found(session="s") == found()
    assert found(table="t") == [("t", "item1", None), ("t", "item2", None)]
    assert found(item="x") == [("c", "x", ""), ("c", "x", "k1"), ("c", "x", "k2")]
    assert found(key="k1") == [("c", "x", "k1"), ("c", "y", "k1")]
    assert found(key="", item="y", table="c", session="s") == [("c", "y", "")]
    assert found(item="nothing") == [] and "nothing" in scene.daemon.ask("rows", table="nothing")["error"]
    assert len(scene.daemon.must("rows", limit=3)["rows"]) == 3


def test_pages_while_rows_come_and_go(world):
    """A row that exists throughout is delivered exactly once."""
    scene = world.bridge([table("c", ["x"], ["key", "command", "a"], mode="COMMAND")]).open()
    scene.sim.say(*[f"update TEST x key=stays{n} command=ADD a={n}" for n in range(150)])
    scene.sim.say(*[f"update TEST x key=goes{n} command=ADD a={n}" for n in range(100)])
    scene.arrived()
    over = threading.Event()

    def churn():
        n = 0
        while not over.is_set():
            scene.sim.say(
                f"update TEST x key=goes{n % 100} command=DELETE", f"update TEST x key=new{n} command=ADD a=1",
                f"update TEST x key=stays{n % 150} command=UPDATE a=again{n}", f"update TEST x key=goes{n % 100} command=ADD a=1",
            )  # fmt: skip
            n += 1
            over.wait(0.02)  # rows that come faster than a page could be read would never end

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for limit in (1, 7, 50, 1000):
            keys = [row["key"] for row in scene.daemon.rows(table="c", limit=limit)]
            staying = [key for key in keys if key.startswith("stays")]
            assert sorted(staying) == sorted(f"stays{n}" for n in range(150)), (limit, len(staying))
    finally:
        over.set()
        thread.join()
    scene.arrived()


def test_pages_end_at_a_mebibyte(world):
    items = [f"i{n}" for n in range(40)]
    scene = world.bridge([table("t", items)]).open()
    for item in items:
        scene.sim.update(item, a="x" * 60000)
    scene.arrived()
    client = world.client(scene.daemon.control)
    client.send(b'{"cmd":"rows","limit":1000}')
    body = client.receive()[0]
    assert len(body) <= 1 << 20 and "next" in json.loads(body), len(body)
    assert [r["item"] for r in scene.daemon.rows(limit=1000)] == items


def test_cursor_of_a_table_that_is_gone(world):
    scene = world.bridge([table("a"), table("b", ["item2"])]).open()
    scene.sim.updates("item1", [1])
    scene.sim.updates("item2", [1])
    wait_until(lambda: len(scene.daemon.rows()) == 2, "two rows")
    page = scene.daemon.must("rows", limit=1)
    assert scene.daemon.reload([scene.session(tables=[table("b", ["item2"])])])["ok"]
    rest = scene.daemon.must("rows", limit=1, after=page["next"])
    assert [r["table"] for r in rest["rows"]] == ["b"]
