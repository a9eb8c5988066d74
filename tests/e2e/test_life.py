"""The daemon itself: start, stop, signals, what systemd is told, what is kept secret."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import zmq

from bridge import configuration, session, table
from expect import arrived, sent_by
from process import PATIENCE_S, command, run, wait_until


def test_stop(world, transport):
    """SIGTERM: sessions destroyed on their servers, gaps and last states published, status 0 within linger_ms."""
    scene = world.bridge([table("t", ["item1", "item2"], ["a"]), table("u", ["item3"])]).open()
    scene.sim.update("item1", a="1")
    scene.sim.update("item3", a="1")
    scene.arrived()
    begun = time.monotonic()
    assert scene.daemon.stop() == 0
    assert time.monotonic() - begun < 3
    assert scene.sim.wait_event("ended")["cause"] == "destroyed"
    # Items that had messages get a gap, the other one none.
    gaps = [scene.consumer.wait(type="gap", count=n + 1) for n in range(2)]
    assert {g["item"] for g in gaps} == {"item1", "item3"} and {g["seq"] for g in gaps} == {2}
    last = scene.status.wait_session("disconnected", detail="stopped")
    assert last["reason"], last
    scene.status.wait(topic="bridge", event="stop")
    assert len(scene.gaps()) == 2


def test_stop_in_a_flood(world, transport):
    """Nothing of what was published is lost, and the server is told although it talks all the time."""
    scene = world.bridge([table("t", [f"i{n}" for n in range(20)], ["a", "b"])], options=["--rate", "5000"]).open()
    scene.consumer.wait(count=1000)
    assert scene.daemon.stop() == 0
    assert scene.sim.wait_event("ended")["cause"] == "destroyed"
    scene.consumer.wait(type="gap", count=20)
    for of, lists in sent_by(scene.sim, scene.tables).items():
        got = [m for m in scene.consumer.live(table=of[0], item=of[1]) if m["type"] != "gap"]
        assert [m["fields"] for m in got] == [m["fields"] for m in lists[0][: len(got)]]


def test_interrupt_is_a_stop_too(world):
    scene = world.bridge([table()]).open()
    scene.daemon.signal(signal.SIGINT)
    assert scene.daemon.wait() == 0
    assert scene.sim.wait_event("ended")["cause"] == "destroyed"


def test_stop_when_the_server_does_not_answer(world, transport):
    scene = world.bridge([table()], publisher={"linger_ms": 200}).open()
    scene.sim.signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert scene.daemon.stop() == 0
        assert time.monotonic() - begun < 3
    finally:
        scene.sim.signal(signal.SIGCONT)


def test_stop_while_connecting(world, transport):
    scene = world.bridge([table()])
    scene.sim.say("late create never")
    scene.sim.open_door()
    scene.status.wait_session("connecting", detail=transport)
    assert scene.daemon.stop() == 0


def test_two_signals_and_a_reload_on_the_way_out(world):
    scene = world.bridge([table()]).open()
    scene.daemon.signal(signal.SIGTERM)
    scene.daemon.signal(signal.SIGHUP)
    scene.daemon.signal(signal.SIGTERM)
    assert scene.daemon.wait() == 0


def test_restart_is_a_new_run(world):
    """A consumer stays, and sees it by `run`."""
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    data = scene.daemon.data.removeprefix("ipc://")
    assert scene.daemon.stop() == 0
    again = world.daemon([scene.session()], publisher={"endpoints": [f"ipc://{data}"]})
    scene.consumer.wait(type="replayed", count=2)
    scene.sim.wait_event("subscribed", 2)
    scene.sim.updates("item1", range(5))
    again.wait_state("connected", continuity="new")
    scene.consumer.wait(where=lambda m: len({x["run"] for x in scene.consumer.live()}) == 2 and m.get("seq") == 5, count=2)
    runs = [m["run"] for m in scene.consumer.live()]
    assert len(set(runs)) == 2 and re.fullmatch("[0-9a-f]{16}", runs[0])


def test_systemd_is_told(world):
    """READY once the sockets are bound, STATUS, WATCHDOG in time, RELOADING, STOPPING."""
    notify = world.notify()
    sim = world.sim()
    # WATCHDOG_PID is left out: it would be another's under a wrapper.
    environment = {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "400000"}
    daemon = world.daemon([session(sim.url, [table()])], environment=environment)
    notify.wait("READY=1")
    assert os.path.exists(world.path(f"{daemon.name}.control"))
    notify.wait("STATUS=0 of 1 sessions")
    sim.open_door()
    notify.wait("STATUS=1 of 1 sessions")
    notify.wait("WATCHDOG=1", count=3)
    daemon.hang_up()
    notify.wait("RELOADING=1")
    notify.wait("MONOTONIC_USEC=")
    notify.wait("READY=1", count=2)
    daemon.stop()
    notify.wait("STOPPING=1")
    stopping = notify.messages.index("STOPPING=1")
    assert [m for m in notify.messages[stopping:] if m.startswith("STATUS")] == ["STATUS=Stopping"]


def test_a_watchdog_that_is_no_number(world):
    daemon = world.daemon([session("http://127.0.0.1:1", [table()])], environment={"WATCHDOG_USEC": "soon"})
    daemon.wait_log("warning: WATCHDOG_USEC")
    daemon.wait_bound()


def test_endpoints_in_use_are_named_by_their_setting(world):
    """And systemd is not told that the daemon is ready."""
    notify = world.notify()
    taken = world.daemon([session("http://127.0.0.1:1", [table()])]).data

    def words(**groups):
        failed = world.daemon([session("http://127.0.0.1:1", [table()])], environment={"NOTIFY_SOCKET": notify.path}, **groups)
        assert failed.wait() == 1
        world.processes.remove(failed)
        return failed.log()

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = words(publisher={"endpoints": [f"tcp://127.0.0.1:{port}"]})
    assert f"publisher.endpoints: tcp://127.0.0.1:{port}: Address already in use" in said
    assert f"status.endpoints: {taken}: already in use" in words(status={"endpoints": [taken]})
    assert f"control.endpoints: {taken}: already in use" in words(control={"endpoints": [taken]})
    assert not notify.messages


@contextlib.contextmanager
def started_by(world, shell):
    """A daemon as SHELL starts it; its endpoints are ipc, NAME in the world's folder."""
    sim = world.sim(door="open")
    sockets = {n: {"endpoints": [f"ipc://{world.path(n)}"]} for n in ("publisher", "status", "control")}
    path = world.file("shell.conf", configuration(**sockets, sessions=[session(sim.url, [table()])]))
    argv = ["sh", "-c", shell, "sh", *command("lsbridged", "-c", path, "--log-level", "debug")]
    with subprocess.Popen(argv) as daemon:
        try:
            yield sim, daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0


