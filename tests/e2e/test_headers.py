"""Cookies as a browser would keep them, and headers of the user's own, on every request and on the WebSocket's handshake."""

import re

from bridge import configuration, session, table
from parts import THROUGH, THROUGH_MAP
from process import run, wait_until


def at(path, *cookies):
    """What nginx does at PATH: these cookies, and the simulator's answer."""
    lines = [f"add_header Set-Cookie '{c}' always;" for c in cookies]
    return f"location {path} {{ {' '.join(lines)} proxy_pass http://127.0.0.1:SIM; {THROUGH} }} "


class Sticky:
    """A daemon whose server is nginx, which sets cookies, and writes down what comes back."""

    def __init__(self, world, locations, host="127.0.0.1", listen="", tls="", **settings):
        self.sim = world.sim(door="open")
        self.nginx = world.nginx(locations.replace("SIM", str(self.sim.port)), http=THROUGH_MAP + tls, listen=listen, host=host)
        self.daemon = world.daemon([session(self.nginx.url, [table()], **settings)])
        self.status = world.status(self.daemon.status_endpoint)
        self.status.wait_table("active")

    def seen(self, path, what="cookie", count=1):
        """What came with the COUNT-th request whose path begins so: it is known once nginx is done with it."""
        pattern = rf'(?m)^\w+ /lightstreamer{path}[ ?].* {what}="([^"]*)"'
        found = wait_until(lambda: (f := re.findall(pattern, self.nginx.access()))[count - 1 :] and f, lambda: self.nginx.access())
        return found[count - 1]

    def cookies(self, path, **which):
        said = self.seen(path, **which)
        return set() if said == "-" else set(said.split("; "))

    def end(self):
        self.daemon.must("disconnect", session="s")


OF_ALL_KINDS = ("root=1; Path=/", "here=2; Path=/lightstreamer; HttpOnly", "elsewhere=3; Path=/elsewhere", "plain=4",
                "foreign=5; Path=/; Domain=example.com", "old=6; Path=/; Max-Age=0",
                "older=7; Path=/; Expires=Thu, 01 Jan 1970 00:00:10 GMT", "late=8; Path=/; Max-Age=1000",
                "tls=9; Path=/; Secure", "twice=10; Path=/", "twice=11; Path=/")  # fmt: skip
PLAIN = {"root=1", "here=2", "late=8", "twice=11"}


def test_cookies_of_requests(world):
    """Set by the answer to the first: with each one that follows."""
    places = at("= /lightstreamer/create_session.txt", *OF_ALL_KINDS) + at("/")
    # Not at 127.0.0.1, to which libcurl sends what is Secure without TLS, as browsers do.
    scene = Sticky(world, places, "127.0.0.2", transport="http-polling", idle_ms=100)
    assert scene.cookies("/create_session.txt") == set()
    for request in ("bind_session", "control"):
        # Without a path it is for the request's folder.
        assert scene.cookies(f"/{request}.txt") == PLAIN | {"plain=4"}, request


def test_cookies_of_the_handshake(world):
    """Set by it: with control requests, recoveries and the next handshake."""
    places = at("= /lightstreamer", *OF_ALL_KINDS) + at("/")
    scene = Sticky(world, places, "127.0.0.2")
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="recovered")
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="recovered", count=2)
    # Without a path it is for the folder of the handshake: all of it.
    assert scene.cookies("/bind_session.txt") == PLAIN | {"plain=4"}
    assert scene.cookies("") == set()
    assert scene.cookies("", count=2) == PLAIN | {"plain=4"}


def test_cookies_of_a_request_with_the_handshake(world):
    """The other way round: a stream's cookies with a WebSocket. And TLS, for which Secure ones are meant."""
    certificate, key = world.certificates.make("server", subject="IP:127.0.0.2")
    tls = f" ssl_certificate {certificate}; ssl_certificate_key {key};"
    places = at("= /lightstreamer") + at("/", *OF_ALL_KINDS)
    scene = Sticky(world, places, "127.0.0.2", "ssl", tls, ca_file=world.certificates.ca)
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="recovered")
    scene.end()
    assert scene.cookies("", count=2) == PLAIN | {"tls=9", "plain=4"}


