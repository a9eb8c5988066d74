"""The configuration as its user meets it: --check, --print-config, exit statuses."""

import json
import os
import re

from bridge import configuration, session, table
from process import TOP, run

GOOD = configuration(sessions=[session("http://127.0.0.1:1", [table()])])


def check(world, text, status=78, environment=None):
    """What --check says of TEXT, and the file's name."""
    path = world.file("lsbridged.conf", text)
    done = run("lsbridged", "--config", path, "--check", status=status, env=dict(os.environ, **(environment or {})))
    return done.stderr, path


def test_good(world):
    said, _ = check(world, GOOD, status=0)
    assert said == ""


def test_every_fault_at_once(world):
    text = "\n".join([
        'publisher = { endpoints = [ "udp://x" ]; high_water_mark = 0; nonsense = 1; };',  # 1
        'status = { stats_interval_ms = "soon"; };',  # 2
        "sessions = ( {",  # 3
        '  name = "a b";',  # 4
        '  url = "ftp://x";',  # 5
        "  keepalive_ms = 99999999999;",  # 6
        '  user = "${NOT_DEFINED_HERE}";',  # 7
        '  password = "x"; password_file = "/no/such/file";',  # 8
        '  ca_file = "/no/such/ca";',  # 9
        "  tables = (",  # 10
        '    { name = "t"; mode = "MERGED"; items = [ "i", "i" ]; fields = [ "a" ]; },',  # 11
        '    { name = "t"; items = [ "i" ]; fields = [ "a" ]; snapshot = 5; },',  # 12
        '    { items = [ "i" ]; key_field = "a"; }',  # 13
        "  );",
        "} );",
    ])  # fmt: skip
    said, path = check(world, text)
    lines = {int(m[1]) for m in re.finditer(rf"^{re.escape(path)}:(\d+): ", said, re.M)}
    assert lines >= {1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13}, said
    assert all(line.startswith(path + ":") for line in said.splitlines()), said
    assert "expected" in said and "nonsense" in said and "NOT_DEFINED_HERE" in said
    assert "x" * 3 not in said


def test_the_daemon_does_not_start_with_a_fault(world):
    path = world.file("bad.conf", GOOD + "nonsense = 1;\n")
    done = run("lsbridged", "-c", path, status=78)
    assert f"{path}:" in done.stderr and "nonsense" in done.stderr
    missing = run("lsbridged", "-c", world.path("missing.conf"), status=78)
    assert "missing.conf" in missing.stderr


def test_syntax(world):
    said, path = check(world, "publisher = {\n  endpoints = ;\n};\n")
    assert said.startswith(f"{path}:2: ") and len(said.splitlines()) == 1, said


def test_nothing_is_silently_taken(world):
    """Every setting of the contract does what it says, or is refused as not yet supported."""
    sessions = {
        "transport": "ws-polling", "protocol": "text", "slowing": True, "credentials_command": "true", "reverse_heartbeat_ms": 5,
        "idle_ms": 5, "polling_ms": 5,
    }  # fmt: skip
    tables = {"silent": True, "split_on_error": True, "stale_ms": 5, "types": {"number": ["a"]}, "encoding": "msgpack"}
    texts = {k: configuration(sessions=[{**session("http://x", [table()], transport="http-streaming"), k: v}]) for k, v in sessions.items()}
    texts.update({k: configuration(sessions=[session("http://x", [table(**{k: v})])]) for k, v in tables.items()})
    texts["metrics"] = 'metrics = { listen = "127.0.0.1:1"; };' + GOOD
    texts["fields"] = 'publisher = { encoding = "msgpack"; };' + GOOD
    for setting, text in texts.items():
        path = world.file("lsbridged.conf", text)
        done = run("lsbridged", "-c", path, "--check", status=None)
        said = [line for line in done.stderr.splitlines() if "not yet supported" not in line]
        assert not said and done.returncode == (78 if done.stderr else 0), (setting, done.stderr)


def test_environment(world):
    text = configuration(sessions=[session("http://${HOST_NAME}", [table()], user="$${HOST_NAME} ${EMPTY}.")])
    said, path = check(world, text, status=0, environment={"HOST_NAME": "h.example", "EMPTY": ""})
    assert said == ""
    printed = run("lsbridged", "-c", path, "--print-config", env={**os.environ, "HOST_NAME": "h.example", "EMPTY": ""})
    assert "http://h.example" in printed.stdout and "HOST_NAME} ." in printed.stdout, printed.stdout
    said, path = check(world, text, environment={"HOST_NAME": "h.example"})
    assert "EMPTY" in said


def test_includes(world):
    """Relative to the main file's directory, nested ones too; a fault says the file that it is in."""
    os.mkdir(world.path("more"))
    world.file("more/one.conf", '@include "more/two.conf"\n')
    world.file("more/two.conf", GOOD)
    said, _ = check(world, '@include "more/one.conf"\n', status=0)
    assert said == ""
    world.file("more/two.conf", "\nnonsense = 1;\n" + GOOD)
    said, _ = check(world, '@include "more/one.conf"\n')
    assert re.search(r"two\.conf:2: .*nonsense", said), said


def test_printed_configuration(world):
    """Every setting, secrets masked; it can be read again (but for the secrets), and says the same then."""
    sessions = [
        session("https://me:url-secret@h.example/x", [table(), table("c", ["x"], ["key", "command"], mode="COMMAND")],
                user="me", password="pass-secret", proxy="http://p:proxy-secret@proxy.example:1",
                headers=[{"name": "X-Token", "value": "header-secret"}])
    ]  # fmt: skip
    path = world.file("lsbridged.conf", configuration(publisher={"slow_consumer": "wait"}, sessions=sessions))
    printed = run("lsbridged", "-c", path, "--print-config").stdout
    assert not re.search(r"\w+-secret", printed), printed
    assert 'slow_consumer = "wait"' in printed and "retry_max_ms" in printed
    again = run("lsbridged", "-c", world.file("again.conf", printed), "--print-config").stdout
    assert again == printed


def test_printed_configuration_over_the_control_socket(world):
    scene = world.bridge([table()])
    config = scene.daemon.must("config")["config"]
    assert config["publisher"]["topic"] == "{item}" and config["sessions"][0]["tables"][0]["items"] == ["item1"]
    json.dumps(config)


def test_shipped_files(world):
    environment = dict(os.environ, IG_STREAMING_URL="http://h.example", IG_ACCOUNT="A", IG_CST="c", IG_XST="x")
    for folder in ("etc", "etc/examples"):
        for file in sorted(os.listdir(os.path.join(TOP, folder))):
            if file.endswith(".conf"):
                run("lsbridged", "-c", os.path.join(TOP, folder, file), "--check", env=environment)
