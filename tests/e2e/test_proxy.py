"""Through real proxies: tinyproxy (requests as they are, and tunnels by CONNECT) and a SOCKS5 server, to servers with TLS and without,
by every transport; proxies that refuse, want other credentials, or are not there."""

import base64

from bridge import session, table
from process import wait_until
from proxy import Answerer

TRANSPORTS = ("ws-streaming", "ws-polling", "http-streaming", "http-polling")
USER = "operator:pass%2Eword"  # as it stands in a URL
PLAIN_USER = "operator:pass.word"


def values(consumer, name):
    return [m["fields"]["a"] for m in consumer.select(session=name) if "fields" in m]


class Through:
    """One daemon with a session for each transport, all by way of PROXY to one simulator, with TLS in front of it or without."""

    def __init__(self, world, proxy, tls, transports=TRANSPORTS, **settings):
        self.sim = world.sim(door="open")
        self.port, scheme = self.sim.port, "http"
        if tls:
            front = world.proxy(self.sim.port, tls=world.certificates.context("server"))
            settings, self.port, scheme = {"ca_file": world.certificates.ca}, front.port, "https"
        sessions = [
            session(f"{scheme}://127.0.0.1:{self.port}", [table()], name=t, transport=t, proxy=proxy, idle_ms=500, **settings)
            for t in transports
        ]
        self.transports = transports
        self.daemon = world.daemon(sessions)
        self.consumer = world.consumer(self.daemon.data).ready()
        self.status = world.status(self.daemon.status_endpoint)

    def works(self):
        """Everything arrives, once and in order, through several rebinds and a recovery."""
        for t in self.transports:
            self.status.wait_session("connected", name=t, detail=t)
            self.status.wait_table("active", f"{t}/t")
        self.sim.updates("item1", range(10))
        self.sim.say("loop", "wait drained")
        self.sim.updates("item1", range(10, 20))
        self.sim.say("swallow 2")
        self.sim.updates("item1", range(20, 30))
        self.sim.say("wait drained")
        for t in self.transports:
            expected = [str(n) for n in range(30)]
            wait_until(lambda: values(self.consumer, t) == expected, lambda: f"all of {t}: {values(self.consumer, t)}")
            self.status.wait_session("connected", name=t, continuity="recovered")
        assert not self.consumer.select(type="gap")
        # Control requests of their own, too.
        self.daemon.must("reconf", session=self.transports[-1], table="t", max_frequency=5)

    def hides(self, *secrets):
        """No secret in what is said anywhere."""
        said = self.daemon.log() + str(self.status.messages) + str(self.daemon.ask("config")) + str(self.daemon.ask("status"))
        for secret in secrets:
            assert secret not in said, secret


def through_http(world, tls):
    proxy = world.tinyproxy(user=PLAIN_USER)
    scene = Through(world, f"http://{USER}@{proxy.address}", tls)
    scene.works()
    scene.hides("operator", "pass%2Eword", "pass.word")
    if tls:
        assert proxy.posts("") == 0
        return
    # Each request that was made for HTTP is the proxy's; WebSockets went through tunnels.
    for name in ("control", "create_session", "bind_session"):
        wait_until(lambda: 0 < proxy.posts(name) == scene.sim.count("request", name=name, transport="http"), f"all {name}")
    assert proxy.tunnels() >= 2


def test_http(world):
    through_http(world, tls=False)


def test_https_by_connect(world):
    through_http(world, tls=True)


def through_socks(world, tls, scheme):
    proxy = world.socks(user=PLAIN_USER)
    scene = Through(world, f"{scheme}://{USER}@{proxy.address}", tls)
    scene.works()
    scene.hides("operator", "pass%2Eword", "pass.word")
    connections = {e["connection"] for e in scene.sim.all("request")}
    assert proxy.connections() >= len(connections), (proxy.connections(), connections)


def test_socks(world):
    through_socks(world, False, "socks5")


def test_socks_and_tls(world):
    through_socks(world, True, "socks5h")


def test_a_proxy_with_tls(world):
    """TLS to the proxy, and within it TLS to the server or none; values of many records."""
    proxy = world.tinyproxy(user=PLAIN_USER)
    front = world.proxy(proxy.port, tls=world.certificates.context("proxy"))
    address = front.url.replace("://", f"://{USER}@")
    for tls in (False, True):
        scene = Through(world, address, tls, ca_file=world.certificates.ca)
        for t in scene.transports:
            scene.status.wait_table("active", f"{t}/t")
        sent = ["x" * size for size in [1, 100, 16383, 16384, 300000, 5]]
        for value in sent:
            scene.sim.update("item1", a=value)
        for t in scene.transports:
            wait_until(lambda: values(scene.consumer, t) == sent, lambda: f"all of {t}")
        scene.hides("operator", "pass.word", "pass%2Eword")


def test_a_proxy_whose_certificate_is_refused(world):
    for options in ({"authority": False}, {"subject": "IP:127.0.0.2"}):
        front = world.proxy(1, tls=world.certificates.context(f"proxy{len(options)}", **options))
        for tls in (False, True):
            told(world, front.url, ["the proxy's certificate is refused"], tls=tls, ca_file=world.certificates.ca)


