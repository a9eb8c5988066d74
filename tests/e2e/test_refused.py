"""Servers that say no, names that do not resolve, answers that are no HTTP: said in words that name the setting, retried where that
makes sense."""

import os

from bridge import session, table
from proxy import Answerer


def alone(world, url, transport, **settings):
    """A daemon with one session to URL, and its status."""
    daemon = world.daemon([session(url, [table()], transport=transport, **settings)])
    return daemon, world.status(daemon.status_endpoint)


def refused(status, **keys):
    last = status.wait_session("disconnected", detail="refused", **keys)
    assert 300000 <= last["retry_in_ms"] <= 375000, last  # after retry_refused_ms, with jitter
    assert last["reason"]
    return last


def waiting(status, words, **keys):
    last = status.wait_session("connecting", detail="waiting", where=lambda m: words in m.get("reason", ""), **keys)
    assert last["retry_in_ms"] <= 1000, last
    return last


def test_wrong_credentials(world, transport):
    scene = world.bridge([table()], options=["--user", "me:right"], user="me", password="wrong")
    scene.sim.open_door()
    last = refused(scene.status, code=1)
    assert last["reason"] == "User/password check failed"
    scene.sim.wait_event("refused")
    assert scene.sim.count("refused") == 1


def test_credentials_that_need_encoding(world, transport):
    """Field note 13: a + is no blank."""
    scene = world.bridge([table()], options=["--user", "m e+&=%é:p+ ss:w|rd&x=%41\r\n"], user="m e+&=%é",
                         password="p+ ss:w|rd&x=%41\r\n").open()  # fmt: skip
    assert scene.sim.all("session")[0]["user"] == "m e+&=%é"


def test_password_file_is_read_anew(world, transport):
    """Field note 11: credentials that change while the daemon runs."""
    path = world.file("password", "old\n")
    scene = world.bridge([table()], options=["--user", "me:new"], user="me", password_file=path)
    scene.sim.open_door()
    refused(scene.status, code=1)
    world.file("password", "new\nsecond line\n")
    scene.daemon.must("connect", session="s")
    scene.status.wait_session("connected")


def test_password_file_that_is_gone(world):
    path = world.file("password", "x")
    scene = world.bridge([table()], user="me", password_file=path)
    os.unlink(path)
    last = waiting(scene.status, "password_file")
    assert path in last["reason"]
    world.file("password", "x")
    scene.sim.open_door()
    scene.status.wait_session("connected")


def test_password_files_that_are_none(world):
    """A FIFO must not keep the daemon waiting; a password is not cut at a NUL."""
    fifo = world.path("fifo")
    os.mkfifo(fifo)
    scene = world.bridge([table()], user="me", password_file=fifo)
    scene.sim.open_door()
    assert "not a regular file" in waiting(scene.status, "password_file")["reason"]
    os.unlink(fifo)
    world.file("fifo", "right\0wrong\n")
    assert "U+0000" in waiting(scene.status, "U+0000")["reason"]
    assert not scene.sim.requests("create_session")


def test_unknown_adapter_set(world, transport):
    scene = world.bridge([table()], adapter_set="NO_SUCH_SET")
    scene.sim.open_door()
    assert refused(scene.status, code=2)["reason"] == "Requested Adapter Set not available"
    scene.daemon.must("connect", session="s")
    scene.status.wait_session("disconnected", count=2)
    scene.sim.wait_event("refused", 2)
    assert scene.sim.count("refused") == 2


def test_refused_is_tried_again_after_its_time(world, transport):
    scene = world.bridge([table()], adapter_set="NO_SUCH_SET", retry_refused_ms=100)
    scene.sim.open_door()
    scene.sim.wait_event("refused", 3)
    assert all(100 <= m["retry_in_ms"] <= 125 for m in scene.status.select(detail="refused"))


def test_refused_for_ever(world):
    scene = world.bridge([table()], adapter_set="NO_SUCH_SET", retry_refused_ms=0)
    scene.sim.open_door()
    last = scene.status.wait_session("disconnected", detail="refused")
    assert "retry_in_ms" not in last


def test_codes_on_create(world, transport):
    """Which codes are worth another try."""
    scene = world.bridge([table()], retry_max_ms=100)
    for code in [5, 6, 7, 8, 9, 10, 68, 123]:
        scene.sim.say(f"refuse create {code} 1 busy")
        waiting(scene.status, "busy", code=code)
    for code in [1, 2, 11, 64, 66, 67, 70, -5]:
        scene.sim.say(f"refuse create {code} 1 no")
        scene.daemon.must("connect", session="s")
        last = refused(scene.status, code=code)
        assert last["reason"] == "no"


def test_no_version_of_the_protocol(world, transport):
    """60, 65 and 71: down the versions, and refused when none is left."""
    scene = world.bridge([table()])
    scene.sim.say("refuse create 71 always too new")
    assert refused(scene.status, code=71)["reason"] == "too new"


def test_end_that_somebody_meant(world, transport):
    scene = world.bridge([table()]).open()
    for n, code in enumerate([31, 35, 40, 0, -7]):
        scene.sim.say(f"end {code} go away")
        refused(scene.status, code=code)
        assert scene.sim.count("session") == n + 1
        scene.daemon.must("connect", session="s")
        scene.sim.wait_event("subscribed", n + 2)


def test_wrong_node(world, transport):
    """Five times without a stable session, then it is the balancer's fault."""
    scene = world.bridge([table()])
    scene.sim.say("refuse create 21 always wrong node")
    last = refused(scene.status, code=21)
    assert "affinity" in last["reason"] or "balancer" in last["reason"], last


