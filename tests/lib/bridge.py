"""lsbridged, its configuration, and what there is to say to its control socket."""

import json
import os
import re
import signal
import threading

import zmq

from process import PATIENCE_S, Process, Timeout, command, wait_until


# --- configuration ---


def text_of(value):
    """A Python value in libconfig's words: a dict is a group, a list of dicts a list, another list an array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if abs(value) > 2**31 - 1 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {text_of(v)};" for k, v in value.items()) + " }"
    if value and isinstance(value[0], dict):
        return "(\n    " + ",\n    ".join(text_of(v) for v in value) + " )"
    return "[ " + ", ".join(text_of(v) for v in value) + " ]"


def configuration(**groups):
    return "".join(f"{name} = {text_of(value)};\n" for name, value in groups.items())


def table(name="t", items=("item1",), fields=("a", "b"), **more):
    return {"name": name, "items": list(items), "fields": list(fields), **more}


def session(url, tables, name="s", transport="ws-streaming", **more):
    """Fast where the defaults are slow: tests should not wait for the pleasure of it."""
    return {"name": name, "url": url, "transport": transport, "adapter_set": "TEST", "retry_ms": 20,
            "retry_max_ms": 1000, "tables": tables, **more}  # fmt: skip


# --- the daemon ---


class Daemon(Process):
    """Every socket is an ipc:// one in FOLDER unless the groups say otherwise."""

    def __init__(self, folder, sessions, name="daemon", level="debug", environment=None, config=None, **groups):
        self.folder = folder
        self.name = name
        self.groups = {
            "publisher": {"endpoints": [f"ipc://{folder}/{name}.data"], **groups.pop("publisher", {})},
            "status": {"endpoints": [f"ipc://{folder}/{name}.status"], **groups.pop("status", {})},
            "control": {"endpoints": [f"ipc://{folder}/{name}.control"], **groups.pop("control", {})},
            **groups,
        }
        self.config_path = f"{folder}/{name}.conf"
        self.run_id = None
        self.write(sessions, config)
        argv = command("lsbridged", "-c", self.config_path, "--log-level", level)
        variables = dict(os.environ, **(environment or {}))
        super().__init__(f"{folder}/{name}.log", argv, env=variables)

    def write(self, sessions, config=None):
        """The configuration file, for now or for a reload."""
        text = configuration(**self.groups, sessions=sessions) if config is None else config
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def wait_log(self, words, count=1, timeout_s=None):
        """Waits until the log has WORDS (a regular expression) COUNT times, and returns the last match."""

        def enough():
            found = list(re.finditer(words, self.log()))
            return found[count - 1] if len(found) >= count else None

        return wait_until(enough, lambda: f"{words!r} is not {count} times in the log:\n{self.log()}", timeout_s)

    def wait_bound(self):
        def there():
            if not self.is_running():
                raise AssertionError(f"lsbridged ended with {self.wait()}:\n{self.log()}")
            return re.search(r"control on \S+", self.log())

        wait_until(there, lambda: f"not bound:\n{self.log()}")

    def bound(self, what):
        """The endpoints of "data", "status" or "control", as bound."""
        self.wait_bound()
        return re.findall(rf" {what} on (\S+)", self.log())

    @property
    def data(self):
        return self.bound("data")[0]

    @property
    def status_endpoint(self):
        return self.bound("status")[0]

    @property
    def control(self):
        return self.bound("control")[0]

    def ask(self, cmd, timeout_s=None, **keys):
        """One request to the control socket; the reply, whatever it says."""
        return Client(self.control).ask_once({"cmd": cmd, **keys}, timeout_s)

    def must(self, cmd, **keys):
        reply = self.ask(cmd, **keys)
        assert reply["ok"] is True, reply
        return reply

    def session(self, name="s"):
        return self.must("sessions", session=name)["sessions"][0]

    def table(self, name="t", of="s"):
        return next(t for t in self.must("tables", session=of)["tables"] if t["table"] == name)

    def rows(self, **keys):
        """All pages of `rows`."""
        rows, after = [], {}
        while True:
            page = self.must("rows", **keys, **after)
            rows += page["rows"]
            if "next" not in page:
                return rows
            after = {"after": page["next"]}

    def wait_state(self, state, name="s", timeout_s=None, **keys):
        """Waits until the session's last report says so."""

        def there():
            last = self.session(name)
            return last if last["state"] == state and all(last.get(k) == v for k, v in keys.items()) else None

        return wait_until(there, lambda: f"not {state} {keys} but {self.session(name)}", timeout_s)

    def wait_table(self, state, name="t", of="s", timeout_s=None, **keys):
        def there():
            last = self.table(name, of)
            return last if last["state"] == state and all(last.get(k) == v for k, v in keys.items()) else None

        return wait_until(there, lambda: f"not {state} {keys} but {self.table(name, of)}", timeout_s)

    def reload(self, sessions, config=None):
        self.write(sessions, config)
        return self.ask("reload")

    def hang_up(self):
        self.signal(signal.SIGHUP)


class Client:
    """A client of the control socket: REQ, or DEALER with frames as they are."""

    def __init__(self, endpoint, kind=zmq.REQ):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()
        self.context.term()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def send(self, *frames):
        self.socket.send_multipart(frames)

    def receive(self, timeout_s=None):
        if not self.socket.poll((timeout_s or PATIENCE_S) * 1000):
            raise Timeout("no reply from the control socket")
        return self.socket.recv_multipart()

    def ask(self, request, timeout_s=None):
        """REQUEST: bytes, or what json.dumps() takes. A REQ's reply is one frame of JSON."""
        self.send(request if isinstance(request, bytes) else json.dumps(request).encode())
        frames = self.receive(timeout_s)
        assert len(frames) == 1, frames
        return json.loads(frames[0])

    def ask_once(self, request, timeout_s=None):
        with self:
            return self.ask(request, timeout_s)


class Notify(threading.Thread):
    """What systemd would hear: a socket for NOTIFY_SOCKET."""

    def __init__(self, path):
        super().__init__(daemon=True)
        import socket

        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.messages = []
        self.start()

    def run(self):
        while True:
            text = self.socket.recv(65536).decode()
            if not text:
                return
            self.messages += text.splitlines()

    def wait(self, start, count=1, timeout_s=None):
        def there():
            found = [m for m in list(self.messages) if m.startswith(start)]
            return found[count - 1] if len(found) >= count else None

        return wait_until(there, lambda: f"no {start} in {self.messages}", timeout_s)

    def close(self):
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self.join()
        self.socket.close()
