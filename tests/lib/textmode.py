"""A client of Lightstreamer's older text mode that does nothing by itself: plain sockets, and every line as it came."""

import http.client
import socket
from urllib.parse import quote_plus

from process import PATIENCE_S

CID = "mgQkwtwdysogQz2BJ4Ji kOj2Bg"
CREATE = {"LS_op2": "create", "LS_cid": CID, "LS_adapter_set": "TEST"}


def form(params):
    """The parameters of one request, encoded as a form's are; None leaves one out."""
    return "&".join(f"{name}={quote_plus(str(value), safe='')}" for name, value in params.items() if value is not None)


class Stream:
    """The response to a create or bind."""

    def __init__(self, response, connection):
        self.response = response
        self.connection = connection

    def line(self):
        """The next line; None at the end of the response."""
        line = self.response.readline()
        if not line:
            return None
        assert line.endswith(b"\r\n"), line
        return line[:-2].decode("utf-8")

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def head(self):
        """The lines up to the empty one."""
        return list(iter(self.line, ""))

    def rest(self):
        """All lines up to the end of the response."""
        return list(iter(self.line, None))

    def until(self, last):
        """The lines up to LAST, without it."""
        return list(iter(self.line, last))

    def close(self):
        self.connection.close()


class TextClient:
    def __init__(self, port):
        self.port = port
        self.session = None
        self.streams = []

    def post(self, name, body="", query=None, path="/lightstreamer/"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        target = f"{path}{name}.txt" + (f"?{query}" if query is not None else "")
        connection.request("POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"})
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection.getresponse(), connection

    def answer(self, name, *bodies, query=None):
        """The lines of the answer to one batch; each body is a text or its parameters."""
        texts = [body if isinstance(body, str) else form({"LS_session": self.session, **body}) for body in bodies]
        response, connection = self.post(name, "\r\n".join(texts), query)
        assert response.status == 200, response.status
        stream = Stream(response, connection)
        lines = stream.rest()
        stream.close()
        return lines

    def control(self, *requests):
        return self.answer("control", *requests)

    def add(self, table, items, fields, **more):
        request = {"LS_op": "add", "LS_table": table, "LS_id": items, "LS_schema": fields, "LS_mode": "MERGE", **more}
        return self.control(request)

    def open(self, name, params, query=None):
        """A create or bind that is welcome: its stream, after the word OK and the session's name."""
        response, connection = self.post(name, "" if query else form(params), query)
        stream = Stream(response, connection)
        self.streams.append(stream)
        assert stream.line() == "OK"
        title, self.session = stream.line().split(":")
        assert title == "SessionId"
        return stream

    def create(self, **more):
        return self.open("create_session", {**CREATE, **more})

    def bind(self, **more):
        return self.open("bind_session", {"LS_session": self.session, **more})

    def close(self):
        for stream in self.streams:
            stream.close()
