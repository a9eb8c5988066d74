"""One test's world: a folder, and everything that was started in it, which ends with the test in good order: the daemon on SIGTERM
with status 0, the simulator without a complaint about its client."""

import functools
import os
import shutil
import sys
import tempfile

import bridge
import consumer
import expect
import parts
import proxy
import simulator


class World:
    def __init__(self, transport="ws-streaming"):
        self.folder = tempfile.mkdtemp(prefix="lsb")
        self.transport = transport
        self.closers = []
        self.processes = []
        self.publisher = {}  # settings of every daemon of bridge()

    def keep(self, thing):
        self.closers.append(thing)
        return thing

    def path(self, name):
        return os.path.join(self.folder, name)

    # --- starting ---

    def sim(self, *options, door="closed", **more):
        """A simulator. Its door is closed (nobody may create a session) until sim.open_door(), so that consumers
        can be there before the first update."""
        made = simulator.Simulator(self.folder, *options, name=f"sim{len(self.processes)}", **more)
        self.processes.append(made)
        if door == "closed":
            made.say("refuse create close always")
        return made

    def daemon(self, sessions, **options):
        options.setdefault("name", f"d{len(self.processes)}")
        made = bridge.Daemon(self.folder, sessions, **options)
        self.processes.append(made)
        return made

    def consumer(self, endpoint, *prefixes, **options):
        return self.keep(consumer.Consumer(endpoint, *prefixes, **options))

    def status(self, endpoint, *prefixes, **options):
        return self.keep(consumer.Status(endpoint, *prefixes, **options))

    def client(self, endpoint, *kind):
        return self.keep(bridge.Client(endpoint, *kind))

    def proxy(self, port, **options):
        return self.keep(proxy.Proxy(port, **options))

    def part(self, kind, *arguments, **options):
        """A program of parts.py, by its class."""
        made = kind(self.folder, f"{kind.__name__.lower()}{len(self.processes)}", *arguments, **options)
        self.processes.append(made)
        return made

    @functools.cached_property
    def certificates(self):
        """The test's own authority."""
        return proxy.Certificates(self.folder)

    def tinyproxy(self, **options):
        return self.part(parts.Tinyproxy, **options)

    def socks(self, **options):
        return self.part(parts.Socks, **options)

    def nginx(self, server, **options):
        return self.part(parts.Nginx, server, **options)

    def notify(self):
        return self.keep(bridge.Notify(self.path("notify")))

    def file(self, name, content, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def bridge(self, tables, options=(), url=None, publisher=None, environment=None, **settings):
        """What most tests want: a simulator, a daemon with one session to it, a consumer of everything and one of
        the status. Its open() lets the daemon in. With PUBLISHER settings, consumers are the test's own affair."""
        return Scene(self, tables, options, url, publisher, environment, settings)

    # --- ending ---

    def close(self):
        """Ends everything. Raises what is wrong with that."""
        wrong = []
        for process in reversed(self.processes):
            if process.status is None:
                status = process.stop()
                if status != 0:
                    wrong.append(f"{process.log_path}: exit status {status}")
        for thing in reversed(self.closers):
            thing.close()
            wrong += [str(f) for f in getattr(thing, "faults", [])]
        for process in self.processes:
            words = ["AddressSanitizer", "LeakSanitizer", "runtime error:"]
            words += ["VIOLATION"] if getattr(process, "strict", False) else []
            wrong += [line for line in process.log().splitlines() if any(w in line for w in words)]
        assert not wrong, wrong

    def abandon(self):
        """After a failure: nothing may stay."""
        for process in self.processes:
            process.kill()
        for thing in reversed(self.closers):
            try:
                thing.close()
            except Exception as error:
                print(f"closing: {error!r}", file=sys.stderr)

    def print_logs(self, most=100000):
        for process in self.processes:
            text = process.log()
            print(f"----- {process.log_path}\n{text[-most:]}")
            events = process.log_path + ".events"
            if os.path.exists(events):
                with open(events, encoding="utf-8", errors="replace") as file:
                    print(f"----- {events}\n{file.read()[-most:]}")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Scene:
    """See World.bridge()."""

    def __init__(self, world, tables, options, url, publisher, environment, settings):
        self.world = world
        self.tables = tables
        self.sim = world.sim(*options)
        settings.setdefault("transport", world.transport)
        self.settings = settings
        self.url = url or self.sim.url
        self.daemon = world.daemon([self.session()], publisher={**world.publisher, **(publisher or {})}, environment=environment)
        self.consumer = world.consumer(self.daemon.data).ready() if not publisher else None
        self.status = world.status(self.daemon.status_endpoint)
        self.status.wait(topic="bridge")

    def session(self, tables=None, **settings):
        return bridge.session(self.url, self.tables if tables is None else tables, **{**self.settings, **settings})

    def open(self):
        """Opens the door, and waits until every table is active."""
        self.sim.open_door()
        for table in self.tables:
            self.status.wait_table("active", f"s/{table['name']}")
        return self

    def arrived(self, **options):
        """Everything that was sent has come."""
        self.sim.say("wait drained")
        expect.arrived(self.sim, self.consumer, self.tables, **options)
        self.status.check_all()

    def gaps(self):
        return self.consumer.select(type="gap")

    def caught_up(self):
        """The status consumer has heard what was last said of the session."""
        with_latest = consumer.Status(self.daemon.status_endpoint, "session/s")
        latest = with_latest.wait(topic="session/s")["seq"]
        with_latest.close()
        self.status.wait(topic="session/s", where=lambda m: m["seq"] >= latest)

    def continuities(self):
        self.caught_up()
        by_number = {m["seq"]: m for m in self.status.select(topic="session/s")}
        return [m["continuity"] for _, m in sorted(by_number.items()) if "continuity" in m]
