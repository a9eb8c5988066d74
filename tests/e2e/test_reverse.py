"""Behind a real nginx: one that keeps streams back, one that lets them through, one that cuts them; its own answers, redirects,
compression, and TLS that offers HTTP/2."""

import os
import select

import proxy
from bridge import session, table
from expect import arrived
from parts import THROUGH, THROUGH_MAP
from process import wait_until

BUFFERS = "location / { proxy_pass http://127.0.0.1:SIM; proxy_buffering on; }"
STREAMS = "location / { proxy_pass http://127.0.0.1:SIM; proxy_buffering off; }"
ALL = f"location / {{ proxy_pass http://127.0.0.1:SIM; {THROUGH} }}"


class Behind:
    """A daemon with one session whose server is nginx; SERVER: nginx's settings for it, HTTP: for all, LISTEN: for its port."""

    def __init__(self, world, server, http="", listen="", **settings):
        self.sim = world.sim(door="open")
        self.nginx = world.nginx(server.replace("SIM", str(self.sim.port)), http=THROUGH_MAP + http, listen=listen)
        self.daemon = world.daemon([session(self.nginx.url, [table()], **settings)])
        self.consumer = world.consumer(self.daemon.data).ready()
        self.status = world.status(self.daemon.status_endpoint)
        self.sent = []

    def connected(self, detail):
        """Returns the report."""
        last = self.status.wait_session("connected", detail=detail)
        self.status.wait_table("active")
        return last

    def send(self, numbers):
        self.sent += [str(n) for n in numbers]
        self.sim.updates("item1", numbers)
        return self

    def arrived(self):
        def values():
            return [m["fields"]["a"] for m in self.consumer.select(item="item1") if "fields" in m]

        wait_until(lambda: values() == self.sent, lambda: f"{self.sent}: {values()}")
        assert not self.consumer.select(type="gap")
        assert self.sim.count("session") == 1


# --- what gets through ---


def test_one_that_keeps_streams_back(world):
    """No WebSocket, no stream: polls, by themselves, and the reason is told."""
    scene = Behind(world, BUFFERS, transport="auto", connect_ms=700, idle_ms=300)
    why = scene.connected("http-polling")["reason"]
    assert "no ws-streaming: " in why and "400" in why and "no http-streaming: " in why and "time is up" in why, why
    assert scene.daemon.session()["reason"] == why
    scene.send(range(10)).arrived()
    scene.sim.say("swallow 1")
    scene.send(range(10, 20)).arrived()


def test_one_that_knows_no_websocket(world):
    scene = Behind(world, STREAMS, transport="auto")
    why = scene.connected("http-streaming")["reason"]
    assert "no ws-streaming: " in why and "400" in why and "no http-streaming" not in why, why
    scene.send(range(10)).arrived()
    scene.sim.say("loop", "wait bound")
    scene.send(range(10, 20)).arrived()


def test_one_that_lets_all_through(world):
    for transport in ("auto", "ws-polling", "http-streaming"):
        scene = Behind(world, ALL, transport=transport, idle_ms=300)
        last = scene.connected("ws-streaming" if transport == "auto" else transport)
        assert "reason" not in last, last
        scene.send(range(10)).arrived()
        scene.sim.say("loop", "wait bound")
        scene.send(range(10, 20)).arrived()


def test_one_without_patience(world, transport):
    """proxy_read_timeout below the keep-alive: cut again and again, and nothing is lost."""
    scene = Behind(world, ALL.replace("{ ", "{ proxy_read_timeout 600ms; ", 1), transport=transport)
    scene.connected(transport)
    for n in range(2):
        scene.send(range(n * 10, n * 10 + 10)).arrived()
        scene.status.wait_session("connected", continuity="recovered", count=n + 1)
    scene.send(range(20, 30)).arrived()


def test_one_that_closes_connections(world):
    """After every request, or soon: that is no fault."""
    for keep in ("keepalive_requests 1;", "keepalive_timeout 50ms;"):
        scene = Behind(world, keep + ALL, transport="http-polling", idle_ms=50, polling_ms=100)
        scene.connected("http-polling")
        for n in range(5):
            scene.send(range(n * 10, n * 10 + 10)).arrived()
        for n in range(5):
            scene.daemon.must("reconf", session="s", table="t", max_frequency=10 + n)
        counters = scene.daemon.session()["counters"]
        assert counters["faults"] == 0, counters


class Dropper(proxy.Proxy):
    """Once told to, it takes an answer of the server's, and closes the connection instead of handing it on."""

    drop = False

    def pump(self, pair):
        client, server = pair
        try:
            while not self.over.is_set() and pair in self.pairs:
                for source in select.select(pair, [], [], 0.02)[0]:
                    data = source.recv(65536)
                    if not data or (source is server and self.drop):
                        self.drop = self.drop and not data
                        return
                    (server if source is client else client).sendall(data)
        except (OSError, ValueError):
            pass


