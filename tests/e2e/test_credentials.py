"""`credentials_command`: run anew for every session, without stopping the loop; its output is nowhere, its stderr in the log."""

import os
import time

from bridge import session, table
from process import wait_until


def script(world, text, name="credentials"):
    return f"/bin/sh {world.file(name, text)}"


def bridge(world, command, user="me:s3cret-word", **more):
    return world.bridge([table()], options=["--user", user], credentials_command=command, **more)


def test_user_and_password(world, transport):
    command = script(world, """echo 'about to look' >&2\necho '{"user":"me","password":"s3cret-word"}'\n""")
    scene = bridge(world, command).open()
    scene.sim.updates("item1", range(3))
    scene.arrived()
    scene.daemon.wait_log("s: credentials_command: about to look")
    assert "s3cret-word" not in scene.daemon.log()
    assert "s3cret-word" not in str(scene.daemon.must("status")) + str(scene.daemon.must("config"))


def test_read_anew_and_once_more_after_an_expiry(world, transport):
    """The session ends, and the first credentials that are read then are refused: they are read again before the session is."""
    path = f"{world.file('unused', '')}.old"
    command = script(world, f"""p=s3cret-word; [ -e {path} ] && rm {path} && p=old
printf '{{"user":"me","password":"%s"}}' $p\n""")
    scene = bridge(world, command).open()
    world.file("unused.old", "")
    scene.sim.say("end 41 expired")
    scene.status.wait_session("connecting", detail="waiting", code=1)
    scene.status.wait_session("connected", count=2)
    assert scene.sim.count("refused") == 1 and not os.path.exists(path)


def test_refused_the_second_time(world, transport):
    path = world.file("password", "s3cret-word")
    scene = bridge(world, script(world, f"""printf '{{"user":"me","password":"%s"}}' $(cat {path})\n""")).open()
    world.file("password", "other")
    scene.sim.say("end 41 expired")
    scene.status.wait_session("disconnected", detail="refused", code=1)
    assert scene.sim.count("refused") == 2
    world.file("password", "s3cret-word")
    scene.daemon.must("connect", session="s")
    scene.status.wait_session("connected", count=2)


def test_a_failing_command_is_a_failed_connection(world):
    path = world.file("state", "broken")
    command = script(world, f"""grep -q good {path} && exec echo '{{"user":"me","password":"s3cret-word"}}'
echo s3cret-word\necho 'no token' >&2\nexit 7\n""")
    scene = bridge(world, command)
    scene.sim.open_door()
    waiting = scene.status.wait_session("connecting", detail="waiting", count=2)
    assert waiting["reason"] == "credentials_command ended with exit status 7" and waiting["retry_in_ms"] <= 1000, waiting
    scene.daemon.wait_log("credentials_command: no token")
    world.file("state", "good")
    scene.status.wait_session("connected")
    assert "s3cret-word" not in scene.daemon.log()


def test_others_go_on_while_a_command_hangs(world):
    """And the daemon ends without waiting for it, taking it along."""
    sim = world.sim()
    path = world.file("pid", "")
    sessions = [
        session(sim.url, [table()], name="hangs", credentials_command=f"echo $$ >{path}; sleep 1000; true"),
        session(sim.url, [table()], name="works"),
    ]
    daemon = world.daemon(sessions)
    sim.open_door()
    daemon.wait_state("connected", "works")
    assert daemon.session("hangs")["state"] == "connecting"
    pid = wait_until(lambda: open(path, encoding="ascii").read().strip(), lambda: "the command does not run")
    before = time.monotonic()
    daemon.stop()
    assert time.monotonic() - before < 5
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), lambda: "the command outlives the daemon")
