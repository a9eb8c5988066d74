"""send-message: what a server makes of messages, in which order, and what is told when that cannot be known."""

import json
import random
import threading

import zmq

from bridge import Client, session, table
from process import wait_until

UNKNOWN = "fate is unknown"


def send(scene, text, **more):
    return scene.daemon.ask("send-message", session="s", text=text, **more)


def ask_later(world, scene, text, **more):
    """Sends without waiting; answer_of() does."""
    client = world.client(scene.daemon.control, zmq.DEALER)
    client.send(json.dumps({"cmd": "send-message", "session": "s", "text": text, **more}).encode())
    return client


def answer_of(client):
    return json.loads(client.receive()[-1])


def processed(scene, kind="msgdone", **keys):
    return [e["text"] for e in scene.sim.all("sent", kind=kind, **keys)]


def counters(scene):
    found = scene.daemon.session()["counters"]
    return {name[9:]: n for name, n in found.items() if name.startswith("upstream_")}


def requests(scene, containing=""):
    return [line for lines in scene.sim.requests("msg") for line in lines.split("\r\n") if containing in line]


HARD = ["", " ", "a\r\nb", "&=%+#", "é€😀", "a\0b", "%41", "x" * 20000, '"\\', "﻿bom", "MSGDONE,*,1,x"]


def test_message_outcomes(world, transport):
    scene = world.bridge([table()]).open()
    for text in HARD:
        assert send(scene, text) == {"ok": True, "response": text}, text[:100]
        assert send(scene, text, sequence="S_1", max_wait_ms=0, timeout_ms=9000) == {"ok": True, "response": text}, text[:100]
    # A response is text, even where it looks like a number.
    assert send(scene, "123")["response"] == "123"
    client = world.client(scene.daemon.control)
    reply = client.ask({"cmd": "send-message", "session": "s", "text": "fail:-17:The adapter, itself", "id": {"a": 1}})
    assert reply == {"ok": False, "error": "The adapter, itself", "code": -17, "id": {"a": 1}}, reply
    scene.sim.say("refuse control 34 1 Not now")
    no = send(scene, "never")
    assert (no["ok"], no["error"], no["code"]) == (False, "Not now", 34), no
    assert not requests(scene, "LS_ack") and not requests(scene, "LS_outcome")
    assert counters(scene) == {"sent": 2 * len(HARD) + 3, "done": 2 * len(HARD) + 1, "failed": 2, "late": 0}
    scene.sim.updates("item1", range(10))
    scene.arrived()
    assert "never" not in scene.daemon.log() and "adapter, itself" not in scene.daemon.log()


def test_message_refused_leaves_no_hole(world, transport):
    """The next in the sequence does not wait for one that the server refused."""
    scene = world.bridge([table()]).open()
    assert send(scene, "1", sequence="S")["ok"]
    scene.sim.say("refuse control -3 1 no")
    assert send(scene, "2", sequence="S", max_wait_ms=60000)["code"] == -3
    assert send(scene, "3", sequence="S", max_wait_ms=60000, timeout_ms=60000)["ok"]
    assert processed(scene, sequence="S") == ["1", "3"] and not processed(scene, "msgfail")


def test_messages_of_many_clients(world, transport):
    """Each gets its own answer; each sequence is processed in the order of its numbers, and nothing twice."""
    scene = world.bridge([table()]).open()
    wrong = []

    def work(number):
        random_ = random.Random(number)
        with Client(scene.daemon.control) as client:
            for n in range(30):
                text = f"{number}-{n}"
                sequence = random_.choice([None, "ALL", f"OWN{number}"])
                request = {"cmd": "send-message", "session": "s", "text": text, "timeout_ms": 30000, "id": text}
                reply = client.ask({**request, **({"sequence": sequence} if sequence else {})})
                if reply != {"ok": True, "response": text, "id": text}:
                    wrong.append(reply)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    done = scene.sim.all("sent", kind="msgdone")
    assert sorted(e["text"] for e in done) == sorted(f"{number}-{n}" for number in range(6) for n in range(30))
    for name in {e["sequence"] for e in done} - {"*"}:
        progs = [e["prog"] for e in done if e["sequence"] == name]
        assert progs == list(range(1, len(progs) + 1)), (name, progs)


