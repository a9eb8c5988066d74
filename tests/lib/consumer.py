"""Consumers of the data and the status socket: each has a thread and a ZeroMQ context of its own, and looks at every message as it
would be read by a stranger who has only INTERFACE.md's words."""

import json
import threading

import msgpack
import zmq

from process import PATIENCE_S, Timeout

ROWS = ("snapshot", "update")
EVENTS = ("eos", "clear", "lost", "gap")


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"a key twice in {keys}"
    return dict(pairs)


def strict(payload):
    """JSON as RFC 8259 has it: valid UTF-8, no key twice, no NaN."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(payload.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)


def unpacked(payload):
    """MessagePack: every str valid UTF-8, keys are str, no key twice."""
    return msgpack.unpackb(payload, object_pairs_hook=unique, raw=False, strict_map_key=True)


HEAD = ["v", "run", "session", "table", "item", "pos", "seq", "time", "type"]


def check_shape(message):
    """The keys of a message and their order."""
    keys = list(message)
    if message.get("type") == "replayed":
        assert keys in (["v", "run", "type", "count"], ["v", "run", "type", "skipped"]), keys
        return
    assert keys[: len(HEAD)] == HEAD, keys
    rest = keys[len(HEAD) :]
    if message["type"] in EVENTS:
        extra = {"lost": ["count"], "gap": ["reason"]}.get(message["type"], [])
        assert rest == extra, (message["type"], rest)
        return
    assert message["type"] in ROWS, message
    rest = rest[3:] if rest[:3] == ["key", "command", "kseq"] else rest
    assert rest in (["fields", "changed"], ["fields"], ["fields", "replay"]), rest
    assert message.get("replay", True) is True
    if "key" in message:
        assert message["command"] in ("ADD", "UPDATE", "DELETE")
    for name in message.get("changed", []):
        assert name in message["fields"], (name, message)


class Consumer:
    """A SUB socket that keeps what it gets. Numbers of messages count from its first one."""

    def __init__(self, endpoint, *prefixes, high_water_mark=0, check=True):
        self.context = zmq.Context()
        self.endpoint = endpoint
        self.prefixes = list(prefixes) or [""]
        self.high_water_mark = high_water_mark
        self.check = check
        self.messages = []  # (topic, message), as they came
        self.faults = []
        self.encodings = set()  # that messages had
        self.paused = threading.Event()
        self.is_paused = threading.Event()
        self.over = threading.Event()
        self.news = threading.Condition()
        self.wishes = []  # prefixes to subscribe to: by the thread, whose socket it is
        self.thread = threading.Thread(target=self.consume, daemon=True)
        self.thread.start()

    def consume(self):
        socket = self.context.socket(zmq.SUB)
        socket.linger = 0
        socket.rcvhwm = self.high_water_mark
        socket.sndhwm = 0  # else it would lose filters of its own, beyond 1000 of them
        socket.reconnect_ivl = 10
        for prefix in self.prefixes:
            socket.subscribe(prefix)
        socket.connect(self.endpoint)
        while not self.over.is_set():
            while self.wishes:
                socket.subscribe(self.wishes.pop(0))
            if self.paused.is_set():
                self.is_paused.set()
                self.over.wait(0.005)
            elif socket.poll(10):
                self.take(socket)
        socket.close()

    def take(self, socket):
        batch = []
        try:
            while len(batch) < 1000 and not self.paused.is_set():
                batch.append(self.parse(socket.recv_multipart(zmq.NOBLOCK)))
        except zmq.Again:
            pass
        with self.news:
            self.messages += [b for b in batch if b]
            self.news.notify_all()

    def parse(self, frames):
        try:
            topic, payload = frames
            packed = not payload.startswith(b"{")
            message = unpacked(payload) if packed else strict(payload)
            self.encodings.add("msgpack" if packed else "json")
            if self.check:
                self.look(message)
            return topic.decode("utf-8"), message
        except Exception as error:  # told by the test's thread
            self.faults.append(f"{error!r} in {frames}")
            return None

    def look(self, message):
        check_shape(message)

    # --- for tests ---

    def subscribe(self, prefix):
        self.wishes.append(prefix)

    def pause(self):
        """Reads no more (ZeroMQ's own thread still takes what fits into its queue)."""
        self.is_paused.clear()
        self.paused.set()
        self.is_paused.wait(PATIENCE_S)

    def resume(self):
        self.paused.clear()

    def close(self):
        self.over.set()
        self.thread.join()
        self.context.term()

    def select(self, where=None, topic=None, **keys):
        with self.news:
            return [
                m for t, m in self.messages
                if (topic is None or t == topic) and all(m.get(k) == v for k, v in keys.items())
                and (where is None or where(m))
            ]  # fmt: skip

    def wait(self, where=None, count=1, timeout_s=None, **keys):
        """The COUNT-th message that is so."""
        with self.news:
            self.news.wait_for(lambda: len(self.select(where, **keys)) >= count, timeout_s or PATIENCE_S)
        found = self.select(where, **keys)
        if len(found) < count:
            last = "\n".join(str(m) for m in self.messages[-20:])
            raise Timeout(f"{len(found)} of {count} messages with {keys}; faults {self.faults}; the last of all:\n{last}")
        return found[count - 1]

    def wait_quiet(self, seconds=0.3):
        """Until nothing came for so long."""
        while True:
            with self.news:
                before = len(self.messages)
                if not self.news.wait_for(lambda: len(self.messages) > before, seconds):
                    return

    def ready(self):
        """The daemon knows of every prefix that was asked for at the start."""
        for prefix in self.prefixes:
            self.wait(topic=prefix, type="replayed")
        return self

    def live(self, **keys):
        """Everything but replays, in order."""
        return self.select(lambda m: m["type"] != "replayed" and not m.get("replay"), **keys)


class Status(Consumer):
    """A consumer of the status socket."""

    def look(self, message):
        assert list(message)[:4] == ["v", "run", "time", "seq"], message
        assert message["v"] == 1

    def wait_session(self, state, name="s", **keys):
        return self.wait(topic=f"session/{name}", state=state, **keys)

    def wait_table(self, state, name="s/t", **keys):
        return self.wait(topic=f"table/{name}", state=state, **keys)

    def states(self, topic):
        """(state, detail) one after the other, without what was only repeated."""
        return [(m["state"], m.get("detail")) for m in self.select(topic=topic) if not m.get("replay")]

    def check_all(self):
        """Per topic: seq counts by one, and previous is what the message before said."""
        last = {}
        for topic, message in self.messages:
            before = last.get(topic)
            last[topic] = message
            if not before or message["run"] != before["run"]:
                continue
            if message.get("replay"):
                assert message["seq"] <= before["seq"] + 1, (before, message)
                last[topic] = before if message["seq"] <= before["seq"] else message
                continue
            assert message["seq"] == before["seq"] + 1, (topic, before, message)
            if topic.startswith("session/"):
                assert message["previous"] == before["state"], (before, message)
