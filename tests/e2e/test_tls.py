"""https and wss: the right authority lets us in; everything else is refused, with words that name the setting."""

import os
import pty
import select
import shutil
import signal

from bridge import configuration, session, table
from expect import arrived
from parts import THROUGH, THROUGH_MAP
from process import command, run, wait_until
from proxy import openssl


class Secure:
    def __init__(self, world, transport, ca=True, settings=None, asks=False, **certificate):
        self.certificates = world.certificates
        self.sim = world.sim()
        kind = self.certificates.asking if asks else self.certificates.context
        self.proxy = world.proxy(self.sim.port, tls=kind("server", **certificate))
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


# --- a server that asks for our certificate ---


def ours(world, certificate, key):
    return {"cert_file": certificate, "key_file": key}


def test_own_certificate(world, transport):
    Secure(world, transport, asks=True, settings=ours(world, *world.certificates.make("client"))).works()


def test_own_certificate_missing(world, transport):
    assert "(cert_file)" in Secure(world, transport, asks=True).refused("certificate required")


def test_own_certificate_of_somebody_else(world, transport):
    """An authority that the server does not know."""
    pair = world.certificates.make("client", authority=False)
    assert "(cert_file)" in Secure(world, transport, asks=True, settings=ours(world, *pair)).refused("unknown ca")


def test_own_certificate_expired(world, transport):
    pair = world.certificates.make("client", days="-1")
    assert "(cert_file)" in Secure(world, transport, asks=True, settings=ours(world, *pair)).refused("expired")


def test_own_key_of_another_certificate(world, transport):
    certificate, _ = world.certificates.make("client")
    _, key = world.certificates.make("other")
    Secure(world, transport, asks=True, settings=ours(world, certificate, key)).refused("(cert_file, key_file)")


def test_own_key_with_a_passphrase(world):
    """Nobody is asked for it, even where there is a terminal."""
    certificate, key = world.certificates.make("client")
    openssl("pkcs8", "-topk8", "-in", key, "-out", key + ".locked", "-passout", "pass:secret")
    config = {"ca_file": world.certificates.ca, **ours(world, certificate, key + ".locked")}
    path = world.file("d.conf", configuration(
        **{group: {"endpoints": [f"ipc://{world.path(group)}"]} for group in ("publisher", "status", "control")},
        sessions=[session("https://127.0.0.1:1", [table()], transport="http-polling", **config)]))  # fmt: skip
    listener = world.proxy(1, tls=world.certificates.context("server"))
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("https://127.0.0.1:1", listener.url)
    world.file("d.conf", text)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command("lsbridged")[0], command("lsbridged", "-c", path))
    said = b""
    try:
        wait_until(lambda: select.select([terminal], [], [], 0)[0], "words")
        while b"disconnected" not in said:
            said += os.read(terminal, 65536)
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(terminal)
    assert b"PEM pass phrase" not in said and b"(cert_file, key_file)" in said, said


def test_own_certificate_at_a_real_server(world):
    """nginx takes the connection, and then says 400."""
    sim = world.sim(door="open")
    certificate, key = world.certificates.make("server")
    server = f"""ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_client_certificate {world.certificates.ca};
        ssl_verify_client on; location / {{ proxy_pass http://127.0.0.1:{sim.port}; {THROUGH} }}"""
    nginx = world.nginx(server, http=THROUGH_MAP, listen="ssl")
    kinds = {"with": ours(world, *world.certificates.make("client")), "without": {}}
    daemon = world.daemon([
        session(nginx.url, [table()], name=f"{name}-{t}", transport=t, ca_file=world.certificates.ca, **settings)
        for name, settings in kinds.items() for t in ("ws-streaming", "http-streaming")
    ])  # fmt: skip
    status = world.status(daemon.status_endpoint)
    for t in ("ws-streaming", "http-streaming"):
        status.wait_session("connected", name=f"with-{t}")
        assert status.wait_session("disconnected", name=f"without-{t}", detail="refused")["code"] == 400


# --- other faults ---


def test_authority_file_put_right(world, transport):
    """Refused, until the file has the right authority: nothing of the wrong one is remembered."""
    scene = Secure(world, transport, ca=False, settings={"ca_file": world.file("ours.pem", "")})
    scene.refused("ca_file")
    shutil.copy(world.certificates.make("stranger", authority=False)[0], world.path("ours.pem"))
    scene.daemon.must("connect", session="s")
    scene.status.wait_session("disconnected", detail="refused", where=lambda m: "issuer" in m["reason"])
    shutil.copy(world.certificates.ca, world.path("ours.pem"))
    scene.daemon.must("connect", session="s")
    scene.works()


def test_plain_where_tls_is_expected(world, transport):
    sim = world.sim()
    daemon = world.daemon([session(sim.url.replace("http:", "https:"), [table()], transport=transport, connect_ms=500)])
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


def test_files_that_cannot_be_read(world):
    """All of them, with file and line."""
    names = ("ca_file", "cert_file", "key_file")
    os.mkdir(world.path("folder.pem"))
    for kind in ("missing.pem", "folder.pem"):
        config = session("https://127.0.0.1:1", [table()], **{name: world.path(kind) for name in names})
        path = world.file("bad.conf", configuration(sessions=[config]))
        done = run("lsbridged", "-c", path, "--check", status=78)
        lines = done.stderr.splitlines()
        for name in names:
            assert any(name in line and kind in line and f"{path}:" in line for line in lines), (name, done.stderr)
