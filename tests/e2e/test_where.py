"""Where requests go: control links in all their forms, several servers behind one address, IPv6."""

import re

from bridge import session, table
from expect import arrived
from parts import THROUGH, THROUGH_MAP, free_port, has_ipv6
from process import wait_until

TRANSPORTS = ("ws-streaming", "http-streaming", "http-polling")


def served(consumer, name):
    return [m["fields"]["a"] for m in consumer.select(session=name, item="item1") if "fields" in m]


class Cluster:
    """Two servers behind one nginx, which takes them in turn; LINKS: each names itself as the control link."""

    def __init__(self, world, links=True, sticky=False, **options):
        ports = [free_port(), free_port()]
        self.sims = [
            world.sim("--port", str(p), *(["--control-link", f"127.0.0.1:{p}"] if links else []), door="open", **options)
            for p in ports
        ]  # fmt: skip
        both = " upstream both { " + " ".join(f"server 127.0.0.1:{p} max_fails=0;" for p in ports) + " }"
        # Once a cookie says which one, it is that one.
        both += " map $cookie_node $where { '' both; default $cookie_node; }"
        cookie = "add_header Set-Cookie node=$upstream_addr always;" if sticky else ""
        self.nginx = world.nginx(f"location / {{ proxy_pass http://$where; {cookie} {THROUGH} }}", http=THROUGH_MAP + both)

    def sessions(self, count=4, **settings):
        """Of every transport as many."""
        return [
            session(self.nginx.url, [table()], name=f"{t}-{n}", transport=t, idle_ms=300, **settings)
            for t in TRANSPORTS for n in range(count)
        ]  # fmt: skip

    def say(self, *lines):
        for sim in self.sims:
            sim.say(*lines)

    def works(self, world, sessions):
        """Every session gets everything, whichever server it is on, through rebinds and recoveries; new ones are spread over both."""
        daemon = world.daemon(sessions)
        consumer = world.consumer(daemon.data).ready()
        status = world.status(daemon.status_endpoint)
        for s in sessions:
            status.wait_table("active", f"{s['name']}/t")
        for n in range(3):
            self.say(*[f"update TEST item1 a={n * 10 + i}" for i in range(5)])
            self.say("wait drained", "loop" if n else "swallow 2")
            self.say(*[f"update TEST item1 a={n * 10 + 5 + i}" for i in range(5)])
            self.say("wait drained")
        expected = [str(n) for n in range(30)]
        for s in sessions:
            name = s["name"]
            wait_until(lambda: served(consumer, name) == expected, lambda: f"all of {name}: {served(consumer, name)}")
        assert not consumer.select(type="gap")
        created = [sim.count("session") for sim in self.sims]
        assert sum(created) == len(sessions) and min(created) >= len(sessions) // 4, created
        return daemon


def test_control_links_of_a_cluster(world):
    """Creates go to the address that was configured; everything else to the server that has the session."""
    cluster = Cluster(world)
    daemon = cluster.works(world, cluster.sessions(2))
    for s in daemon.must("sessions")["sessions"]:
        daemon.must("disconnect", session=s["session"])
    # What went through nginx: creates over HTTP, and WebSockets that were opened to create.
    wait_until(lambda: len(cluster.nginx.access().splitlines()) >= 6, "all accesses")
    for line in cluster.nginx.access().splitlines():
        assert re.match(r"(POST /lightstreamer/create_session.txt|GET /lightstreamer )", line), line
    assert len(cluster.nginx.access().splitlines()) == 6, cluster.nginx.access()


def test_a_cluster_by_cookies(world):
    """No control links: the balancer's cookie keeps a session on its server, WebSockets too."""
    cluster = Cluster(world, links=False, sticky=True)
    cluster.works(world, cluster.sessions(2))


def test_a_cluster_without_affinity(world):
    """Requests reach servers that do not know the session: made anew again and again, and an advice. (A server that knows of the others
    says 21 or 11, which is refused after five times: see test_refused.)"""
    cluster = Cluster(world, links=False, strict=False)
    daemon = world.daemon([session(cluster.nginx.url, [table()], transport="http-streaming", retry_max_ms=50)])
    status = world.status(daemon.status_endpoint)
    last = status.wait_session("connecting", detail="waiting", where=lambda m: "load balancer" in m["reason"])
    assert last["code"] == 20 and "keeps a client on one server" in last["reason"], last


# --- forms of control links ---


def behind(world, link, transport, v6=False, **settings):
    """A server that names LINK, PORT in it being nginx's port, and nginx at that port of every address, with and without a prefix."""
    port = free_port()
    through = f"proxy_pass http://127.0.0.1:{port}/lightstreamer; {THROUGH}"
    places = "".join(f"location {p}/lightstreamer {{ {through} }} " for p in ("", "/deep", "/deep/er"))
    nginx = world.nginx(places + (" listen [::1]:PORT;" if v6 else ""), http=THROUGH_MAP)
    sim = world.sim("--port", str(port), "--control-link", link.replace("PORT", str(nginx.port)), door="open")
    daemon = world.daemon([session(nginx.url, [table()], transport=transport, idle_ms=200, **settings)])
    return sim, nginx, daemon


