"""The example consumers, each fed the same messages: all of them must say the same.

The programs are looked for in $LSBRIDGE_BIN, and examples/consumer in the folder examples beside it. $LSBRIDGE_NODE_MODULES is a folder
with the npm package zeromq; without it the Node example is not among the tests. For run.py; runs by itself as well.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import zmq

BIN = os.path.abspath(os.environ.get("LSBRIDGE_BIN", "."))
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
NODE_MODULES = os.environ.get("LSBRIDGE_NODE_MODULES")
LONG_MS = 60000


def message(run, seq, kind, fields=None, **more):
    if fields:
        more["fields"] = fields
    return dict({"v": 1, "run": run * 16, "session": "demo", "table": "quotes", "item": "item2", "pos": 2, "seq": seq,
                 "time": 1732310400123456, "type": kind}, **more)  # fmt: skip


MESSAGES = [
    message("a", 5, "snapshot", {"x": "1"}, replay=True),
    {"v": 1, "run": "a" * 16, "type": "replayed", "count": 1},
    message("a", 7, "update", {"x": "2"}),  # the first live one: nothing is known to be missed
    message("a", 7, "update", {"x": "2"}, replay=True),  # for somebody else
    message("a", 8, "update", {"x": None, "y": "", "z": "é/€ \"\\"}),
    message("a", 11, "update", {"x": "3"}),
    message("a", 12, "update", {"x": "1"}, item="item20"),
    message("a", 12, "gap", reason="session lost"),
    message("a", 15, "update", {"n": 1.5, "o": {"p": [True]}}, replay=True),  # one that was missed, for somebody else
    message("a", 13, "eos"),
    message("b", 1, "update", {"x": "1"}),
    message("b", 3, "lost", count=4),
    message("b", 4, "clear"),
]

SAID = """\
snapshot demo/quotes/item2 {"x":"1"}
update demo/quotes/item2 {"x":"2"}
update demo/quotes/item2 {"x":null,"y":"","z":"é/€ \\"\\\\"}
missed 2 demo/quotes/item2
update demo/quotes/item2 {"x":"3"}
update demo/quotes/item20 {"x":"1"}
gap demo/quotes/item2
update demo/quotes/item2 {"n":1.5,"o":{"p":[true]}}
eos demo/quotes/item2
update demo/quotes/item2 {"x":"1"}
missed 1 demo/quotes/item2
lost demo/quotes/item2
clear demo/quotes/item2
"""


@contextlib.contextmanager
def running(command, folder):
    environment = dict(os.environ, PATH=BIN + os.pathsep + os.environ["PATH"], PYTHONUNBUFFERED="1")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=folder, env=environment, text=True, start_new_session=True
    )
    bound = threading.Timer(LONG_MS / 1000, process.kill)
    bound.start()
    try:
        yield process
    finally:
        bound.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def consume(command, prepare=None):
    context = zmq.Context()
    with tempfile.TemporaryDirectory(prefix="lsb") as folder, context.socket(zmq.XPUB) as socket:
        if prepare:
            prepare(folder)
        socket.linger = 0
        socket.rcvtimeo = LONG_MS
        socket.bind(f"ipc://{folder}/data")
        with running([*command, f"ipc://{folder}/data", "item2"], folder) as process:
            assert socket.recv() == b"\x01item2"
            for body in MESSAGES:
                socket.send_multipart([body.get("item", "item2").encode(), json.dumps(body).encode()])
            lines = [process.stdout.readline() for _ in SAID.splitlines()]
            assert "".join(lines) == SAID, "".join(lines)
    context.term()


def test_python():
    consume(["/usr/bin/python3", os.path.join(EXAMPLES, "consumer.py")])


def test_shell():
    consume(["sh", os.path.join(EXAMPLES, "consumer.sh")])


def test_c():
    consume([os.path.join(BIN, "..", "examples", "consumer")])


if NODE_MODULES:

    def test_node():
        def prepare(folder):  # a module's packages are looked for where it is, and nowhere else
            shutil.copy(os.path.join(EXAMPLES, "consumer.mjs"), folder)
            os.symlink(os.path.abspath(NODE_MODULES), os.path.join(folder, "node_modules"))

        consume(["node", "consumer.mjs"], prepare)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
    sys.exit(0)