def test_an_answer_that_never_arrives(world):
    """A poll whose answer, head and all, gets lost is not simply repeated: the server would take what was in it for read."""
    sim = world.sim()
    nginx = world.nginx(BUFFERS.replace("SIM", str(sim.port)))
    dropper = world.keep(Dropper(nginx.port))
    daemon = world.daemon([session(dropper.url, [table()], transport="http-polling", idle_ms=200)])
    consumer = world.consumer(daemon.data).ready()
    sim.open_door()
    daemon.wait_table("active")
    for n in range(2):
        polls = sim.count("bound")
        wait_until(lambda: sim.count("bound") >= polls + 3, "polls on one connection")
        dropper.drop = True
        sim.updates("item1", range(n * 10, n * 10 + 10))
        wait_until(lambda: not dropper.drop, "the loss of an answer")
        arrived(sim, consumer, [table()])
    assert not consumer.select(type="gap") and sim.count("session") == 1


# --- its own answers ---


def test_server_down(world):
    """502, and back-off until it is there."""
    for transport in ("ws-streaming", "http-streaming", "http-polling"):
        sim = world.sim(door="open")
        sim.say("listen off")
        nginx = world.nginx(ALL.replace("SIM", str(sim.port)), http=THROUGH_MAP)
        daemon = world.daemon([session(nginx.url, [table()], transport=transport)])
        status = world.status(daemon.status_endpoint)
        last = status.wait_session("connecting", detail="waiting")
        assert last["code"] == 502 and "502" in last["reason"], last
        sim.say("listen on")
        status.wait_session("connected", detail=transport)


def test_down_while_connected(world, transport):
    """The session lives on behind a proxy that says 503 or 504 for a while."""
    for status in (503, 504):
        scene = Behind(world, "set $down 0; if (-f FOLDER/down) { set $down 1; } if ($down) { return STATUS; }"
                       .replace("FOLDER", world.folder).replace("STATUS", str(status)) + ALL, transport=transport)  # fmt: skip
        scene.connected(transport)
        scene.send(range(5)).arrived()
        down = world.file("down", "")
        scene.sim.say("cut")
        scene.status.wait_session("reconnecting", code=status)
        scene.send(range(5, 10))
        os.unlink(down)
        scene.arrived()
        scene.status.wait_session("connected", continuity="recovered")


def refused(world, server, transport, code, *words):
    scene = Behind(world, server, transport=transport)
    last = scene.status.wait_session("disconnected", detail="refused")
    assert last["code"] == code and all(w in last["reason"] for w in (str(code), *words)), last
    assert 300000 <= last["retry_in_ms"] <= 375000
    said = scene.daemon.log() + str(scene.status.messages)
    assert "secret" not in said and not scene.sim.all("request"), said


def test_redirects(world, transport):
    """Refused, with a word on where to, without what may be a secret in it."""
    for code in (301, 302, 307, 308):
        to = "https://me:secret@elsewhere.example:8443/other?token=secret#secret"
        refused(world, f"return {code} {to};", transport, code, "a redirect to https://elsewhere.example:8443/other (url)")
    refused(world, "return 302 /here;", transport, 302, "/here")


def test_answers_that_refuse(world, transport):
    for code in (401, 403, 404, 410):
        refused(world, f"return {code};", transport, code)


def test_requests_too_large(world):
    refused(world, "client_max_body_size 10; " + ALL, "http-streaming", 413)


# --- compression, HTTP/2 ---

GZIP = " gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;"


def test_compressed(world):
    """What is compressed comes out at once, and whole."""
    for transport in ("http-streaming", "http-polling"):
        scene = Behind(world, ALL, GZIP, transport=transport, idle_ms=300)
        scene.connected(transport)
        for size in (1, 1000, 100000):
            scene.sim.update("item1", a="x" * size)
            scene.sent.append("x" * size)
            scene.arrived()
        scene.sim.say("swallow 2")
        scene.send(range(10)).arrived()
        wait_until(lambda: "POST /lightstreamer/bind_session.txt" in scene.nginx.access(), "an access")
        assert ' 200 gzip "' in scene.nginx.access() and "gzip" in scene.nginx.access(), scene.nginx.access()


def test_compressed_and_kept_back(world):
    """Many proxies hold on to what they compress: polls."""
    scene = Behind(world, BUFFERS, GZIP, transport="http", connect_ms=700, idle_ms=300)
    scene.connected("http-polling")
    scene.send(range(10)).arrived()


def test_http_2_on_offer(world):
    """TLS whose ALPN prefers h2: neither streams nor WebSockets take it."""
    certificate, key = world.certificates.make("nginx")
    tls = f" ssl_certificate {certificate}; ssl_certificate_key {key};"
    for transport in ("ws-streaming", "ws-polling", "http-streaming", "http-polling"):
        scene = Behind(world, ALL, tls, "ssl http2", transport=transport, idle_ms=300, ca_file=world.certificates.ca)
        scene.connected(transport)
        scene.send(range(10)).arrived()
        scene.sim.say("swallow 2")
        scene.send(range(10, 20)).arrived()
        wait_until(lambda: "HTTP/1.1 200" in scene.nginx.access(), "an access")
        assert "HTTP/2" not in scene.nginx.access(), scene.nginx.access()
