"""`lsbridgectl top`: a picture in a terminal that follows the daemon, and the same as JSON."""

import json
import os
import signal
import subprocess

from bridge import table
from process import command, run
from terminal import Terminal


def top(world, scene, *arguments, **options):
    return world.keep(Terminal(command("lsbridgectl", "-e", scene.daemon.control, "top", *arguments), **options))


def test_follows_the_daemon(world):
    """Transitions at once, rates and ages by the second; q leaves the terminal as it was."""
    scene = world.bridge([table(), table("u", ["item2"])]).open()
    scene.sim.updates("item1", range(100))
    scene.arrived()
    screen = top(world, scene)
    screen.wait_line("lsbridged", "run", "up")
    screen.wait_line("SESSION", "STATE", "DETAIL", "UPDATES/S", "RECEIVED/S", "LAST", "RETRY", "KBPS")
    screen.wait_line("s", "connected", "ws-streaming", "2", "unlimited")
    screen.wait_line("s", "t", "MERGE", "active", "unlimited")
    screen.wait_line("messages/s", "held", "dropped")
    screen.wait_line("q", "quits")
    scene.sim.updates("item1", range(100, 300))

    def rate(lines):
        found = [line.split()[6] for line in lines if line.split()[1:2] == ["t"]]
        return found and found[0] != "-" and float(found[0]) > 1

    screen.wait(rate, "no rate")
    scene.daemon.must("add-table", session="s", table=table("late", ["item3"]))
    screen.wait_line("s", "late", "MERGE", "active")
    scene.sim.say("refuse create 7 always")
    scene.daemon.must("disconnect", session="s")
    screen.wait_line("s", "disconnected", "stopped")
    screen.wait_line("s:", "disconnected", "on", "request")
    screen.wait_line("s", "t", "MERGE", "pending")
    before = len(screen.raw)
    screen.type("q")
    assert screen.ended() == 0, (screen.status, screen.raw[-3000:])
    assert b"\x1b[?25h" in screen.raw[before:], "the cursor is back"


def test_the_next_try(world):
    """Why a session is not there, and when it is tried again."""
    scene = world.bridge([table()], retry_ms=60000, retry_max_ms=60000)
    scene.status.wait_session("connecting", detail="waiting")
    screen = top(world, scene)
    line = screen.wait_line("s", "connecting", "waiting")
    assert 20 < float(line.split()[-3]) <= 60 and line.split()[-2] == "s", line
    screen.wait(lambda lines: [n for n in lines if "  s: " in n and "closed the connection" in n], "no reason")
    os.kill(screen.pid, signal.SIGTERM)
    assert screen.ended() == 0, (screen.status, screen.raw[-3000:])


def test_sizes(world):
    """It fits whatever the terminal becomes, and what does not fit is scrolled to."""
    scene = world.bridge([table(f"t{n:02}", [f"item{n}"]) for n in range(40)]).open()
    screen = top(world, scene, rows=50)
    screen.wait_line("s", "t39", "MERGE", "active")
    screen.resize(20, 60)
    screen.wait(lambda lines: "arrows scroll" in lines[-1] and not any("t39" in n for n in lines), "not resized")
    assert len(screen.text()) == 20
    screen.type("\x1b[6~" * 9)
    screen.wait_line("s", "t39", "MERGE")
    screen.wait_line("lsbridged", "run")
    screen.type("k")
    screen.wait(lambda lines: "(" in lines[-1] and not any("t39" in n for n in lines), "not scrolled")
    screen.resize(3, 10)
    screen.wait(lambda lines: lines[0].startswith("lsbridge"), "nothing in a small one")
    screen.resize(60, 130)
    screen.wait_line("s", "t39", "MERGE", "active")
    screen.type("q")
    assert screen.ended() == 0, (screen.status, screen.raw[-3000:])


def test_the_daemon_goes_and_comes(world):
    """The last picture stays, with a word on it."""
    scene = world.bridge([table()]).open()
    screen = top(world, scene, "--interval", "100")
    screen.wait_line("s", "connected")
    scene.daemon.signal(signal.SIGSTOP)
    screen.wait(lambda lines: "no answer" in lines[-1], "no word on it")
    screen.wait_line("s", "connected")
    scene.daemon.signal(signal.SIGCONT)
    screen.wait(lambda lines: "q quits" in lines[-1], "it did not come back")
    screen.type("q")
    assert screen.ended() == 0, (screen.status, screen.raw[-3000:])


def test_no_terminal(world):
    scene = world.bridge([table()]).open()
    where = ["-e", scene.daemon.control]
    assert "needs a terminal" in run("lsbridgectl", *where, "top", status=1).stderr
    screen = top(world, scene, term="no-such-terminal")
    assert screen.ended() == 1 and b"no-such-terminal" in screen.raw, (screen.status, screen.raw)
    assert "is lsbridged running" in run("lsbridgectl", "-e", f"ipc://{world.path('none')}", "top", status=1).stderr
    run("lsbridgectl", *where, "top", "x", status=64)
    run("lsbridgectl", *where, "status", "--interval", "5", status=64)


def test_json(world):
    """A snapshot an interval: the reply to `status`, with rates."""
    scene = world.bridge([table()]).open()
    argv = command("lsbridgectl", "-e", scene.daemon.control, "top", "--json", "--interval", "300", "--count", "3")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as tool:
        first = json.loads(tool.stdout.readline())
        scene.sim.updates("item1", range(30))
        scene.arrived()
        rest = [json.loads(line) for line in tool.stdout]
    assert tool.returncode == 0 and len(rest) == 2
    assert first["sessions"][0]["rates"]["updates"] == 0.0 and first["interval_ms"] >= 300, first
    assert first["run"] == scene.daemon.must("status")["run"] and "ok" not in first
    seen = sum(n["sessions"][0]["rates"]["updates"] * n["interval_ms"] / 1000 for n in rest)
    whole = rest[-1]["sessions"][0]["counters"]["updates"]
    assert abs(seen - whole) < 1, (seen, whole, rest)
    assert set(rest[0]["tables"][0]["rates"]) == {"updates", "messages"} and "messages" in rest[0]["rates"]
    assert set(rest[0]["sessions"][0]["rates"]) == {"updates", "messages", "bytes_received", "bytes_sent"}
    done = run("lsbridgectl", "-e", scene.daemon.control, "top", "--json", "--interval", "50", "--seconds", "1")
    assert len(done.stdout.splitlines()) > 3
