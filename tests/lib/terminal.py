"""A program in a terminal: what it shows is interpreted as a Linux console would."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from process import PATIENCE_S, Timeout


class Terminal:
    """Runs ARGV; text() is the screen's lines."""

    def __init__(self, argv, rows=40, columns=130, term="linux"):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.status = None
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM=term, LC_ALL="C.UTF-8")
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvp(argv[0], argv)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, timeout_s):
        """Takes what it wrote; returns whether it is still there."""
        if not select.select([self.fd], [], [], timeout_s)[0]:
            return True
        try:
            part = os.read(self.fd, 65536)
        except OSError:  # the last one closed the other end
            return False
        self.raw += part
        self.stream.feed(part)
        return bool(part)

    def text(self):
        return [line.rstrip() for line in self.screen.display]

    def wait(self, there, what, timeout_s=None):
        """Waits until THERE(lines) is true, and returns that."""
        end = time.monotonic() + (timeout_s or PATIENCE_S)
        while True:
            found = there(self.text())
            if found:
                return found
            if time.monotonic() > end or not self.read(0.05):
                raise Timeout(f"{what}:\n" + "\n".join(self.text()) + f"\n{self.raw[-2000:]!r}")

    def wait_line(self, *words, timeout_s=None):
        """A line with all of these, in their order."""

        def there(lines):
            for line in lines:
                at, cut = 0, line.split()
                for word in cut:
                    at += at < len(words) and word == words[at]
                if at == len(words):
                    return line
            return None

        return self.wait(there, f"no line with {words}", timeout_s)

    def ended(self, timeout_s=None):
        """Waits for its end; the exit status."""
        end = time.monotonic() + (timeout_s or PATIENCE_S)
        while self.read(0.05):
            if time.monotonic() > end:
                raise Timeout("it goes on:\n" + "\n".join(self.text()))
        self.reap()
        return self.status

    def reap(self):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.reap()
