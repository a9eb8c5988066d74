#!/usr/bin/env python3
"""tls_relay.py PORT CERTIFICATE KEY [CLIENT-CA]: takes TLS connections on a free port of 127.0.0.1, which it prints, and
passes what they say on to PORT in plain. With CLIENT-CA clients have to show a certificate of that CA. Ends with its
standard input."""

import contextlib
import socket
import ssl
import sys
import threading


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for s in (source, sink):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


def drain(fd):
    with socket.socket(fileno=fd) as raw, contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65536):
            pass


def serve(raw, context, port):
    tls = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
    try:
        tls.do_handshake()
    except OSError:
        # Closing at once would reset the connection, and with it the alert that says why.
        drain(tls.detach())
        return
    with tls, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as plain:
        for s in (tls, plain):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=pump, args=(plain, tls), daemon=True)
        back.start()
        pump(tls, plain)
        back.join()


def accept(listener, context, port):
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context, port), daemon=True).start()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    if len(sys.argv) > 4:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[4])
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener, context, int(sys.argv[1])), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
