#!/usr/bin/python3
"""Runs the end-to-end tests: every function test_* in test_*.py beside this file, each in a process of its own.

    run.py --bin FOLDER [--jobs N] [--wrapper 'valgrind …'] [--list] [PATTERN…]

A parameter `world` is a World (see ../lib/world.py), ended and removed with the test; a parameter `transport` makes two tests of one, and
sets the world's. PATTERN is a part of a name. One line for each test, what a failing one said, and at last "N passed, N failed".
"""

import argparse
import importlib
import inspect
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TRANSPORTS = ("ws-streaming", "http-streaming")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="where the programs are")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--wrapper", default="", help="put in front of every program")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("pattern", nargs="*")
    return parser.parse_args()


def load(patterns):
    """All tests that match, as (name, function, transport or None)."""
    tests = []
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module = importlib.import_module(file[:-3])
        for name, function in vars(module).items():
            if not name.startswith("test_") or not callable(function):
                continue
            whole = f"{file[5:-3]}.{name[5:]}"
            if "transport" in inspect.signature(function).parameters:
                tests += [(f"{whole}[{t}]", function, t) for t in TRANSPORTS]
            else:
                tests.append((whole, function, None))
    return [t for t in tests if not patterns or any(p in t[0] for p in patterns)]


def run_one(function, transport):
    """In the test's own process. Returns whether it passed; complaints go to standard output."""
    from world import World

    wanted = inspect.signature(function).parameters
    given = {"transport": transport} if "transport" in wanted else {}
    world = World(transport or "ws-streaming") if "world" in wanted else None
    if world:
        given["world"] = world
    try:
        function(**given)
        if world:
            world.close()
        return True
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        if world:
            world.abandon()
            world.print_logs()
        return False
    finally:
        if world:
            world.remove()


def start(test, output, folder):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    tempfile.tempdir = folder
    os.setsid()  # so that all of it can be ended, should it hang
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    passed = False
    try:
        passed = run_one(test[1], test[2])
    finally:
        sys.stdout.flush()
        os._exit(0 if passed else 1)


class Running:
    def __init__(self, test):
        self.name = test[0]
        self.begun = time.monotonic()
        self.output = tempfile.TemporaryFile()
        self.folder = tempfile.mkdtemp(prefix="e2e")  # also what a test that hangs cannot remove
        self.pid = start(test, self.output, self.folder)
        self.hung = False

    def end_if_over(self, limit_s):
        if time.monotonic() - self.begun > limit_s and not self.hung:
            self.hung = True
            os.killpg(self.pid, signal.SIGKILL)

    def report(self, status):
        passed = status == 0
        seconds = time.monotonic() - self.begun
        if not passed:
            self.output.seek(0)
            sys.stdout.write(self.output.read().decode("utf-8", "replace"))
        word = "hung " if self.hung else ""
        print(f"{'ok' if passed else 'FAIL'} {self.name} ({word}{seconds:.1f} s)", flush=True)
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return passed


def run_all(tests, jobs, limit_s):
    waiting, running, counts = list(tests), {}, [0, 0]
    while waiting or running:
        while waiting and len(running) < jobs:
            one = Running(waiting.pop(0))
            running[one.pid] = one
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            counts[0 if running.pop(pid).report(status) else 1] += 1
            continue
        for one in running.values():
            one.end_if_over(limit_s)
        time.sleep(0.01)
    return counts


def main():
    options = arguments()
    os.environ["LSBRIDGE_BIN"] = os.path.abspath(options.bin)
    os.environ["LSBRIDGE_WRAPPER"] = options.wrapper
    sys.dont_write_bytecode = True
    sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
    tests = load(options.pattern)
    if options.list:
        print("\n".join(t[0] for t in tests))
        return 0
    passed, failed = run_all(tests, options.jobs, 600 if options.wrapper else 90)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