def test_messages_in_a_row(world, transport):
    """Those of one client that does not wait go in its order, in as few requests as the server's limit allows."""
    scene = world.bridge([table()], ["--request-limit", "2000"]).open()
    dealer = world.client(scene.daemon.control, zmq.DEALER)
    for n in range(200):
        request = {"cmd": "send-message", "session": "s", "text": str(n), "sequence": "S", "timeout_ms": 30000, "id": n}
        dealer.send(json.dumps(request).encode())
    answers = [answer_of(dealer) for _ in range(200)]
    assert all(a["ok"] and a["response"] == str(a["id"]) for a in answers), answers[:3]
    assert processed(scene, sequence="S") == [str(n) for n in range(200)]
    no = send(scene, "x" * 3000, sequence="S")
    assert not no["ok"] and "request limit" in no["error"] and "not sent" in no["error"], no
    assert send(scene, "after", sequence="S", timeout_ms=30000)["ok"]


def test_messages_are_bounded(world):
    scene = world.bridge([table()]).open()
    scene.sim.say("half-open")
    dealer = world.client(scene.daemon.control, zmq.DEALER)
    for n in range(1005):
        dealer.send(json.dumps({"cmd": "send-message", "session": "s", "text": "x", "timeout_ms": 60000, "id": n}).encode())
    answers = [answer_of(dealer) for _ in range(5)]
    assert all("too many messages" in a["error"] for a in answers), answers
    big = send(scene, "x" * 1000000)
    assert "too many messages" in big["error"], big
    scene.daemon.must("disconnect", session="s")
    answers = [answer_of(dealer) for _ in range(1000)]
    assert sorted(a["id"] for a in answers) == list(range(1000)) and all(UNKNOWN in a["error"] for a in answers)


def test_message_requests_that_are_none(world):
    scene = world.bridge([table()]).open()
    ask = scene.daemon.ask
    assert '"text"' in ask("send-message", session="s")["error"]
    assert '"session"' in ask("send-message", text="x")["error"]
    assert '"x"' in ask("send-message", session="x", text="x")["error"]
    assert '"text"' in ask("send-message", session="s", text=7)["error"]
    for name in ("", "a b", "a-b", "é", "a\0", "UNORDERED_MESSAGES", "x" * 257, 7, None):
        no = send(scene, "x", sequence=name)
        assert not no["ok"] and '"sequence"' in no["error"], (name, no)
    for key in ("max_wait_ms", "timeout_ms"):
        for value in (-1, 1.5, "1", True, None, 1e3, 86400001, 10**30):
            no = send(scene, "x", sequence="S", **{key: value})
            assert not no["ok"] and f'"{key}"' in no["error"], (key, value, no)
    assert '"timeout_ms"' in send(scene, "x", timeout_ms=0)["error"]
    assert not scene.sim.requests("msg")


def test_message_waits_for_the_session(world, transport):
    """One that was not sent yet waits, through refused connections and into the next session, but no longer than its time."""
    scene = world.bridge([table()])
    no = send(scene, "too early", timeout_ms=200)
    assert not no["ok"] and "200 ms" in no["error"] and "not sent" in no["error"], no
    waiting = ask_later(world, scene, "early", timeout_ms=60000, sequence="S")
    scene.open()
    assert answer_of(waiting) == {"ok": True, "response": "early"}
    assert requests(scene, "early") and not requests(scene, "too%20early")
    scene.sim.say("refuse create close always", "forget")
    scene.status.wait_session("connecting", detail="waiting")
    waiting = ask_later(world, scene, "later", timeout_ms=60000, sequence="S")
    scene.sim.open_door()
    assert answer_of(waiting) == {"ok": True, "response": "later"}
    assert all("LS_msg_prog=1" in line for line in requests(scene))


def test_message_to_a_session_that_is_none(world):
    scene = world.bridge([table()]).open()
    scene.daemon.must("disconnect", session="s")
    assert "disconnected" in send(scene, "x")["error"]
    scene.sim.say("refuse create 66 1 Not for you")
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_state("disconnected", detail="refused")
    assert "disconnected" in send(scene, "x")["error"]
    # Asked for while it is not known yet.
    scene.daemon.must("disconnect", session="s")
    scene.sim.say("refuse create 66 1 Not for you", "late create 300")
    scene.daemon.must("connect", session="s")
    no = send(scene, "x", timeout_ms=30000)
    assert (no["ok"], no["code"]) == (False, 66) and "Not for you" in no["error"], no
    assert not scene.sim.requests("msg")


