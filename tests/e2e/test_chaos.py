"""Every trouble at random, one after the other and one within the other, under load in every mode. Whatever happens, all that was sent
arrives once, in order, with the right `changed`, or a gap says otherwise.

LSBRIDGE_CHAOS="FROM-TO" tries other seeds than the few of every day.
"""

import os
import random

from bridge import table

TABLES = [
    table("m", ["m1", "m2"], retry_failed_ms=300),
    table("d", ["d1"], mode="DISTINCT", snapshot=5, retry_failed_ms=300),
    table("c", ["c1"], ["key", "command", "a"], mode="COMMAND", retry_failed_ms=300),
    table("r", ["r1"], mode="RAW", snapshot=False, retry_failed_ms=300),
]
QUICK = {"keepalive_ms": 300, "stalled_ms": 150, "reconnect_ms": 150, "connect_ms": 500, "recovery_ms": 3000, "retry_max_ms": 40,
         "idle_ms": 300}  # fmt: skip


def update(rng):
    item = rng.choice(["m1", "m2", "d1", "c1", "c1", "r1"])
    if item == "c1":
        command = rng.choice(["ADD", "UPDATE", "UPDATE", "DELETE"])
        return f"update TEST c1 key=k{rng.randrange(4)} command={command} a={rng.randrange(3)}"
    value = rng.choice(["null", '""', '"|"', r'"\0é%"', str(rng.randrange(5)), '"' + "long " * 50 + '"'])
    return f"update TEST {item} {rng.choice('ab')}={value}"


def trouble(rng):
    n = rng.randrange(1, 8)
    return rng.choice([
        ["cut"], ["cut fin"], [f"cut after {n}"], [f"cut fin after {n}"], [f"cut bytes {n * 29}"], ["loop"], [f"loop {n * 5}"],
        [f"loop after {n}"], ["forget"], ["forget loop"], ["forget silent"], ["end 41"], ["end 48"], [f"prog -{n}", "cut"],
        ["prog +1", "cut"], ["stall"], ["half-open"], [f"drop {n}"], ["clear TEST m1"], ["clear TEST d1"], ["clear TEST c1"],
        ["lost TEST r1 3"], ["refuse bind close 2", "cut"], ["refuse bind 5 1", "cut"], ["refuse create 7 2", "forget"],
        ["refuse create close 1", "end 33"], ["refuse control 68 1", "forget"], ["late control 50", "forget"], ["late bind 60", "loop"],
        ["late bind 0", "late control 0"], ["keep 3", "cut"], ["keep 10000"], ["split random"], ["split off"],
        [r"data U,1,1,^9"], ["raw NONSENSE"], ["drop-idle"], [f"swallow {n}"], ["swallow 2", f"loop after {n}"],
        ["refuse item m2 21 1 no", "forget"], ["refuse add 17 1 no", "forget"], ["refuse add 66 1", "end 41"], ["unsubscribe 1"],
        [f"conf 1 {n * 20}"], ["grant frequency 30"], ["grant frequency off"], ["grant bandwidth 400"], ["grant bandwidth off"],
    ])  # fmt: skip


def request(rng):
    """Something for the control socket; whether it can be done at this time does not matter."""
    return rng.choice([
        {"cmd": "rebind", "session": "s"},
        {"cmd": "reconf", "session": "s", "table": "m", "max_frequency": rng.choice([50, 200, "unlimited"])},
        {"cmd": "constrain", "session": "s", "max_bandwidth_kbps": rng.choice([300, "unlimited"])},
        {"cmd": "start", "session": "s", "table": rng.choice("mdcr")},
    ])  # fmt: skip


def go_through(world, seed):
    rng = random.Random(seed)
    options = ["--session-timeout-ms", "4000"] + ["--diffs"] * (seed % 2)
    scene = world.bridge(TABLES, options=options, **QUICK).open()
    for _ in range(25):
        scene.sim.say(*[update(rng) for _ in range(rng.randrange(12))])
        scene.sim.say(*trouble(rng))
        if rng.random() < 0.1:
            scene.daemon.must("disconnect", session="s")
            scene.daemon.must("connect", session="s")
        if rng.random() < 0.2:
            scene.daemon.ask(**request(rng))
        if rng.random() < 0.2:
            scene.sim.say(f"sleep {rng.randrange(100)}")
    scene.sim.say("refuse create off", "refuse bind off", "refuse control off", "refuse item m2 off", "refuse add off", "late bind 0",
                  "late control 0", "keep 10000", "grant bandwidth off", "grant frequency off")  # fmt: skip
    # A stall or a half-open connection is noticed in its time; nothing that fails has a reason to after that. The simulator is told: what
    # was left behind on such a connection would never be sent.
    scene.sim.say("sleep 1200", "stall off")
    for t in TABLES:
        scene.daemon.wait_table("active", t["name"])
    scene.sim.say(*[update(rng) for _ in range(30)])
    scene.arrived()


def seeds():
    given = os.environ.get("LSBRIDGE_CHAOS", "1-3").split("-")
    return range(int(given[0]), int(given[-1]) + 1)


def make(seed, transport):
    def test(world):
        world.transport = transport
        try:
            go_through(world, seed)
        except BaseException:
            print(f"seed {seed}")
            raise

    return test


for chosen in ("ws-streaming", "http-streaming", "ws-polling", "http-polling"):
    for number in seeds():
        globals()[f"test_{chosen.replace('-', '_')}_{number}"] = make(number, chosen)
