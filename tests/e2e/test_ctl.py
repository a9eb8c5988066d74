"""lsbridgectl against a daemon that is not there: a fake one, which says what each test wants it to say.

The programs are looked for in $LSBRIDGE_BIN. For run.py; runs by itself as well.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

import zmq

PROGRAM = shlex.split(os.environ.get("LSBRIDGE_WRAPPER", "")) + [
    os.path.join(os.environ.get("LSBRIDGE_BIN", "."), "lsbridgectl")
]
RUN = "9f3c54d2a1b07e68"
LONG = 60  # seconds; no test comes near it


class FakeDaemon:
    """A ROUTER that answers from a table, and two XPUBs that send a list to each new subscription."""

    def __init__(self, folder, control=None):
        self.context = zmq.Context()
        self.requests = []
        self.answers = {}
        self.messages = {"data": [], "status": []}
        self.control = control or f"ipc://{folder}/control.sock"
        self.sockets = {name: self.context.socket(zmq.XPUB) for name in self.messages}
        for name, socket in self.sockets.items():
            socket.bind(f"ipc://{folder}/{name}.sock")
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(self.control)
        self.control = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.endpoints = {
            name: [socket.getsockopt_string(zmq.LAST_ENDPOINT)] for name, socket in self.sockets.items()
        }
        self.answers["status"] = {
            "ok": True, "version": "0.1.0", "run": RUN, "pid": 4711,
            "config": "/etc/lsbridge/lsbridged.conf",
            "endpoints": dict(self.endpoints, control=[self.control]),
        }  # fmt: skip
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        poller = zmq.Poller()
        for socket in [self.router, *self.sockets.values()]:
            poller.register(socket, zmq.POLLIN)
        while not self.over.is_set():
            for socket, _ in poller.poll(20):
                frames = socket.recv_multipart()
                if socket is self.router:
                    self.answer(frames)
                elif frames[0][:1] == b"\x01":
                    self.publish(socket, frames[0][1:])
        for socket in [self.router, *self.sockets.values()]:
            socket.close(linger=0)

    def answer(self, frames):
        request = json.loads(frames[-1])
        self.requests.append(request)
        answer = self.answers.get(request["cmd"], {"ok": False, "error": "unknown cmd"})
        if callable(answer):
            answer = answer(request)
        if answer is not None:
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.router.send_multipart(frames[:-1] + [body])

    def publish(self, socket, prefix):
        name = next(n for n, s in self.sockets.items() if s is socket)
        for topic, payload in self.messages[name]:
            if topic.encode().startswith(prefix):
                body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                socket.send_multipart([topic.encode(), body])

    def close(self):
        self.over.set()
        self.thread.join()
        self.context.term()


@contextlib.contextmanager
def fake(**options):
    with tempfile.TemporaryDirectory(prefix="lsb") as folder:
        daemon = FakeDaemon(folder, **options)
        try:
            yield daemon
        finally:
            daemon.close()


def ctl(daemon, *arguments, expect=0):
    where = ["-e", daemon.control] if daemon else []
    done = subprocess.run(
        [*PROGRAM, *where, *arguments], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert done.returncode == expect, (done.returncode, expect, done.stdout, done.stderr)
    return done


def update(item, seq, fields, **more):
    return dict({"v": 1, "run": RUN, "session": "demo", "table": "quotes", "item": item, "pos": 1, "seq": seq,
                 "time": 1732310400123456, "type": "update", "fields": fields}, **more)  # fmt: skip


def session(**more):
    return dict({"session": "demo", "state": "connected", "previous": "connecting", "detail": "ws-streaming",
                 "session_id": "a1b2c3", "continuity": "new", "tables": 1,
                 "counters": {"updates": 123, "bytes_received": 45678, "last_received": 1732310400000000}}, **more)  # fmt: skip


def test_yes_is_0_and_no_is_1():
    with fake() as daemon:
        daemon.answers["ping"] = {"ok": True, "time": 1}
        assert ctl(daemon, "ping").stdout == "ok\n"
        daemon.answers["connect"] = {"ok": False, "error": "no session \"x\"", "code": 7}
        no = ctl(daemon, "connect", "x", expect=1)
        assert no.stdout == ""
        assert no.stderr == f"lsbridgectl: {daemon.control}: no session \"x\" (code 7)\n"
        assert daemon.requests[-1] == {"cmd": "connect", "session": "x"}


def test_json_is_the_reply_on_one_line_whatever_it_says():
    with fake() as daemon:
        daemon.answers["version"] = b'{"ok":true,\n "version":"0.1.0",\r\n "new":1.10}'
        assert ctl(daemon, "version", "--json").stdout == '{"ok":true,  "version":"0.1.0",   "new":1.10}\n'
        daemon.answers["version"] = {"ok": False, "error": "no"}
        no = ctl(daemon, "--json", "version", expect=1)
        assert json.loads(no.stdout) == {"ok": False, "error": "no"}


def test_answers_that_are_none():
    with fake() as daemon:
        for answer in [b"", b"nonsense", b"[]", b"{}", b'{"ok":1}', b'{"ok":true}x', b"\xff"]:
            daemon.answers["ping"] = answer
            no = ctl(daemon, "ping", expect=1)
            assert "not one of lsbridged's" in no.stderr, (answer, no.stderr)
        daemon.answers["ping"] = lambda request: None
        no = ctl(daemon, "ping", "--timeout", "200", expect=1)
        assert no.stderr == f"lsbridgectl: {daemon.control}: connected, but no answer within 200 ms\n"


def test_nobody_there():
    no = ctl(None, "-e", "tcp://127.0.0.1:1", "--timeout", "200", "ping", expect=1)
    assert "tcp://127.0.0.1:1: no connection within 200 ms" in no.stderr
    no = ctl(None, "-e", "ipc:///nonexistent/x", "ping", expect=1)
    assert "ipc:///nonexistent/x: there is no such socket" in no.stderr
    no = ctl(None, "tail", "--data", "tcp://127.0.0.1:1", "--timeout", "200", expect=1)
    assert "tcp://127.0.0.1:1: no connection" in no.stderr


def test_wrong_command_lines():
    for words in [[], ["start"], ["ping", "x"], ["connect"], ["ping", "--count", "1"], ["tail", "--count", "0"],
                  ["tail", "--nonsense"], ["ping", "--timeout"], ["ping", "--server-key", "f"]]:  # fmt: skip
        wrong = ctl(None, *words, expect=64)
        assert wrong.stdout == "" and wrong.stderr.count("\n") == 1, (words, wrong)
    assert "not yet supported" in ctl(None, "ping", "--secret-key", "f", expect=64).stderr


def test_status_for_people():
    with fake() as daemon:
        daemon.answers["status"].update(
            sessions=[session(), session(session="other", state="disconnected", reason="bad user", code=1,
                                         retry_in_ms=2500, counters={})],
            tables=[{"session": "demo", "table": "quotes", "state": "active", "items": 30, "fields": 12}],
            stats={"uptime_ms": 7384000, "updates": 123, "held_ms": 4, "sessions": {"demo": {"updates": 123}}},
        )  # fmt: skip
        text = ctl(daemon, "status").stdout
        for part in ["lsbridged 0.1.0, run 9f3c54d2a1b07e68, pid 4711, up 2 h 3 min",
                     daemon.endpoints["data"][0], daemon.endpoints["status"][0], daemon.control,
                     "a1b2c3", "45.6 kB", "other: bad user (code 1), retry in 2.5 s", "held_ms"]:  # fmt: skip
            assert part in text, (part, text)
        assert "demo.updates" not in text


def test_views_bear_what_is_missing():
    with fake() as daemon:
        for verb in ["status", "sessions", "tables", "reload", "config", "version"]:
            for more in [{}, {"sessions": [{}, 1, None], "tables": [None, "x"], "endpoints": [], "stats": 3}]:
                daemon.answers[verb] = dict(more, ok=True)
                ctl(daemon, verb)


def test_no_control_character_reaches_the_terminal():
    with fake() as daemon:
        daemon.answers["sessions"] = {"ok": True, "sessions": [session(detail="\x1b[2J\u009b\x7f\n")]}
        assert "\\u001b[2J\\u009b\\u007f\\u000a" in ctl(daemon, "sessions").stdout
        daemon.messages["data"] = [("a\x07", update("a", 1, {"x\r": "\x1b]0;\x07", "y": "", "z": None, "q": "null"}))]
        line = ctl(daemon, "tail", "--count", "1").stdout
        assert line.endswith(r'"a\u0007" #1 update "x\u000d"="\u001b]0;\u0007" y="" z=null q="null"' + "\n"), line


def test_reload_says_what_was_done():
    with fake() as daemon:
        daemon.answers["reload"] = {"ok": True, "added": ["a", "b/c"], "removed": [], "changed": [],
                                    "restart_needed": ["publisher.replay"]}  # fmt: skip
        assert ctl(daemon, "reload").stdout == "added          a  b/c\nrestart_needed publisher.replay\n"
        daemon.answers["reload"] = {"ok": True, "added": [], "removed": [], "changed": []}
        assert ctl(daemon, "reload").stdout == "nothing changed\n"


def pages(request):
    page = int(request.get("after", "0"))
    rows = [update(f"item{page * 2 + i}", page * 2 + i + 1, {"a": None if i else f"{page}"}) for i in range(2)]
    return dict({"ok": True, "run": RUN, "rows": rows, "items": []}, **({"next": str(page + 1)} if page < 3 else {}))


def test_get_pages_to_the_end():
    with fake() as daemon:
        daemon.answers["rows"] = pages
        lines = ctl(daemon, "get", "demo/quotes", "item2").stdout.splitlines()
        assert len(lines) == 8 and lines[2] == "demo/quotes item2 a=1" and lines[3] == "demo/quotes item3 a=null"
        assert daemon.requests[0] == {"cmd": "rows", "session": "demo", "table": "quotes", "item": "item2", "limit": 1000}
        assert [r.get("after") for r in daemon.requests] == [None, "1", "2", "3"]
        assert ctl(daemon, "rows", "demo/quotes", "item2").stdout.splitlines() == lines
        rows = [json.loads(line) for line in ctl(daemon, "get", "--json").stdout.splitlines()]
        assert [row["seq"] for row in rows] == list(range(1, 9))


def test_get_notices_a_restart():
    with fake() as daemon:
        daemon.answers["rows"] = lambda r: dict(pages(r), run="0" * 16 if "after" in r else RUN)
        assert "restarted" in ctl(daemon, "get", expect=1).stderr


def test_tail_compares_whole_topics():
    with fake() as daemon:
        daemon.messages["data"] = [
            ("item1", update("item1", 1, {"a": "1", "b": "2"}, changed=["a"])),
            ("item10", update("item10", 1, {"a": "10"}, replay=True)),
            ("item2", update("item2", 7, {"a": "x y"}, key="k 1", command="ADD", kseq=1)),
        ]
        lines = ctl(daemon, "tail", "item1", "item2", "--count", "2").stdout.splitlines()
        assert lines[0].endswith(" item1 #1 update a=1"), lines
        assert lines[1].endswith(' item2 #7 update ADD "k 1" a="x y"'), lines
        lines = ctl(daemon, "tail", "--prefix", "item1", "--json", "--count", "2").stdout.splitlines()
        assert [json.loads(line)["topic"] for line in lines] == ["item1", "item10"]
        assert json.loads(lines[1])["fields"] == {"a": "10"}


def test_tail_needs_no_control_socket():
    with fake() as daemon:
        daemon.messages["data"] = [("a", update("a", 1, {}))]
        ctl(None, "tail", "--data", daemon.endpoints["data"][0], "--count", "1")
        assert daemon.requests == []


def test_a_message_that_is_neither_json_nor_messagepack():
    with fake() as daemon:
        daemon.messages["data"] = [("a", b"\x81\xa1v")]
        for more in [[], ["--json"]]:
            assert "neither JSON nor MessagePack" in ctl(daemon, "tail", *more, "--count", "1", expect=1).stderr


def test_count_not_reached_is_a_failure():
    with fake() as daemon:
        daemon.messages["data"] = [("a", update("a", 1, {}))]
        no = ctl(daemon, "tail", "--count", "2", "--seconds", "1", expect=1)
        assert "1 messages within 1 s, not 2" in no.stderr
        assert len(no.stdout.splitlines()) == 1
        ctl(daemon, "tail", "--seconds", "1")


def test_watch_shows_transitions_alone():
    with fake() as daemon:
        common = {"v": 1, "run": RUN, "time": 1732310400123456, "seq": 1, "replay": True}
        daemon.messages["status"] = [
            ("stats", dict(common, updates=1)),
            ("heartbeat/demo", common),
            ("bridge", dict(common, event="start")),
            ("session/demo", dict(common, state="connected", detail="ws-streaming", code=None)),
            ("table/demo/quotes", dict(common, state="failed", reason="no such item", code=21)),
        ]
        lines = sorted(line.split(" ", 1)[1] for line in ctl(daemon, "watch", "--count", "3").stdout.splitlines())
        assert lines == [
            "bridge (replay) event=start",
            "session/demo connected (replay) detail=ws-streaming",
            'table/demo/quotes failed (replay) reason="no such item" code=21',
        ], lines
        assert " stats (replay) updates=1\n" in ctl(daemon, "watch", "stats", "--count", "1").stdout


def test_wildcard_is_replaced_by_the_host_that_was_asked():
    with fake(control="tcp://127.0.0.1:*") as daemon:
        daemon.answers["status"]["endpoints"]["data"] = ["ipc:///elsewhere", "tcp://0.0.0.0:1"]
        no = ctl(daemon, "tail", "--timeout", "200", expect=1)
        assert no.stderr == "lsbridgectl: tcp://127.0.0.1:1: no connection\n", no.stderr
        daemon.answers["status"]["endpoints"]["data"] = ["ipc:///elsewhere"]
        assert "give it with --data" in ctl(daemon, "tail", expect=1).stderr


def test_an_end_without_a_connection_is_a_failure():
    """0 only when the daemon answered."""
    with fake() as daemon:
        nobody = ("--data", "tcp://127.0.0.1:1")
        assert "no connection" in ctl(daemon, "tail", *nobody, "--seconds", "1", expect=1).stderr
        process = start(daemon, "tail", *nobody)
        end = time.monotonic() + LONG
        while not takes_signals(process.pid) and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert b"no connection" in process.communicate(timeout=LONG)[1] and process.returncode == 1


def takes_signals(pid):
    """Whether the process reads signals from a file by now."""
    folder, files = f"/proc/{pid}/fd", []
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            files.append(os.readlink(f"{folder}/{fd}"))
    return any("signalfd" in file for file in files)


def start(daemon, *arguments):
    return subprocess.Popen([*PROGRAM, "-e", daemon.control, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_interrupt_ends_with_0():
    with fake() as daemon:
        daemon.messages["data"] = [("a", update("a", 1, {}))]
        for how in [signal.SIGINT, signal.SIGTERM]:
            process = start(daemon, "tail")
            assert process.stdout.readline()  # so lines come as they are made, and not at the end
            process.send_signal(how)
            _, errors = process.communicate(timeout=LONG)
            assert (process.returncode, errors) == (0, b""), (how, process.returncode, errors)


def test_closed_output_ends_quietly():
    with fake() as daemon:
        daemon.messages["data"] = [("a", update("a", 1, {}))]
        process = start(daemon, "tail")
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=LONG) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


def test_full_disk_is_said():
    with fake() as daemon, open("/dev/full", "wb") as full:
        daemon.answers["ping"] = {"ok": True}
        done = subprocess.run([*PROGRAM, "-e", daemon.control, "ping"], stdout=full, stderr=subprocess.PIPE, timeout=LONG,
                              check=False)  # fmt: skip
        assert done.returncode == 1 and b"cannot write" in done.stderr


def main():
    tests = [(name, value) for name, value in globals().items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        begun = time.monotonic()
        try:
            test()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAIL {name}: {error}")
        else:
            print(f"ok {name} ({time.monotonic() - begun:.2f} s)")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