def test_cookies_change_and_expire(world):
    """The last answer counts, and time."""
    places = at("= /lightstreamer/create_session.txt", "node=1; Path=/", "brief=1; Path=/; Max-Age=1")
    places += at("= /lightstreamer/control.txt", "node=2; Path=/") + at("/")
    scene = Sticky(world, places, transport="http-polling", idle_ms=300)
    assert scene.cookies("/control.txt") == {"node=1", "brief=1"}
    wait_until(lambda: re.search(r'bind_session.* cookie="node=2"', scene.nginx.access()), "the other node, and only that")


def test_cookies_are_a_sessions_own(world):
    places = at("/", "node=1; Path=/")
    scene = Sticky(world, places, transport="http-polling", idle_ms=200)
    scene.seen("/bind_session.txt")
    scene.daemon.reload([session(scene.nginx.url, [table()], transport="http-polling", idle_ms=200),
                         session(scene.nginx.url, [table()], name="other", transport="http-polling")])  # fmt: skip
    scene.status.wait_session("connected", name="other")
    assert scene.cookies("/create_session.txt", count=2) == set()


# --- headers ---

OWN = [{"name": "X-Token", "value": "secret-1"}, {"name": "User-Agent", "value": "mine"}, {"name": "Host", "value": "virtual"},
       {"name": "Cookie", "value": "own=1"}, {"name": "X-Empty", "value": ""}]  # fmt: skip


def test_headers_on_every_request(world):
    places = at("/", "node=1; Path=/")
    for transport, requests in (("ws-streaming", ["", "/bind_session.txt"]),
                                ("http-polling", ["/create_session.txt", "/bind_session.txt", "/control.txt"])):  # fmt: skip
        scene = Sticky(world, places, transport=transport, headers=OWN, idle_ms=100)
        if transport == "ws-streaming":
            scene.sim.say("cut")
            scene.status.wait_session("connected", continuity="recovered")
        for request in requests[1:]:
            scene.seen(request, "token")
        scene.end()
        for request in requests:
            assert scene.seen(request, "token") == "secret-1"
            assert scene.seen(request, "agent") == "mine"
            assert scene.seen(request, "host") == "virtual"
            assert "own=1" in scene.cookies(request)
        # One header: theirs beside ours.
        assert scene.cookies("/bind_session.txt") == {"own=1", "node=1"}
        said = scene.daemon.log() + str(scene.status.messages) + str(scene.daemon.ask("config"))
        assert "secret-1" not in said


def test_who_we_are(world, transport):
    scene = Sticky(world, at("/"), transport=transport)
    scene.end()
    path = "" if transport == "ws-streaming" else "/create_session.txt"
    assert re.fullmatch(r"lsbridge/\d+\.\d+\.\d+", scene.seen(path, "agent"))
    assert scene.seen(path, "host") == f"127.0.0.1:{scene.nginx.port}"


def test_nobody_waits_for_a_hundred(world):
    """No Expect, however large the request."""
    sim = world.sim(door="open")
    nginx = world.nginx(at("/").replace("SIM", str(sim.port)), http=THROUGH_MAP)
    tables = [table(items=[f"item-{n}-{'x' * 100}" for n in range(300)])]
    daemon = world.daemon([session(nginx.url, tables, transport="http-streaming")])
    daemon.wait_table("active")
    daemon.must("disconnect", session="s")
    expected = wait_until(lambda: re.findall(r'control.txt.* expect="(.*)"', nginx.access()), "the access")
    assert set(expected) == {"-"}


def test_headers_that_would_break_requests(world):
    """A fault, each of them."""
    names = ["Connection", "content-length", "Expect", "Transfer-Encoding", "UPGRADE", "Sec-WebSocket-Key",
             "Sec-WebSocket-Extensions", "TE", "Trailer", "Keep-Alive", "Proxy-Connection"]  # fmt: skip
    headers = [{"name": name, "value": "secret"} for name in names]
    config = session("http://127.0.0.1:1", [table()], headers=headers + OWN)
    path = world.file("bad.conf", configuration(sessions=[config]))
    said = run("lsbridged", "-c", path, "--check", status=78).stderr
    for name in names:
        assert f"header {name}: name: expected a header's name" in said, said
    assert "secret" not in said and said.count("header's name") == len(names), said
