"""Programs under test: started with their output in files, ended by their process id, and looked at afterwards."""

import os
import shlex
import signal
import subprocess
import time

BIN = os.path.abspath(os.environ.get("LSBRIDGE_BIN", "."))
WRAPPER = shlex.split(os.environ.get("LSBRIDGE_WRAPPER", ""))
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Every wait ends long before this unless something is wrong; valgrind makes all of them longer.
PATIENCE_S = 100 if WRAPPER else 15


class Timeout(AssertionError):
    """What was waited for did not happen in time."""


def wait_until(condition, what, timeout_s=None):
    """Calls CONDITION until it is true, and returns what it said. WHAT (a text, or a function that makes one) is
    the complaint when it never is."""
    end = time.monotonic() + (timeout_s or PATIENCE_S)
    pause_s = 0.005
    while True:
        begun = time.monotonic()
        found = condition()
        if found:
            return found
        if begun > end:
            raise Timeout(what() if callable(what) else f"waited in vain for {what}")
        # What takes long to find out is not asked all the time.
        time.sleep(max(pause_s, min(2 * (time.monotonic() - begun), 0.5)))


def command(program, *arguments):
    """The command line of a program under test."""
    return [*WRAPPER, os.path.join(BIN, program), *arguments]


def run(program, *arguments, status=0, **options):
    """Runs a program to its end and returns what it said. STATUS None takes any exit status."""
    done = subprocess.run(
        command(program, *arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False, **options
    )
    assert status is None or done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done


class Process:
    """A running program: standard error goes to a file, standard output there too unless it is a pipe."""

    def __init__(self, log, argv, **options):
        self.log_path = log
        self.status = None  # the exit status, once it is known
        with open(log, "ab") as errors:
            options.setdefault("stdout", errors)
            self.popen = subprocess.Popen(argv, stderr=errors, **options)
        self.pid = self.popen.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def wait(self, timeout_s=None):
        try:
            self.status = self.popen.wait(timeout_s or PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Timeout(f"process {self.pid} does not end; its log:\n{self.log()}") from None
        return self.status

    def stop(self, timeout_s=None):
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self):
        if self.is_running():
            self.popen.kill()
        self.status = self.popen.wait()

    def memory_kb(self):
        """Resident memory."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
