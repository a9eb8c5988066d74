"""lsbridge-sim: told what to do on its standard input, asked what it did by its events."""

import json
import subprocess
import threading

from process import PATIENCE_S, Process, Timeout, command, wait_until


def quoted(value):
    """VALUE (str, bytes or None) as a word of the simulator's script."""
    if value is None:
        return "null"
    raw = value if isinstance(value, bytes) else value.encode()
    return '"' + "".join(chr(b) if 32 < b < 127 and b not in b'"\\#=' else f"\\x{b:02x}" for b in raw) + '"'


class Simulator(Process):
    def __init__(self, folder, *options, name="sim", quiet=True, strict=True):
        argv = command("lsbridge-sim", "--port", "0", "--interactive", "--events", *options)
        argv += ["--still"] if quiet else []
        argv += ["--strict"] if strict else []
        self.strict = strict
        super().__init__(f"{folder}/{name}.log", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = []
        self.news = threading.Condition()
        self.n_said = 0
        self.done = {}  # the script's lines that were run, by their number
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.port = self.wait_event("listening")["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def read(self):
        with open(self.log_path + ".events", "wb") as copy:
            for line in self.popen.stdout:
                copy.write(line)
                event = json.loads(line)
                with self.news:
                    if event["event"] == "done":
                        self.done[event["line"]] = event
                    else:
                        self.events.append(event)
                    self.news.notify_all()
        with self.news:
            self.news.notify_all()

    # --- asking ---

    def heard(self, event, where=None, **keys):
        """What it has said so far: what it is about to say may be missing."""
        with self.news:
            found = [e for e in self.events if e["event"] == event and all(e.get(k) == v for k, v in keys.items())]
        return [e for e in found if where is None or where(e)]

    def all(self, event, where=None, **keys):
        """All that it has to say of what has happened until now."""
        if self.thread.is_alive() and not self.popen.stdin.closed:
            self.say("sleep 0")
        return self.heard(event, where, **keys)

    def count(self, event, where=None, **keys):
        return len(self.all(event, where, **keys))

    def wait_event(self, event, count=1, where=None, timeout_s=None, **keys):
        """The COUNT-th event of that kind."""

        def enough():
            return len(self.heard(event, where, **keys)) >= count or not self.thread.is_alive()

        with self.news:
            self.news.wait_for(enough, timeout_s or PATIENCE_S)
        found = self.heard(event, where, **keys)
        if len(found) < count:
            raise Timeout(f"the simulator said {len(found)} of {count} {event} {keys}:\n{self.log()}")
        return found[count - 1]

    def requests(self, name, containing=""):
        return [e["lines"] for e in self.all("request", name=name) if containing in e["lines"]]

    # --- telling ---

    def say(self, *lines):
        """Runs script lines, one after the other, and returns when the last is done."""
        if not lines:
            return
        for line in lines:
            self.n_said += 1
            self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()
        with self.news:
            over = self.news.wait_for(lambda: self.n_said in self.done or not self.thread.is_alive(), 2 * PATIENCE_S)
            done = [self.done.pop(n) for n in range(self.n_said - len(lines) + 1, self.n_said + 1) if n in self.done]
        if not over or len(done) < len(lines):
            raise Timeout(f"{len(done)} of {len(lines)} lines were run, from {lines[0][:100]}:\n{self.log()}")
        faults = [f"{d['command']}: {d['fault']}" for d in done if not d["ok"]]
        assert not faults, faults

    def update(self, item, adapter_set="TEST", **fields):
        words = [f"{name}={quoted(value)}" for name, value in fields.items()]
        self.say(f"update {adapter_set} {quoted(item)} {' '.join(words)}")

    def updates(self, item, numbers, adapter_set="TEST", field="a"):
        """One update for each number."""
        self.say(*[f"update {adapter_set} {item} {field}={n}" for n in numbers])

    def open_door(self):
        """Lets clients in, see World.sim()."""
        self.say("refuse create off")

    def wait_subscribed(self, item="", count=1):
        def there():
            return sum(item in e["items"] or not item for e in self.heard("subscribed")) >= count

        wait_until(there, f"a subscription to {item!r}")

    def stop(self, timeout_s=None):
        if not self.popen.stdin.closed:
            self.popen.stdin.close()
        status = super().stop(timeout_s)
        self.thread.join()
        self.popen.stdout.close()
        return status