def test_started_without_standard_files(world):
    """The log must not go into a connection that happens to get the number of stderr."""
    with started_by(world, 'exec "$@" <&- >&- 2>&-') as (sim, daemon):
        consumer = world.consumer(f"ipc://{world.path('publisher')}").ready()
        sim.wait_subscribed("item1")
        sim.updates("item1", range(3))
        consumer.wait(item="item1", count=3)
        opened = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in range(3)]
        assert opened == ["/dev/null"] * 3, opened


def test_more_consumers_than_the_soft_limit_of_files(world):
    """libzmq aborts when it has no file for a consumer over ipc."""
    with started_by(world, 'ulimit -Sn 64; exec "$@" 2>/dev/null') as (sim, daemon):
        context = zmq.Context()
        sockets = [context.socket(zmq.SUB) for _ in range(80)]
        for consumer in sockets:
            consumer.linger = 0
            consumer.subscribe(b"")
            consumer.connect(f"ipc://{world.path('publisher')}")
        for consumer in sockets:
            assert consumer.poll(PATIENCE_S * 1000) and daemon.poll() is None
        context.destroy()


def test_no_descriptor_is_lost(world, transport):
    """Fault after fault, reload after reload: as many open files as before."""
    scene = world.bridge([table()], retry_max_ms=20).open()
    before = scene.daemon.open_files()
    for n in range(10):
        scene.sim.updates("item1", [n])
        scene.sim.say("cut" if n % 2 else "forget")
        scene.arrived()
        scene.daemon.must("reload")
        scene.daemon.wait_state("connected")
    wait_until(lambda: scene.daemon.open_files() <= before + 3, lambda: f"{scene.daemon.open_files()} > {before}")


