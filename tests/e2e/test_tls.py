"""https and wss: the right authority lets us in; everything else is refused, with words that name the setting."""

from bridge import configuration, session, table
from expect import arrived
from process import run
from proxy import Certificates


class Secure:
    def __init__(self, world, transport, ca=True, settings=None, **certificate):
        self.certificates = Certificates(world.folder)
        self.sim = world.sim()
        self.proxy = world.proxy(self.sim.port, tls=self.certificates.context("server", **certificate))
        self.tables = [table()]
        ca_file = {"ca_file": self.certificates.ca} if ca else {}
        self.daemon = world.daemon([session(self.proxy.url, self.tables, transport=transport, **ca_file, **(settings or {}))])
        self.consumer = world.consumer(self.daemon.data).ready()
        self.status = world.status(self.daemon.status_endpoint)

    def works(self):
        self.sim.open_door()
        self.sim.wait_subscribed()
        for n in range(3):
            self.sim.updates("item1", range(n * 10, n * 10 + 5))
            self.proxy.cut()
            self.sim.updates("item1", range(n * 10 + 5, n * 10 + 10))
            arrived(self.sim, self.consumer, self.tables)
        assert not self.consumer.select(type="gap")

    def refused(self, *words):
        last = self.status.wait_session("disconnected", detail="refused")
        assert all(w in last["reason"] for w in ("certificate", *words)), last
        assert 300000 <= last["retry_in_ms"] <= 375000
        return last["reason"]


def test_right_authority(world, transport):
    Secure(world, transport).works()


def test_trickling(world, transport):
    """TLS records in pieces, values of many records."""
    scene = Secure(world, transport)
    scene.sim.open_door()
    scene.sim.wait_subscribed()
    scene.proxy.trickle = 700
    for size in [1, 100, 16383, 16384, 100000]:
        scene.sim.update("item1", a="x" * size)
    arrived(scene.sim, scene.consumer, scene.tables)


def test_unknown_authority(world, transport):
    Secure(world, transport, ca=False).refused("ca_file")


def test_self_signed(world, transport):
    Secure(world, transport, authority=False).refused("self")


def test_wrong_host(world, transport):
    Secure(world, transport, subject="IP:127.0.0.2").refused("url")


def test_expired(world, transport):
    Secure(world, transport, days="-1").refused("expired")


def test_no_verification_on_request(world, transport):
    Secure(world, transport, ca=False, authority=False, settings={"tls_verify": False}).works()


def test_plain_where_tls_is_expected(world, transport):
    sim = world.sim()
    daemon = world.daemon([session(sim.url.replace("http:", "https:"), [table()], transport=transport)])
    status = world.status(daemon.status_endpoint)
    last = status.wait_session("connecting", detail="waiting")
    assert "TLS" in last["reason"], last


def test_authority_file_that_is_none(world, transport):
    """A file of something else."""
    path = world.file("ca.txt", "hello\n")
    sim = world.sim()
    url = sim.url.replace("http:", "https:")
    daemon = world.daemon([session(url, [table()], transport=transport, ca_file=path)])
    status = world.status(daemon.status_endpoint)
    last = status.wait_session("disconnected", detail="refused")
    assert "ca_file" in last["reason"], last


def test_missing_authority_file(world):
    config = session("https://127.0.0.1:1", [table()], ca_file=world.path("missing.pem"))
    path = world.file("bad.conf", configuration(sessions=[config]))
    done = run("lsbridged", "-c", path, "--check", status=78)
    assert "ca_file" in done.stderr and "missing.pem" in done.stderr and f"{path}:" in done.stderr, done.stderr
