"""The shipped example configurations against the simulator, with only their addresses changed; lsbridgectl on a live daemon."""

import json
import os
import re
import signal
import subprocess

from bridge import Client, table
from process import TOP, command, run, wait_until

EXAMPLES = ["demo-chat", "demo-portfolio", "demo-portfolio-json", "demo-stocklist", "ig-markets", "isslive", "load-test", "text-mode"]


def relocated(world, name, sim):
    """The example's text with other addresses."""
    with open(os.path.join(TOP, "etc", "examples", name + ".conf"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r'url = "[^"]*"', f'url = "{sim.url}"', text)
    for group in ("publisher", "status", "control"):
        text = re.sub(rf"^{group}: .*$", f'{group}: {{ endpoints = [ "ipc://{world.path(group)}" ]; }};', text, flags=re.M)
    return text


def works(world, name):
    sim = world.sim(quiet=False)
    environment = {"IG_ACCOUNT": "ABC12", "IG_CST": "c", "IG_XST": "x"}
    daemon = world.daemon([], config=relocated(world, name, sim), environment=environment)
    consumer = world.consumer(f"ipc://{world.path('publisher')}").ready()
    sim.open_door()
    for t in daemon.must("tables")["tables"]:
        daemon.wait_table("active", t["table"], of=t["session"])
    if name == "demo-chat":
        sim.update("chat_room", adapter_set="DEMO", raw_timestamp="1", IP="127.0.0.1", message="hello")
    row = consumer.wait(where=lambda m: m["type"] in ("snapshot", "update"))
    if name == "demo-portfolio-json":
        json.loads(row["fields"]["json"])
    if name == "demo-portfolio":
        row = consumer.wait(where=lambda m: m.get("command") == "UPDATE" and m["fields"]["last_price"], type="snapshot")
        assert list(row["fields"]) == ["key", "command", "qty", "stock_name", "last_price", "time"], row
    assert not [t for t in daemon.must("tables")["tables"] if t["state"] != "active"]


def make(name):
    def test(world):
        works(world, name)

    return test


globals().update({f"test_{name.replace('-', '_')}": make(name) for name in EXAMPLES})


def test_ctl_verbs(world):
    scene = world.bridge([table("t", ["item1", "item10"]), table("c", ["x"], ["key", "command"], mode="COMMAND")]).open()
    scene.sim.update("item1", a="1", b="\x1b[31m")
    scene.sim.update("item10", a="2")
    scene.sim.update("x", key="k", command="ADD")
    scene.arrived()
    where = ["-e", scene.daemon.control]

    def ctl(*arguments, status=0):
        return run("lsbridgectl", *where, *arguments, status=status).stdout

    assert "connected" in ctl("status") and "item" not in ctl("ping")
    for verb in ("status", "sessions", "tables", "config", "version", "ping", "reload"):
        assert ctl(verb)
        assert json.loads(ctl(verb, "--json"))["ok"] is True
    assert ctl("sessions", "s") and ctl("tables", "s")
    assert "item10" in ctl("get") and "item10" not in ctl("get", "t", "item1") and "k" in ctl("get", "s/c")
    assert "\x1b" not in ctl("get", "t")
    tail = ctl("tail", "item1", "--count", "1", "--json")
    assert json.loads(tail.splitlines()[0])["item"] == "item1"
    assert "item10" in ctl("tail", "item1", "--prefix", "--count", "2")
    assert "connected" in ctl("watch", "session/s", "--count", "1")
    assert ctl("reconf", "s", "t", "5") == "granted max_frequency=5.0\n"
    assert ctl("constrain", "s", "50").startswith("granted max_bandwidth_kbps=50")
    assert json.loads(ctl("constrain", "s", "unlimited", "--json"))["max_bandwidth_kbps"] == "unlimited"
    assert ctl("send-message", "s", "hello", "--sequence", "S_1", "--max-wait", "9", "--timeout", "3000") == "hello\n"
    assert ctl("send-message", "s", "") == "ok\n" and ctl("send-message", "s", "--", "--x") == "--x\n"
    assert json.loads(ctl("send-message", "s", "7", "--json")) == {"ok": True, "response": "7"}
    for wrong in (("s", "fail:-5:no"), ("nobody", "x"), ("s", "x", "--sequence", "a b")):
        ctl("send-message", *wrong, status=1)
    for wrong in (("s",), ("s", "x", "y"), ("s", "x", "--max-wait", "0"), ("s", "x", "--count", "1")):
        ctl("send-message", *wrong, status=64)
    ctl("ping", "--sequence", "x", status=64)
    for words in (("start", "s", "t"), ("rebind", "s"), ("delete-table", "s", "c"), ("log-level", "info")):
        assert ctl(*words) == "ok\n"
    ctl("delete-table", "s", "c", status=1)
    ctl("reconf", "s", "t", "unfiltered", status=1)
    ctl("log-level", "loud", status=1)
    ctl("reconf", "s", "t", status=64)
    ctl("disconnect", "s")
    assert "disconnected" in ctl("status")
    ctl("connect", "s")
    scene.daemon.wait_state("connected")
    ctl("connect", "nobody", status=1)
    ctl("get", "nobody/t", status=1)


def test_ctl_follows_live(world):
    scene = world.bridge([table()]).open()
    argv = command("lsbridgectl", "-e", scene.daemon.control, "tail", "--json")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as tail:
        try:
            wait_until(lambda: scene.sim.update("item1", a="x") or scene.daemon.must("status")["stats"]["replayed"] >= 0, "")
            for n in range(20):
                scene.sim.update("item1", a=str(n))
            seen = []
            while not seen or seen[-1]["fields"]["a"] != "19":
                message = json.loads(tail.stdout.readline())
                if "fields" in message:
                    seen.append(message)
                if len(seen) == 1:
                    scene.sim.update("item1", a="19")
        finally:
            tail.send_signal(signal.SIGINT)
        tail.stdout.read()
    assert tail.returncode == 0


def test_consumers_live(world):
    """examples/consumer.py beside a real daemon."""
    scene = world.bridge([table()]).open()
    scene.sim.update("item1", a="1")
    scene.arrived()
    argv = ["/usr/bin/python3", "-u", os.path.join(TOP, "examples", "consumer.py"), scene.daemon.data, "item1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as consumer:
        try:
            line = consumer.stdout.readline()
            assert 's/t/item1 {"a":"1","b":null}' in line.replace(", ", ",").replace(": ", ":"), line
        finally:
            consumer.terminate()
        consumer.stdout.read()


def test_control_of_another_daemon(world):
    """Two daemons beside each other."""
    one, two = world.bridge([table()]).open(), world.bridge([table("other")]).open()
    assert Client(one.daemon.control).ask_once({"cmd": "tables"})["tables"][0]["table"] == "t"
    assert Client(two.daemon.control).ask_once({"cmd": "tables"})["tables"][0]["table"] == "other"