def test_names_in_other_alphabets(world):
    """Punycode goes out, whatever the locale; and an @ in a password is one."""
    answerer = world.keep(Answerer(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    address = answerer.url.replace("://", "://me:p@ss@")
    url = "http://m\u00fcnchen.example"
    daemon = world.daemon([session(url, [table()], transport="http-polling", proxy=address)], environment={"LC_ALL": "C"})
    daemon.wait_state("connecting", detail="waiting", code=503)
    head = answerer.requests[0]
    assert head.startswith(b"POST http://xn--mnchen-3ya.example/lightstreamer/create_session.txt"), head
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in head, head
    assert "p@ss" not in daemon.log() and "xn--mnchen-3ya.example:80" in daemon.session()["reason"]


def test_a_proxy_whose_name_does_not_resolve(world):
    for scheme in ("http", "socks5", "socks5h"):
        told(world, f"{scheme}://{USER}@proxy.invalid:1", ["name of the proxy"], "connecting", "waiting")


# --- proxies that do not want ---


PAIR = ("ws-streaming", "http-streaming")


def told(world, proxy, words, state="disconnected", detail="refused", tls=False, transports=PAIR, **settings):
    scene = Through(world, proxy, tls, transports, **settings)
    for t in transports:
        last = scene.status.wait_session(state, name=t, detail=detail)
        assert all(w in last["reason"] for w in ("proxy", *words)), last
        assert "pass" not in last["reason"] and "operator" not in last["reason"], last
    scene.hides("operator", "wrong", "pass.word", "pass%2Eword")
    assert not scene.sim.all("request")
    return scene


def test_credentials_that_are_wrong(world):
    """tinyproxy then says 401 as if it were the server: which is the proxy's only where a tunnel was asked for."""
    proxy = world.tinyproxy(user=PLAIN_USER)
    told(world, f"http://operator:wrong@{proxy.address}", ["credentials", "401", proxy.address], tls=True)
    told(world, f"http://operator:wrong@{proxy.address}", ["the server or the proxy", "401", proxy.address], transports=["http"])


def test_credentials_that_are_missing(world):
    proxy = world.tinyproxy(user=PLAIN_USER)
    for tls in (False, True):
        last = told(world, proxy.address, ["credentials", proxy.address], tls=tls).daemon.session("ws-streaming")
        assert last["code"] == 407, last


def test_socks_credentials(world):
    proxy = world.socks(user=PLAIN_USER)
    told(world, f"socks5://operator:wrong@{proxy.address}", ["credentials", proxy.address], "connecting", "waiting")
    told(world, f"socks5h://{proxy.address}", ["credentials", proxy.address], "connecting", "waiting")


def test_a_proxy_that_is_dead(world):
    for scheme in ("http", "socks5"):
        told(world, f"{scheme}://{USER}@127.0.0.1:1", ["cannot connect to the proxy", "127.0.0.1:1"], "connecting", "waiting")


def test_a_proxy_that_comes_back(world):
    """Dead while the session lives: a recovery through the next one."""
    front = world.proxy(world.tinyproxy().port)
    scene = Through(world, front.url, False)
    for t in scene.transports:
        scene.status.wait_table("active", f"{t}/t")
    scene.sim.updates("item1", range(5))
    front.refusing = True
    front.cut()
    for t in scene.transports:
        scene.status.wait_session("reconnecting", name=t, detail="recovering")
    scene.sim.updates("item1", range(5, 10))
    front.refusing = False
    for t in scene.transports:
        expected = [str(n) for n in range(10)]
        wait_until(lambda: values(scene.consumer, t) == expected, lambda: f"all of {t}: {values(scene.consumer, t)}")
    assert not scene.consumer.select(type="gap")


def test_a_proxy_without_tunnels(world):
    """CONNECT is refused: no WebSocket, but HTTP, and the reason is told."""
    proxy = world.tinyproxy(tunnels=[443])
    told(world, proxy.address, ["tunnel", "403", proxy.address], transports=["ws-streaming"])
    told(world, proxy.address, ["tunnel", "403", proxy.address], tls=True)
    scene = Through(world, proxy.address, False, ["auto"])
    last = scene.status.wait_session("connected", name="auto", detail="http-streaming")
    assert last["continuity"] == "new", last
    scene.daemon.wait_log("auto: connecting, http-streaming: .*the proxy refused the tunnel")


def test_a_server_that_the_proxy_cannot_reach(world):
    proxy = world.tinyproxy()
    sim = world.sim(door="open")
    sim.say("listen off")
    sessions = [session(sim.url, [table()], name=t, transport=t, proxy=proxy.address) for t in TRANSPORTS]
    by_socks = world.socks().address
    sessions += [session(sim.url, [table()], name="socks", transport="http-polling", proxy=f"socks5h://{by_socks}")]
    daemon = world.daemon(sessions)
    status = world.status(daemon.status_endpoint)
    for t in TRANSPORTS:
        last = status.wait_session("connecting", name=t, detail="waiting")
        assert last["code"] in (500, 502, 503, 504) and proxy.address in last["reason"], last
    last = status.wait_session("connecting", name="socks", detail="waiting")
    assert f"through {by_socks}: the proxy refused: the server's port is closed" in last["reason"], last
    sim.say("listen on")
    for name in (*TRANSPORTS, "socks"):
        status.wait_session("connected", name=name)