def test_message_recovered(world):
    """The connection is dead without a sign when messages are sent: those of sequences are sent again, and only those."""
    scene = world.bridge([table()], keepalive_ms=200, stalled_ms=100, reconnect_ms=100).open()
    assert send(scene, "0", sequence="S")["ok"]
    scene.sim.say("half-open")
    alone = ask_later(world, scene, "alone", timeout_ms=3000)
    row = [ask_later(world, scene, f"row {n}", sequence="S", timeout_ms=60000) for n in range(3)]
    assert [answer_of(c) for c in row] == [{"ok": True, "response": f"row {n}"} for n in range(3)]
    no = answer_of(alone)
    assert not no["ok"] and UNKNOWN in no["error"] and "3000 ms" in no["error"], no
    # In the order in which the daemon read them, which is not known for several clients.
    assert processed(scene, sequence="S")[0] == "0" and sorted(processed(scene)) == ["0", "row 0", "row 1", "row 2"]
    assert send(scene, "again")["ok"]
    scene.status.wait_session("connected", continuity="recovered")
    scene.arrived()
    assert not scene.gaps()


def test_message_outcome_recovered(world, transport):
    """The outcome was on its way when the connection broke: it comes with the recovery, and nothing is sent again."""
    scene = world.bridge([table()]).open()
    scene.sim.say("swallow 3")
    waiting = [ask_later(world, scene, f"m{n}", timeout_ms=30000, **more) for n, more in enumerate([{"sequence": "S"}, {}])]
    wait_until(lambda: len(processed(scene)) == 2, "two messages")
    scene.sim.say("cut")
    assert sorted(answer_of(c)["response"] for c in waiting) == ["m0", "m1"]
    scene.status.wait_session("connected", continuity="recovered")
    assert len(processed(scene)) == 2
    assert not processed(scene, "msgfail")


def test_message_request_dies(world):
    """HTTP: the request that carries messages ends without an answer. Sequences go on in order; what is alone is not sent again."""
    world.transport = "http-streaming"
    scene = world.bridge([table()]).open()
    scene.sim.say("refuse control close 3")
    row = [ask_later(world, scene, f"row {n}", sequence="S", timeout_ms=60000) for n in range(3)]
    assert all(answer_of(c)["ok"] for c in row)
    progs = [e["prog"] for e in scene.sim.all("sent", kind="msgdone", sequence="S")]
    assert progs == [1, 2, 3], progs
    scene.sim.say("refuse control close 1")
    no = send(scene, "alone", timeout_ms=1000)
    assert not no["ok"] and UNKNOWN in no["error"], no
    assert len(requests(scene, "alone")) == 1
    assert send(scene, "alone again")["ok"]


def test_message_never_answered(world, transport):
    scene = world.bridge([table()], connect_ms=1000).open()
    scene.sim.say("late control never")
    # Obeyed, and its outcome comes on the stream.
    assert send(scene, "x")["ok"]
    scene.sim.say("stall")
    no = send(scene, "y", timeout_ms=1500)
    assert not no["ok"] and UNKNOWN in no["error"] and "1500 ms" in no["error"], no
    scene.sim.say("stall off")
    wait_until(lambda: counters(scene)["late"] == 1, "a late outcome")


def test_message_session_lost(world, transport):
    """What was sent is not sent again in the next session, where numbers begin anew; what was not sent goes there."""
    scene = world.bridge([table()]).open()
    streaming = transport.startswith("ws")
    scene.sim.say(*(["half-open"] if streaming else ["late control never", "stall"]))
    lost = ask_later(world, scene, "x", sequence="S", timeout_ms=60000)
    wait_until(lambda: counters(scene)["sent"] == 1, "sent")
    other = ask_later(world, scene, "y", sequence="T", timeout_ms=60000)
    scene.daemon.must("ping")
    scene.sim.say("late control 0", "forget")
    no = answer_of(lost)
    assert not no["ok"] and no["error"].startswith("session lost: ") and UNKNOWN in no["error"], no
    answer = answer_of(other)
    assert (answer["ok"] or UNKNOWN in answer["error"]) and (streaming or answer["ok"]), answer
    scene.daemon.wait_state("connected", continuity="replaced")
    assert send(scene, "z", sequence="S", timeout_ms=30000) == {"ok": True, "response": "z"}
    assert "LS_msg_prog=1" in requests(scene, "LS_message=z")[0]
    assert len(requests(scene, "LS_message=x")) == (0 if streaming else 1)