def test_http_statuses(world):
    world.transport = "http-streaming"
    scene = world.bridge([table()])
    for status in [500, 503, 429, 408]:
        scene.sim.say(f"refuse create http {status} 1")
        waiting(scene.status, str(status), code=status)
    for status in [404, 403, 400]:
        scene.sim.say(f"refuse create http {status} 1")
        scene.daemon.must("connect", session="s")
        assert str(status) in refused(scene.status, code=status)["reason"]


def answered(world, answer, transport, **options):
    server = world.keep(Answerer(answer, **options))
    return (server, *alone(world, server.url, transport, connect_ms=500))


def test_redirect(world, transport):
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/lightstreamer\r\nContent-Length: 0\r\n\r\n"
    _, _, status = answered(world, answer, transport)
    last = refused(status, code=302)
    assert "elsewhere.example" in last["reason"], last


def test_not_found(world, transport):
    _, _, status = answered(world, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", transport)
    assert "404" in refused(status, code=404)["reason"]


def test_server_error(world, transport):
    _, _, status = answered(world, b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", transport)
    waiting(status, "500", code=500)


def test_no_http_at_all(world, transport):
    _, _, status = answered(world, b"SSH-2.0-OpenSSH_9.2\r\n", transport)
    waiting(status, "not HTTP")


def test_nothing_said(world, transport):
    _, _, status = answered(world, b"", transport, keep=True)
    waiting(status, "connect_ms")


def test_response_that_is_no_stream(world):
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\r\n<title>Welcome</title>\r\n"
    _, daemon, status = answered(world, answer, "http-streaming")
    waiting(status, "a web page")
    assert "<html>" in daemon.log()


def test_connection_refused(world, transport):
    """The address is said, and what is wrong with it."""
    sim = world.sim()
    sim.say("listen off")
    _, status = alone(world, sim.url, transport)
    last = waiting(status, f"127.0.0.1:{sim.port}")
    assert "refused" in last["reason"].lower() and "url" in last["reason"], last


def test_name_that_does_not_resolve(world, transport):
    _, status = alone(world, "http://no-such-host.invalid:80", transport)
    last = waiting(status, "no-such-host.invalid")
    assert "does not resolve" in last["reason"] and "url" in last["reason"], last


def test_table_that_is_refused(world, transport):
    """Field note 9: failed with code and reason; the others live on; asked for again."""
    tables = [
        table("good"),
        table("adapter", ["item2"], data_adapter="NO_SUCH_ADAPTER", retry_failed_ms=150),
        table("items", ["no-such-item"], retry_failed_ms=0),
        table("fields", ["item3"], ["no-such-field"]),
        table("mode", ["item4"], ["a", "b"], mode="COMMAND"),
    ]
    scene = world.bridge(tables)
    scene.sim.open_door()
    for name, code in [("adapter", 17), ("items", 21), ("fields", 23), ("mode", 15)]:
        failed = scene.status.wait_table("failed", f"s/{name}", code=code)
        assert failed["reason"], failed
    scene.status.wait_table("active", "s/good")
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.status.wait_table("failed", "s/adapter", count=4)
    assert len(scene.status.select(topic="table/s/items", state="failed")) == 1
    assert scene.continuities() == ["new"]


def test_table_that_is_refused_once(world, transport):
    """Active as soon as the server takes it."""
    scene = world.bridge([table(retry_failed_ms=100)])
    scene.sim.say("refuse control 21 1 not yet")
    scene.sim.open_door()
    scene.status.wait_table("failed", code=21, reason="not yet")
    scene.status.wait_table("active")
    scene.sim.updates("item1", range(5))
    scene.arrived()


def test_table_that_the_server_has_no_time_for(world, transport):
    scene = world.bridge([table()])
    scene.sim.say("refuse control 68 2 busy")
    scene.open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    assert not scene.status.select(topic="table/s/t", state="failed")


def test_table_that_the_server_ends(world, transport):
    """UNSUB: a gap, then failed."""
    scene = world.bridge([table(), table("u", ["item2"])]).open()
    scene.sim.updates("item1", range(5))
    scene.sim.say("unsubscribe 1")
    scene.status.wait_table("failed", "s/t")
    gap = scene.consumer.wait(type="gap", table="t")
    assert gap["seq"] == 6 and "unsubscribed" in gap["reason"], gap
    scene.sim.updates("item2", range(5))
    scene.consumer.wait(table="u", count=5)


def test_counts_that_do_not_fit(world, transport):
    """A SUBOK with other counts than the names configured: the table fails, nothing is published under wrong names."""
    scene = world.bridge([table(), table("u", ["item2"])])
    scene.sim.say("subok 1 3")
    scene.sim.open_door()
    failed = scene.status.wait_table("failed", "s/t")
    assert "fields" in failed["reason"], failed
    scene.sim.wait_event("unsubscribed")
    scene.sim.updates("item1", range(5))
    scene.sim.updates("item2", range(5))
    scene.consumer.wait(table="u", count=5)
    assert not scene.consumer.live(table="t")


def test_session_lost_by_a_request(world, transport):
    """REQERR 20."""
    scene = world.bridge([table()]).open()
    scene.sim.updates("item1", range(3))
    scene.arrived()
    scene.sim.say("refuse control 20 1 gone")
    scene.tables.append(table("u", ["item2"]))
    assert scene.daemon.reload([scene.session()])["ok"]
    scene.sim.wait_event("session", 2)
    scene.sim.wait_subscribed("item2")
    scene.sim.updates("item2", range(3))
    scene.consumer.wait(table="u", count=3)
    assert scene.consumer.select(type="gap", table="t")
