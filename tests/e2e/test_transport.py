"""How a server is reached: polls, what gets through, older versions of the protocol, falling behind, signs of life."""

import expect
import proxy
from bridge import session, table
from process import wait_until


def details(scene):
    return [m["detail"] for m in scene.status.select(topic="session/s") if m["state"] == "connected"]


def polled(world, transport):
    world.transport = transport
    scene = world.bridge([table()], idle_ms=200).open()
    scene.sim.updates("item1", range(20))
    scene.arrived()
    # Several polls later: still connected, and never anything else.
    wait_until(lambda: scene.sim.count("bound") >= 5, "five polls")
    scene.sim.updates("item1", range(20, 40))
    scene.arrived()
    assert details(scene) == [transport], details(scene)
    scene.sim.say("swallow 3")
    scene.sim.updates("item1", range(40, 50))
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="recovered")
    scene.arrived()
    assert not scene.gaps()


def test_http_polling(world):
    polled(world, "http-polling")


def test_ws_polling(world):
    polled(world, "ws-polling")


def test_what_is_tried_first(world):
    for transport, detail in (("auto", "ws-streaming"), ("ws", "ws-streaming"), ("http", "http-streaming")):
        scene = world.bridge([table()], transport=transport).open()
        scene.sim.updates("item1", range(5))
        scene.arrived()
        assert details(scene) == [detail], details(scene)


def test_through_a_proxy_that_keeps_streams_back(world):
    sim = world.sim(door="open")
    keeper = world.keep(proxy.Gate(sim.port, no_websocket=True, keeps=True))
    daemon = world.daemon([session(keeper.url, [table()], transport="auto", connect_ms=500, idle_ms=300)])
    consumer = world.consumer(daemon.data).ready()
    status = world.status(daemon.status_endpoint)
    status.wait_session("connected", detail="http-polling")
    status.wait_table("active", "s/t")
    sim.updates("item1", range(10))
    wait_until(lambda: len(consumer.select(item="item1", type="update")) >= 9, "every update")
    # One session: none was left behind by the ways that did not get through.
    assert sim.count("session") == 1
    assert not consumer.select(type="gap")


def test_an_older_server(world, transport):
    """Field note 6: a server of before 2.5.0."""
    scene = world.bridge([table()], options=("--tlcp-version", "2.1.0")).open()
    scene.sim.updates("item1", range(5))
    scene.arrived()
    scene.sim.say("forget")
    scene.sim.say("cut")
    scene.status.wait_session("connected", continuity="replaced")
    # What worked is asked for at once.
    refused = scene.sim.all("refused", request="create_session", code=65)
    assert len(refused) == 4, refused


def test_signs_of_life(world, transport):
    """LS_inactivity_millis: the simulator complains of a client that is silent for longer than it promised."""
    scene = world.bridge([table()], reverse_heartbeat_ms=300).open()
    wait_until(lambda: len(scene.sim.requests("heartbeat")) >= 3, "three heartbeats")
    scene.sim.updates("item1", range(5))
    scene.arrived()


def test_the_head_of_a_request(world, transport):
    """The query has the version and nothing else; a WebSocket's has nothing at all, and the version as its subprotocol."""
    server = world.keep(proxy.Answerer(b"HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n"))
    world.daemon([session(server.url, [table()], transport=transport, adapter_set="A&B", user="me", password="no?")])
    wait_until(lambda: server.requests, "a request")
    first, *lines = server.requests[0].decode().split("\r\n")
    if transport == "ws-streaming":
        assert first == "GET /lightstreamer HTTP/1.1", first
        assert "Sec-WebSocket-Protocol: TLCP-2.5.0.lightstreamer.com" in lines, lines
    else:
        assert first == "POST /lightstreamer/create_session.txt?LS_protocol=TLCP-2.5.0 HTTP/1.1", first
        assert "Content-Type: text/plain" in lines, lines


def test_a_trickle(world):
    """Everything byte by byte."""
    for transport in ("ws-streaming", "ws-polling", "http-streaming", "http-polling"):
        sim = world.sim()
        trickle = world.proxy(sim.port)
        trickle.trickle = 1
        daemon = world.daemon([session(trickle.url, [table()], transport=transport, idle_ms=300)])
        consumer = world.consumer(daemon.data).ready()
        sim.open_door()
        daemon.wait_table("active")
        sim.updates("item1", range(10))
        expect.arrived(sim, consumer, [table()])
        assert daemon.session()["counters"]["recoveries"] == 0
        assert daemon.stop() == 0


def test_a_portal(world):
    """Whoever is asked, a web page answers; until somebody has logged in."""
    page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    portal = world.keep(proxy.Answerer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page))
    daemon = world.daemon([
        session(portal.url, [table()], name=t, transport=t) for t in ("auto", "http-streaming", "http-polling")
    ])  # fmt: skip
    status = world.status(daemon.status_endpoint)
    for t in ("auto", "http-streaming", "http-polling"):
        last = status.wait_session("connecting", name=t, detail="waiting", where=lambda m: "web page" in m["reason"])
        assert "(url)" in last["reason"] and "retry_in_ms" in last, last
    daemon.wait_log("auto: connecting, http-streaming: .* 200")