def test_wrong_command_lines(world):
    for arguments in (["--no-such-option"], ["--log-level", "loud"], ["extra"], ["-c"]):
        assert run("lsbridged", *arguments, status=64).stderr
    assert "lsbridge" in run("lsbridged", "--version").stdout
    assert "--check" in run("lsbridged", "--help").stdout


SECRETS = ["pass-w0rd", "t0ken-value", "url-us3r", "url-p4ss", "proxy-us3r", "proxy-p4ss"]


def test_secrets_are_nowhere(world, transport):
    """Log at debug level, replies, status messages, configuration as printed, process title."""
    path = world.file("password", "pass-w0rd\n")
    sim = world.sim("--user", "me:pass-w0rd")
    other = world.sim(strict=False)  # it is no proxy, though it gets a proxy's requests
    sessions = [
        session(f"http://url-us3r:url-p4ss@127.0.0.1:{sim.port}", [table()], transport=transport, user="me",
                password_file=path, headers=[{"name": "X-Token", "value": "t0ken-value"}]),
        session(sim.url, [table("u")], name="other", transport=transport, user="me", password="pass-w0rd",
                proxy=f"http://proxy-us3r:proxy-p4ss@127.0.0.1:{other.port}", keepalive_ms=500),
        session(sim.url, [table("v")], name="wrong", transport=transport, user="me", password="wr0ng-pass"),
    ]  # fmt: skip
    daemon = world.daemon(sessions)
    consumer = world.consumer(daemon.data).ready()
    status = world.status(daemon.status_endpoint)
    sim.open_door()
    daemon.wait_state("connected")
    daemon.wait_state("disconnected", "wrong")
    sim.update("item1", a="1")
    arrived(sim, consumer, [table()])
    for trouble in ("cut", "forget", "raw CONOK", "end 41"):
        sim.say(trouble)
        status.wait_quiet(0.1)
        daemon.wait_state("connected")
    ids = [e["session"] for e in sim.all("session")]
    assert len(ids) >= 3
    said = [daemon.ask(cmd) for cmd in ("status", "config", "sessions", "tables", "rows", "version", "nonsense")]
    said += [daemon.ask("reload"), daemon.ask("connect", session="pass")]
    said += [m for _, m in consumer.messages + status.messages]
    with open(f"/proc/{daemon.pid}/cmdline", encoding="ascii") as file:
        said.append(file.read())
    said.append(run("lsbridged", "-c", daemon.config_path, "--print-config").stdout)
    daemon.stop()
    said.append(daemon.log())
    text = "\n".join(str(s) for s in said)
    for secret in [*SECRETS, "wr0ng-pass", *ids]:
        at = text.find(secret)
        assert at < 0, (secret, text[max(0, at - 300) : at + 100])
    assert ids[0][-6:] in text  # its last six characters are fine


def test_ill_formed_control_requests_and_log(world):
    """What a client writes does not reach the log as it is."""
    scene = world.bridge([table()])
    client = world.client(scene.daemon.control, zmq.DEALER)
    client.send(b"", b"\x1b[31m\xff\x00")
    client.receive()
    assert "\x1b" not in scene.daemon.log()
