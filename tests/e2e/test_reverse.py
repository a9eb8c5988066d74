"""Behind a real nginx: one that keeps streams back, one that lets them through, one that cuts them; its own answers, redirects,
compression, and TLS that offers HTTP/2."""

import time

from bridge import session, table
from parts import THROUGH, THROUGH_MAP
from process import wait_until


def values(consumer, name="s"):
    return [m["fields"]["a"] for m in consumer.select(session=name) if "fields" in m]


class Behind:
    """A daemon with one session whose server is nginx; SERVER: nginx's own settings, or None for those that let everything through."""

    def __init__(self, world, server=None, sim=None, listen="", **settings):
        self.sim = sim or world.sim(door="open")
        through = f"location / {{ proxy_pass http://127.0.0.1:{self.sim.port}; {THROUGH} }}"
        self.nginx = world.nginx((server or through).replace("SIM", str(self.sim.port)), http=THROUGH_MAP, listen=listen)
        self.daemon = world.daemon([session(self.nginx.url, [table()], **settings)])
        self.consumer = world.consumer(self.daemon.data).ready()
        self.status = world.status(self.daemon.status_endpoint)
        self.sent = []

    def send(self, numbers):
        self.sent += [str(n) for n in numbers]
        self.sim.updates("item1", numbers)

    def arrived(self):
        wait_until(lambda: values(self.consumer) == self.sent, lambda: f"{self.sent}: {values(self.consumer)}")
        assert not self.consumer.select(type="gap")
        assert self.sim.count("session") == 1


BUFFERS = "location / { proxy_pass http://127.0.0.1:SIM; proxy_buffering on; }"


def test_one_that_keeps_streams_back(world):
    """No WebSocket, no stream: polls, by themselves, and the reason is told."""
    scene = Behind(world, BUFFERS, transport="auto", connect_ms=1000, idle_ms=300)
    scene.status.wait_session("connected", detail="http-polling")
    scene.status.wait_table("active", "s/t")
    scene.send(range(10))
    scene.arrived()
    scene.sim.say("swallow 1")
    scene.send(range(10, 20))
    scene.arrived()
    scene.sim.say("wait drained")
    time.sleep(0.5)
    assert 0