def went(nginx, request):
    """(host, prefix) of all such requests."""
    found = re.findall(rf'(?m)^\w+ (\S*)/lightstreamer{request}[ ?].* host="([^"]*)"', nginx.access())
    return [(host, prefix) for prefix, host in found]


FORMS = {
    "localhost": ("localhost:PORT", ""),
    "localhost:PORT": ("localhost:PORT", ""),
    "127.0.0.1": ("127.0.0.1:PORT", ""),
    "127.0.0.1/deep": ("127.0.0.1:PORT", "/deep"),
    "localhost:PORT/deep/er/": ("localhost:PORT", "/deep/er"),
    "*": ("127.0.0.1:PORT", ""),
}
FORMS_6 = {"::1": ("[::1]:PORT", ""), "[::1]:PORT": ("[::1]:PORT", ""), "::1/deep": ("[::1]:PORT", "/deep")}


def goes(world, forms, transport, v6=False):
    for link, (host, prefix) in forms.items():
        sim, nginx, daemon = behind(world, link, transport, v6)
        there = (host.replace("PORT", str(nginx.port)), prefix)
        daemon.wait_table("active")
        daemon.must("rebind", session="s")
        daemon.wait_state("connected", continuity="preserved")
        sim.say("wait bound", "cut")
        daemon.wait_state("connected", continuity="recovered")
        daemon.must("disconnect", session="s")
        creates = "" if transport == "ws-streaming" else "/create_session.txt"
        others = ["", "/bind_session.txt"] if transport == "ws-streaming" else ["/bind_session.txt", "/control.txt"]
        wait_until(lambda: all(went(nginx, r) for r in [creates, *others]), lambda: nginx.access())
        home = (f"127.0.0.1:{nginx.port}", "")
        for request in {creates, *others}:
            seen = went(nginx, request)
            assert (seen[0] == home if request == creates else True), (link, request, seen)
            rest = seen[1:] if request == creates else seen
            assert all(where == there for where in rest), (link, request, seen)


def test_forms_of_control_links(world, transport):
    goes(world, FORMS, transport)


def test_control_links_that_are_addresses_of_version_6(world, transport):
    if has_ipv6():
        goes(world, FORMS_6, transport, v6=True)


def test_control_link_out_of_reach(world):
    """The log says what may help, and it does."""
    sim, _, daemon = behind(world, "127.0.0.1:1", "http-streaming", recovery_ms=500)
    daemon.wait_log("cannot connect.*ignore_control_link = true")
    sim, _, daemon = behind(world, "127.0.0.1:1", "http-streaming", ignore_control_link=True)
    daemon.wait_table("active")
    sim.say("cut")
    daemon.wait_state("connected", continuity="recovered")


def test_control_link_that_is_none(world, transport):
    """It cannot be used: a fault of the server's, with words of ours; and no harm."""
    for link in ("user@elsewhere", "http://elsewhere/", "/path", "else where"):
        sim = world.sim("--control-link", link, door="open")
        daemon = world.daemon([session(sim.url, [table()], transport=transport)])
        if transport == "ws-streaming":
            daemon.wait_table("active")
            sim.say("cut")
        daemon.wait_log("control link cannot be used")


# --- IPv6 ---


def test_version_6(world):
    """A server that has no other address, with TLS and without, by every transport."""
    if not has_ipv6():
        return
    sim = world.sim("--listen", "::1", door="open")
    tables = [table()]
    for t in (*TRANSPORTS, "ws-polling"):
        daemon = world.daemon([session(f"http://[::1]:{sim.port}", tables, transport=t, idle_ms=200)])
        consumer = world.consumer(daemon.data).ready()
        daemon.wait_table("active")
        sim.updates("item1", range(10))
        wait_until(lambda: served(consumer, "s")[-10:] == [str(n) for n in range(10)], "all updates")
        assert daemon.stop() == 0


def test_version_6_and_tls(world, transport):
    if not has_ipv6():
        return
    sim = world.sim(door="open")
    certificate, key = world.certificates.make("server", subject="IP:::1")
    tls = f" ssl_certificate {certificate}; ssl_certificate_key {key};"
    server = f"location / {{ proxy_pass http://127.0.0.1:{sim.port}; {THROUGH} }}"
    nginx = world.nginx(server, http=THROUGH_MAP + tls, listen="ssl", host="::1")
    daemon = world.daemon([session(nginx.url, [table()], transport=transport, ca_file=world.certificates.ca)])
    consumer = world.consumer(daemon.data).ready()
    daemon.wait_table("active")
    sim.updates("item1", range(10))
    arrived(sim, consumer, [table()])
