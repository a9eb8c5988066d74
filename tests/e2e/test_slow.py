"""A stalled, a slow and a healthy consumer side by side, both ways that slow_consumer knows."""

import os
import threading

import zmq

from bridge import table
from consumer import Consumer
from process import wait_until

# Without this, freed memory stays for long, as the sanitizer's.
LEAN = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
ROW = 2000  # bytes of a message, about


class Slow(Consumer):
    """Reads a few messages at a time, in its own time."""

    def __init__(self, endpoint, pause_s, **options):
        self.pause_s = pause_s
        super().__init__(endpoint, high_water_mark=5, **options)

    def take(self, socket):
        for _ in range(50):
            try:
                parsed = self.parse(socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                break
            with self.news:
                self.messages.append(parsed)
                self.news.notify_all()
        self.over.wait(self.pause_s)


class Trio:
    def __init__(self, world, **publisher):
        self.scene = scene = world.bridge([table("t", ["item1"], ["a", "b"])],
                                          publisher={"high_water_mark": 300, **publisher}, environment=LEAN)  # fmt: skip
        data = scene.daemon.data
        scene.consumer = self.healthy = world.consumer(data).ready()
        self.slow = world.keep(Slow(data, 0.02)).ready()
        self.stalled = world.consumer(data, high_water_mark=5).ready()
        scene.open()

    def send(self, n):
        """Updates of some size, in the background, and never so fast that the healthy one falls behind."""
        filler = "x" * ROW

        def work():
            for first in range(0, n, 50):
                self.scene.sim.say(*[f"update TEST item1 a={i} b={filler}" for i in range(first, first + 50)])
                wait_until(lambda: len(self.healthy.messages) > first - 20, "the healthy consumer")

        thread = threading.Thread(target=work)
        thread.start()
        return thread


def missing(consumer):
    """How many messages of the item CONSUMER knows to have missed, by seq."""
    numbers = [m["seq"] for m in consumer.live()]
    assert numbers == sorted(set(numbers))
    return numbers[-1] - len(numbers)


def test_drop(world, transport):
    trio = Trio(world, slow_consumer="drop", slow_consumer_wait_ms=300)
    scene = trio.scene
    before = scene.daemon.memory_kb()
    trio.stalled.pause()
    trio.send(5000).join()
    scene.arrived()  # the healthy one loses nothing
    growth = scene.daemon.memory_kb() - before
    assert growth < 60000, growth
    stats = scene.daemon.must("status")["stats"]
    assert stats["dropped"] > 0 and stats["holds"] > 0, stats
    assert stats["held_ms"] < 2000, stats
    scene.status.wait_session("connected", detail="held")
    last = [m for m in scene.status.select(topic="session/s")][-1]
    assert last["detail"] == transport, last
    trio.stalled.resume()
    trio.stalled.wait_quiet(0.5)
    scene.sim.update("item1", a="last")
    trio.stalled.wait(where=lambda m: m.get("fields", {}).get("a") == "last")
    assert missing(trio.stalled) > 0


def test_wait(world, transport):
    trio = Trio(world, slow_consumer="wait")
    scene = trio.scene
    before = scene.daemon.memory_kb()
    trio.stalled.pause()
    sending = trio.send(3000)
    scene.status.wait_session("connected", detail="held")
    held_at = len(trio.healthy.messages)
    threading.Event().wait(0.5)
    assert len(trio.healthy.messages) - held_at < 1000  # nobody gets more meanwhile
    growth = scene.daemon.memory_kb() - before
    assert growth < 60000, growth
    trio.stalled.resume()
    sending.join()
    scene.arrived()
    for consumer in (trio.slow, trio.stalled):
        consumer.wait(where=lambda m: m.get("fields", {}).get("a") == "2999")
        assert missing(consumer) == 0
    assert scene.daemon.must("status")["stats"]["dropped"] == 0
    assert not scene.gaps()


def test_held_for_longer_than_the_stall_clocks(world, transport):
    """While nothing is read, nobody says that the server is late."""
    world.quick = {"keepalive_ms": 200, "stalled_ms": 100, "reconnect_ms": 100}
    scene = world.bridge([table("t", ["item1"], ["a", "b"])], publisher={"high_water_mark": 100, "slow_consumer": "wait"},
                         **world.quick)  # fmt: skip
    scene.consumer = world.consumer(scene.daemon.data).ready()
    stalled = world.consumer(scene.daemon.data, high_water_mark=5).ready()
    scene.open()
    stalled.pause()
    filler = "x" * ROW
    scene.sim.say(*[f"update TEST item1 a={i} b={filler}" for i in range(1500)])
    scene.status.wait_session("connected", detail="held")
    threading.Event().wait(1)
    assert scene.daemon.session()["detail"] == "held"
    stalled.resume()
    scene.arrived()
    assert not scene.gaps()
    assert not [m for m in scene.status.select(topic="session/s") if m["detail"] in ("stalled", "recovering")]


def test_stop_while_held(world, transport):
    """SIGTERM ends it all the same, within linger_ms."""
    scene = world.bridge([table("t", ["item1"], ["a", "b"])],
                         publisher={"high_water_mark": 100, "slow_consumer": "wait", "linger_ms": 300})  # fmt: skip
    stalled = world.consumer(scene.daemon.data, high_water_mark=5).ready()
    scene.open()
    stalled.pause()
    filler = "x" * ROW
    scene.sim.say(*[f"update TEST item1 a={i} b={filler}" for i in range(1500)])
    scene.status.wait_session("connected", detail="held")
    assert scene.daemon.stop() == 0
    assert scene.sim.wait_event("ended")["cause"] == "destroyed"


def test_control_and_status_live_while_held(world, transport):
    scene = world.bridge([table("t", ["item1"], ["a", "b"])], publisher={"high_water_mark": 100, "slow_consumer": "wait"})
    stalled = world.consumer(scene.daemon.data, high_water_mark=5).ready()
    scene.open()
    stalled.pause()
    filler = "x" * ROW
    scene.sim.say(*[f"update TEST item1 a={i} b={filler}" for i in range(1500)])
    scene.status.wait_session("connected", detail="held")
    assert scene.daemon.session()["detail"] == "held"
    assert scene.daemon.must("ping")["time"] > 0
    scene.daemon.must("disconnect", session="s")
    scene.status.wait_session("disconnected", detail="stopped")
    stalled.resume()
    stalled.wait(type="gap")
    scene.daemon.must("connect", session="s")
    scene.status.wait_session("connected", continuity="new", count=2)
