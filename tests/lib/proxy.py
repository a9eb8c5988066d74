"""A network that can fail: a TCP proxy which cuts, resets, stalls, goes half-open, delays and trickles; with TLS in front of a server that
has none; and a server that answers every connection with the same bytes."""

import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from process import PATIENCE_S


def reset(sock):
    """Closes with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Listener:
    """Takes connections, each in a thread of its own, until it is closed."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.over = threading.Event()
        self.threads = []
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while not self.over.is_set():
            if not select.select([self.socket], [], [], 0.02)[0]:
                continue
            client, _ = self.socket.accept()
            thread = threading.Thread(target=self.serve, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def close(self):
        self.over.set()
        for thread in [self.accepting, *self.threads]:
            thread.join(PATIENCE_S)
        self.socket.close()


class Proxy(Listener):
    """TLS: an ssl.SSLContext to be the server with. What the attributes say holds for old and new connections."""

    def __init__(self, port, tls=None):
        self.upstream_port = port
        self.tls = tls
        self.stalled = False  # nothing goes through, either way
        self.deaf = False  # accepts, and does nothing
        self.refusing = False  # resets whoever comes
        self.delay_s = 0
        self.trickle = 0  # bytes at a time; 0: as they come
        self.pairs = []
        self.lock = threading.Lock()
        self.n_connections = 0
        super().__init__()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def serve(self, client):
        self.n_connections += 1
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.refusing:
            reset(client)
            return
        try:
            if self.tls:
                client = self.shake_hands(client)
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
        except OSError:
            client.close()
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (client, server)
        with self.lock:
            self.pairs.append(pair)
        self.pump(pair)
        with self.lock:
            if pair in self.pairs:
                self.pairs.remove(pair)
                client.close()
                server.close()

    def shake_hands(self, raw):
        raw.settimeout(PATIENCE_S)
        client = self.tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        try:
            client.do_handshake()
            return client
        except OSError:
            # Closed at once it would be reset, and the alert that says why be lost.
            with socket.socket(fileno=client.detach()) as bare:
                bare.shutdown(socket.SHUT_WR)
                while bare.recv(65536):
                    pass
            raise

    def pump(self, pair):
        other = dict([pair, pair[::-1]])
        try:
            while not self.over.is_set() and pair in self.pairs:
                if self.stalled:
                    time.sleep(0.005)
                    continue
                waiting = [s for s in pair if isinstance(s, ssl.SSLSocket) and s.pending()]
                for source in waiting or select.select(pair, [], [], 0.02)[0]:
                    data = source.recv(self.trickle or 65536)
                    if not data:
                        return
                    if self.delay_s:
                        time.sleep(self.delay_s)
                    other[source].sendall(data)
        except (OSError, ValueError):
            pass

    def cut(self, rst=False):
        """Ends every connection."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for client, server in pairs:
            # What pump() waits on must wake up: so not closed before it is shut down.
            for sock in (client, server):
                if rst:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    try:
                        sock.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                sock.close()


class Gate(Proxy):
    """An HTTP proxy that knows no WebSocket while `no_websocket`, and keeps responses until they are whole while `keeps`."""

    def __init__(self, port, no_websocket=False, keeps=False):
        self.no_websocket, self.keeps = no_websocket, keeps
        super().__init__(port)

    def forward(self, pair, source, data, held):
        client, server = pair
        if source is client and self.no_websocket and b"upgrade: websocket" in data.lower():
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        if source is client:
            server.sendall(data)
            return True
        held += data
        if self.keeps and b"chunked" in held and not held.endswith(b"\r\n0\r\n\r\n"):
            return True
        client.sendall(bytes(held))
        held.clear()
        return True

    def pump(self, pair):
        held = bytearray()
        try:
            while not self.over.is_set() and pair in self.pairs:
                for source in select.select(pair, [], [], 0.02)[0]:
                    data = source.recv(65536)
                    if not data or not self.forward(pair, source, data, held):
                        return
        except (OSError, ValueError):
            pass


class Answerer(Listener):
    """Answers whatever comes with BYTES once a request's head is read, and closes unless KEEP. WebSocket requests are
    answered alike."""

    def __init__(self, answer, keep=False):
        self.answer = answer
        self.keep = keep
        self.requests = []
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, client):
        client.settimeout(PATIENCE_S)
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                data = client.recv(65536)
                if not data:
                    break
                head += data
            self.requests.append(head)
            client.sendall(self.answer)
            if self.keep:
                self.over.wait(PATIENCE_S)
            else:
                client.shutdown(socket.SHUT_WR)
                client.settimeout(1)
                while client.recv(65536):
                    pass
        except OSError:
            pass
        client.close()


# --- certificates ---


def openssl(*arguments, **options):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=PATIENCE_S, **options)


class Certificates:
    """An authority made for this test, and what it signed."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = f"{folder}/ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=test authority", "-keyout", f"{folder}/ca.key", "-out", self.ca)  # fmt: skip

    def make(self, name, subject="IP:127.0.0.1", days="2", authority=True):
        """Paths of a certificate and its key."""
        path = f"{self.folder}/{name}"
        with open(f"{path}.ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName={subject}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{path}.key", "-out", f"{path}.csr")  # fmt: skip
        if authority:
            signer = ["-CA", self.ca, "-CAkey", f"{self.folder}/ca.key", "-CAcreateserial"]
        else:
            signer = ["-signkey", f"{path}.key"]
        openssl("x509", "-req", "-in", f"{path}.csr", "-days", days, "-extfile", f"{path}.ext", "-out", f"{path}.pem",
                *signer)  # fmt: skip
        return f"{path}.pem", f"{path}.key"

    def context(self, *arguments, **options):
        """What a server needs."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.make(*arguments, **options))
        return made

    def asking(self, *arguments, **options):
        """The same, and clients have to show a certificate of this authority."""
        made = self.context(*arguments, **options)
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(self.ca)
        return made
