"""What `sessions` and `status` tell of the terms between a server and us."""

import json

from bridge import table
from process import run

TIMES = {"polling_ms": 0, "reverse_heartbeat_ms": 0, "stalled_ms": 2000, "reconnect_ms": 3000, "recovery_ms": 15000,
         "connect_ms": 4000, "retry_ms": 20, "retry_max_ms": 1000, "retry_refused_ms": 300000}  # fmt: skip


def test_asked_for_and_granted(world, transport):
    """What was asked for while there is no session, what the server granted while there is one."""
    scene = world.bridge([table()], keepalive_ms=1234, reverse_heartbeat_ms=4321, password="secret", user="me",
                         idle_ms=18000)  # fmt: skip
    details = scene.daemon.session()["details"]
    expected = {**TIMES, "reverse_heartbeat_ms": 4321, "keepalive_ms": 1234, "idle_ms": 18000, "url": scene.sim.url}
    assert details == expected, details
    scene.open()
    details = scene.daemon.session()["details"]
    assert {k: v for k, v in details.items() if k in expected} == expected
    assert (details["protocol"], details["transport"]) == ("TLCP-2.5.0", world.transport), details
    assert details["server_name"] and details["client_ip"] == "127.0.0.1" and details["request_limit_bytes"] == 50000
    assert details["max_bandwidth_kbps"] == "unlimited" and "control_link" not in details
    scene.daemon.must("constrain", session="s", max_bandwidth_kbps=50)
    assert scene.daemon.session()["details"]["max_bandwidth_kbps"] == 50
    assert scene.daemon.must("status")["sessions"][0]["details"]["max_bandwidth_kbps"] == 50
    scene.daemon.must("disconnect", session="s")
    scene.daemon.wait_state("disconnected")
    assert scene.daemon.session()["details"] == expected


def test_a_poll(world):
    scene = world.bridge([table()], transport="http-polling", idle_ms=1500, polling_ms=10).open()
    details = scene.daemon.session()["details"]
    assert (details["transport"], details["idle_ms"], details["polling_ms"]) == ("http-polling", 1500, 10), details
    assert details["keepalive_ms"] == 0


def test_no_secret(world):
    """Neither user information in the address nor the session's id."""
    scene = world.bridge([table()]).open()
    sid = scene.sim.all("session")[0]["session"]
    other = {**scene.session(name="other"), "url": "http://me:hush@127.0.0.1:1"}
    scene.daemon.reload([scene.session(), other])
    text = json.dumps(scene.daemon.must("status")["sessions"])
    assert "hush" not in text and "***@127.0.0.1:1" in text and sid not in text and sid[-6:] in text, text


def test_what_the_server_chose(world):
    """Its keep-alive and control link; an older protocol; and the tool shows them."""
    options = ["--keepalive-ms", "2345", "--control-link", "localhost", "--server-name", "Sim ulator", "--request-limit", "4000"]
    scene = world.bridge([table()], [*options, "--tlcp-version", "2.3.0"], transport="http-streaming").open()
    details = scene.daemon.session()["details"]
    assert (details["keepalive_ms"], details["control_link"], details["server_name"]) == (2345, "localhost", "Sim ulator")
    assert (details["protocol"], details["request_limit_bytes"]) == ("TLCP-2.3.0", 4000), details
    scene.daemon.reload([scene.session(slowing=True)])
    scene.daemon.wait_state("connected", continuity="replaced")
    assert scene.daemon.session()["details"]["late_ms"] == 0

    def ctl(*arguments, status=0):
        return run("lsbridgectl", "-e", scene.daemon.control, *arguments, status=status).stdout

    for words in (("status", "-v"), ("sessions", "s", "--verbose")):
        shown = [line.split(None, 1) for line in ctl(*words).splitlines()]
        assert ["keepalive_ms", "2345"] in shown and ["server_name", "Sim ulator"] in shown, shown
    assert "keepalive_ms" not in ctl("status") and "keepalive_ms" in ctl("status", "--json")
    ctl("tables", "--verbose", status=64)
