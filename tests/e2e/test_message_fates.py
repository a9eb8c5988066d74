"""What a server may make of messages that it took: late, refused in words, never heard of again, lost before they arrived."""

import json

import zmq

from bridge import table


def ask_all(world, scene, *texts, **more):
    """Sends them in their order, one client for all; then each text's reply."""
    client = world.client(scene.daemon.control, zmq.DEALER)
    for text in texts:
        request = {"cmd": "send-message", "session": "s", "text": text, "id": text, "timeout_ms": 5000, **more}
        client.send(json.dumps(request).encode())
    replies = [json.loads(client.receive()[-1]) for _ in texts]
    return {reply.pop("id"): reply for reply in replies}


def test_outcomes_as_the_server_likes(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.say('message good done "very good"', 'message bad fail -7 "very bad"', "message empty done", "message mute fail 34",
                  "message slow late 200 done at last")  # fmt: skip
    for more in ({}, {"sequence": "S"}):
        replies = ask_all(world, scene, "good", "bad", "slow", "empty", "mute", **more)
        assert replies["good"] == {"ok": True, "response": "very good"}
        assert replies["empty"] == {"ok": True, "response": ""}
        assert replies["slow"] == {"ok": True, "response": "at last"}
        assert (replies["bad"]["ok"], replies["bad"]["error"], replies["bad"]["code"]) == (False, "very bad", -7), replies["bad"]
        assert (replies["mute"]["ok"], replies["mute"]["code"]) == (False, 34), replies["mute"]


def test_an_outcome_that_comes_too_late(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.say("message slow late 600")
    no = ask_all(world, scene, "slow", sequence="S", timeout_ms=200)["slow"]
    assert not no["ok"] and "unknown" in no["error"], no
    # The next in the sequence has to wait for it, and gets its own outcome.
    assert ask_all(world, scene, "next", sequence="S")["next"] == {"ok": True, "response": "next"}
    assert scene.daemon.session()["counters"]["upstream_late"] == 1, scene.daemon.session()["counters"]


def test_an_outcome_that_never_comes(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.say("message lost swallow")
    for more in ({}, {"sequence": "S"}):
        no = ask_all(world, scene, "lost", timeout_ms=200, **more)["lost"]
        assert not no["ok"] and "unknown" in no["error"], no
        assert ask_all(world, scene, "next", **more)["next"] == {"ok": True, "response": "next"}


def test_messages_that_are_skipped(world, transport):
    """Three in a row that never arrived, and one: their numbers are given up for the next one's sake, and each sender is told."""
    scene = world.bridge([table()]).open()
    scene.sim.say("message lost* skip")
    replies = ask_all(world, scene, "1", "lost 2", "lost 3", "lost 4", "5", "lost 6", "7", sequence="S", max_wait_ms=100)
    for text in ("1", "5", "7"):
        assert replies[text] == {"ok": True, "response": text}, replies
    for text, code in (("lost 2", 39), ("lost 3", 39), ("lost 4", 39), ("lost 6", 38)):
        assert not replies[text]["ok"] and replies[text]["code"] in (code, 38), (text, replies[text])
        # The number of those that were skipped is not for the sender.
        assert replies[text]["error"] and not replies[text]["error"].isdigit(), replies[text]


def test_a_lost_connection_between_message_and_outcome(world, transport):
    scene = world.bridge([table()]).open()
    scene.sim.say("message m* late 300")
    client = world.client(scene.daemon.control, zmq.DEALER)
    for n in range(3):
        request = {"cmd": "send-message", "session": "s", "text": f"m{n}", "id": n, "sequence": "S", "timeout_ms": 9000}
        client.send(json.dumps(request).encode())
    scene.sim.wait_event("request", name="msg")
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="recovered")
    replies = [json.loads(client.receive()[-1]) for _ in range(3)]
    assert sorted(r["id"] for r in replies) == [0, 1, 2] and all(r["ok"] for r in replies), replies
    assert [e["text"] for e in scene.sim.all("sent", kind="msgdone")] == ["m0", "m1", "m2"]