def test_message_and_the_ends_of_its_session(world):
    """disconnect, a reload that replaces or removes the session, the daemon's end: each client gets one answer."""
    scene = world.bridge([table()]).open()

    def silent():
        scene.sim.say("stall")
        return ask_later(world, scene, "x", timeout_ms=60000)

    def sent():
        wait_until(lambda: counters(scene)["sent"] > 0, "sent")

    waiting = silent()
    sent()
    scene.daemon.must("disconnect", session="s")
    assert UNKNOWN in answer_of(waiting)["error"]
    scene.daemon.must("connect", session="s")
    scene.daemon.wait_table("active")
    waiting = silent()
    wait_until(lambda: counters(scene)["sent"] == 2, "sent")
    assert scene.daemon.reload([scene.session(retry_ms=21)])["changed"] == ["s"]
    assert UNKNOWN in answer_of(waiting)["error"]
    scene.daemon.wait_table("active")
    assert send(scene, "y") == {"ok": True, "response": "y"}
    waiting = silent()
    wait_until(lambda: counters(scene)["sent"] == 2, "sent")
    other = session(scene.url, [table()], name="other", transport=world.transport)
    assert scene.daemon.reload([other])["removed"] == ["s"]
    assert UNKNOWN in answer_of(waiting)["error"]
    assert '"s"' in send(scene, "x")["error"]
    scene.daemon.wait_state("connected", "other")
    scene.sim.say("stall")
    client = world.client(scene.daemon.control, zmq.DEALER)
    client.send(b'{"cmd":"send-message","session":"other","text":"x","timeout_ms":60000}')
    wait_until(lambda: scene.daemon.session("other")["counters"]["upstream_sent"] == 1, "sent")
    assert scene.daemon.stop() == 0
    assert UNKNOWN in answer_of(client)["error"]


def test_message_at_once_after_a_reload(world, transport):
    """The session that takes another's place is still to begin: its messages wait for it."""
    scene = world.bridge([table()]).open()
    for n in range(5):
        assert scene.daemon.reload([scene.session(retry_ms=21 + n)])["changed"] == ["s"]
        assert send(scene, str(n), timeout_ms=30000) == {"ok": True, "response": str(n)}


def test_message_while_held(world):
    """A slow consumer holds everything back: a message's time does not stand still, and the connection lives on."""
    scene = world.bridge([table()], publisher={"high_water_mark": 100, "slow_consumer": "wait"})
    scene.consumer = world.consumer(scene.daemon.data).ready()
    stalled = world.consumer(scene.daemon.data, high_water_mark=5).ready()
    scene.open()
    stalled.pause()
    scene.sim.say(*[f"update TEST item1 a={'x' * 2000}{n}" for n in range(1500)])
    scene.status.wait_session("connected", detail="held")
    no = send(scene, "x", timeout_ms=500)
    assert not no["ok"] and UNKNOWN in no["error"], no
    stalled.resume()
    wait_until(lambda: counters(scene)["late"] == 1, "the outcome")
    assert send(scene, "y") == {"ok": True, "response": "y"}


def test_message_in_the_chat(world):
    """Lightstreamer's own demo: a message comes back as an update."""
    chat = table("chat", ["chat_room"], ["raw_timestamp", "IP", "message"], mode="DISTINCT", data_adapter="CHAT_ROOM")
    scene = world.bridge([chat], adapter_set="DEMO").open()
    assert send(scene, "CHAT|Hello, you", sequence="CHAT") == {"ok": True, "response": ""}
    assert scene.consumer.wait(item="chat_room", type="update")["fields"]["message"] == "Hello, you"
