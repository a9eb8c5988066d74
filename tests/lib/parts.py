"""Real parts from the system's packages between daemon and simulator: tinyproxy, microsocks, nginx. Each in the foreground, on a port
of its own, with everything it writes in the test's folder."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess

from process import Process, Timeout, wait_until

# Below the ports that the system gives to clients, which come and go.
PORTS = range(20000, 32768)


def program(name):
    """Where it is: not on everybody's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed: see scripts/install-deps"
    return found


def free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue


def has_ipv6():
    """Whether the loopback interface has an IPv6 address: in many containers it has none."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
            return True
        except OSError:
            return False


class Part(Process):
    """ARGV: the command line for a given port. Another port is taken should somebody be faster."""

    host = "127.0.0.1"

    def __init__(self, log, argv, tries=5):
        for _ in range(tries):
            self.port = free_port()
            super().__init__(log, argv(self.port), stdin=subprocess.DEVNULL)
            if self.listens():
                return
        raise Timeout(f"it does not start:\n{self.log()}")

    def listens(self):
        def there():
            if not self.is_running():
                return "ended"
            with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
                return "listens" if probe.connect_ex((self.host, self.port)) == 0 else None

        return wait_until(there, f"port {self.port}") == "listens" and self.is_running()

    def stop(self, timeout_s=None):
        """Whether a signal is an end in good order is not ours to say."""
        status = super().stop(timeout_s)
        return 0 if status == -signal.SIGTERM else status

    def count(self, words):
        """How often its log has WORDS, a regular expression."""
        return len(re.findall(words, self.log()))

    def wait_count(self, words, count):
        wait_until(lambda: self.count(words) >= count, lambda: f"{count} times {words!r} in\n{self.log()}")


class Tinyproxy(Part):
    """An HTTP proxy. USER: "name:password"; TUNNELS: the ports that CONNECT may go to (none: all)."""

    def __init__(self, folder, name, user=None, tunnels=()):
        def argv(port):
            path = f"{folder}/{name}.conf"
            lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 600", "MaxClients 100", "LogLevel Connect"]
            lines += [f"BasicAuth {user.replace(':', ' ')}"] if user else []
            lines += [f"ConnectPort {t}" for t in tunnels]
            with open(path, "w", encoding="ascii") as file:
                file.write("\n".join(lines) + "\n")
            return [program("tinyproxy"), "-d", "-c", path]

        super().__init__(f"{folder}/{name}.log", argv)
        self.address = f"127.0.0.1:{self.port}"

    def posts(self, request):
        """How many requests of that name it took for somebody else."""
        return self.count(rf"Request .*POST http://\S*/lightstreamer/{request}\.txt")

    def tunnels(self):
        return self.count(r"Request .*CONNECT ")


class Socks(Part):
    """A SOCKS5 server."""

    def __init__(self, folder, name, user=None):
        account = ["-u", user.split(":")[0], "-P", user.split(":")[1]] if user else []
        super().__init__(
            f"{folder}/{name}.log",
            lambda port: [program("microsocks"), "-i", "127.0.0.1", "-p", str(port), *account],
        )
        self.address = f"127.0.0.1:{self.port}"

    def connections(self):
        return self.count(r"connected to ")


NGINX = """daemon off; master_process off; pid {folder}/{name}.pid; error_log stderr info;
events {{ worker_connections 256; }}
http {{
    log_format words '$request $status $sent_http_content_encoding "$http_accept_encoding" '
        'agent="$http_user_agent" host="$http_host" cookie="$http_cookie" token="$http_x_token" upgrade="$http_upgrade" '
        'expect="$http_expect"';
    access_log {folder}/{name}.access words;
    client_body_temp_path {folder}/{name}.body; proxy_temp_path {folder}/{name}.proxy; fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi; scgi_temp_path {folder}/{name}.scgi;
    {http}
    server {{ listen {host}:{port} {listen}; {server} }}
}}
"""

# A location that lets everything through as it comes, WebSockets too.
THROUGH = """proxy_buffering off; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $through_connection; proxy_set_header Host $http_host;"""
THROUGH_MAP = "map $http_upgrade $through_connection { default upgrade; '' ''; }"


class Nginx(Part):
    """SERVER (PORT in it is its port) and HTTP: what stands in these blocks of its configuration; LISTEN: words of the listen directive."""

    def __init__(self, folder, name, server, http="", listen="", host="127.0.0.1"):
        self.host = host

        self.authority = f"[{host}]" if ":" in host else host

        def argv(port):
            path = f"{folder}/{name}.conf"
            blocks = {"http": http, "server": server.replace("PORT", str(port)), "listen": listen}
            with open(path, "w", encoding="ascii") as file:
                file.write(NGINX.format(folder=folder, name=name, host=self.authority, port=port, **blocks))
            return [program("nginx"), "-c", path, "-e", "stderr"]

        super().__init__(f"{folder}/{name}.log", argv)
        self.access_path = f"{folder}/{name}.access"
        self.url = f"{'https' if 'ssl' in listen else 'http'}://{self.authority}:{self.port}"

    def access(self):
        """One line for each request that is over."""
        with open(self.access_path, encoding="utf-8") as file:
            return file.read()
