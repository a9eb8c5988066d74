"""The simulator's older text mode, line by line: what another client would be told."""

import http.client

from process import PATIENCE_S, wait_until
from simulator import quoted
from textmode import CREATE, TextClient, form


def text_mode(world, *options):
    """A simulator that fills no stream up, and a client of it."""
    sim = world.sim("--preamble", "0", *options, door="open")
    return sim, world.keep(TextClient(sim.port))


def streaming(world, *options, **create):
    """The same with a stream, past its head."""
    sim, client = text_mode(world, *options)
    stream = client.create(**create)
    stream.head()
    return sim, client, stream


# --- sessions ---


def test_head_of_a_stream(world):
    _, client = text_mode(world)
    assert client.create().head() == ["KeepaliveMillis:5000", "RequestLimit:50000"]
    assert client.bind(LS_keepalive_millis=700).head() == ["KeepaliveMillis:700", "RequestLimit:50000"]


def test_head_with_all_that_can_be_said(world):
    sim = world.sim("--control-link", "push2.example.com", "--server-name", "old one", "--request-limit", "4000", door="open")
    client = world.keep(TextClient(sim.port))
    stream = client.create(LS_report_info="true", LS_requested_max_bandwidth="12.5")
    assert stream.head() == [
        "ControlAddress:push2.example.com",
        "KeepaliveMillis:5000",
        "MaxBandwidth:12.5",
        "RequestLimit:4000",
        "ServerName:old one",
    ]
    preamble = stream.lines(2)
    assert all(line.startswith("Preamble: .") for line in preamble)


def test_parameters_in_the_query_string(world):
    sim, client = text_mode(world)
    client.open("create_session", None, query=form(CREATE))
    assert client.answer("control", query=form({"LS_session": client.session, "LS_op": "destroy"})) == ["OK"]
    assert sim.wait_event("ended", cause="destroyed")
    assert sim.all("session")[0]["protocol"] == "text"


def test_keep_alive(world):
    _, _, stream = streaming(world, LS_keepalive_millis=100)
    assert stream.lines(3) == ["PROBE"] * 3


def test_user(world):
    _, client = text_mode(world, "--user", "jane:a+b c&d=%é")
    refused = client.answer("create_session", form({**CREATE, "LS_user": "jane", "LS_password": "a b c&d=%é"}))
    assert refused == ["ERROR", "1", "User/password check failed"]
    client.create(LS_user="jane", LS_password="a+b c&d=%é")


def test_refused_creates(world):
    sim, client = text_mode(world)
    assert client.answer("create_session", form({**CREATE, "LS_adapter_set": "NONE"}))[:2] == ["ERROR", "2"]
    sim.say("refuse create 7 1 too many, I fear")
    assert client.answer("create_session", form(CREATE)) == ["ERROR", "7", "too many, I fear"]
    sim.say("refuse create -5")
    assert client.answer("create_session", form(CREATE))[:2] == ["ERROR", "-5"]
    sim.say("refuse create http 503")
    assert client.post("create_session", form(CREATE))[0].status == 503
    client.create()
    assert [e["code"] for e in sim.all("refused")] == [2, 7, -5]


def test_unknown_sessions(world):
    sim, client, _ = streaming(world)
    sim.say("forget")
    assert client.answer("bind_session", {}) == ["SYNC ERROR"]
    assert client.control({"LS_op": "delete", "LS_table": 1}, {"LS_op": "destroy"}) == ["SYNC ERROR"] * 2
    assert client.answer("send_message", {"LS_message": "x"}) == ["SYNC ERROR"]


def test_sync_error_on_request(world):
    sim, client, _ = streaming(world)
    sim.say("refuse bind 20", "refuse control 20")
    assert client.answer("bind_session", {}) == ["SYNC ERROR"]
    assert client.control({"LS_op": "force_rebind"}) == ["SYNC ERROR"]
    assert client.control({"LS_op": "force_rebind"}) == ["OK"]


def test_ends(world):
    sim, client, stream = streaming(world)
    for command, lines in (("end 32 for all", ["END 32"]), ("end none", ["END"]), ("end next 48", ["END", "48"])):
        sim.say(command)
        assert stream.rest() == lines
        stream = client.create()
        stream.head()
    sim.say("refuse bind end 31")
    assert client.answer("bind_session", {}) == ["END", "31"]
    sim.say("refuse bind end none")
    assert client.answer("bind_session", {}) == ["END"]
    client.bind().head()
    assert client.control({"LS_op": "destroy"}) == ["OK"]
    assert client.streams[-1].rest() == ["END 31"]


def test_loops(world):
    sim, client, stream = streaming(world)
    sim.say("loop")
    assert stream.rest() == ["LOOP"]
    stream = client.bind()
    stream.head()
    assert client.control({"LS_op": "force_rebind", "LS_polling_millis": 30}) == ["OK"]
    assert stream.rest() == ["LOOP 30"]


def test_content_length(world):
    sim, client, stream = streaming(world, LS_content_length=1000)
    client.add(1, "item1", "a")
    for n in range(4):
        sim.update("item1", a=str(n) * 280)
    assert stream.rest() == [f"1,1|{n * 280}" for n in "012"] + ["LOOP"]
    stream = client.bind(LS_content_length=1000)
    stream.head()
    assert stream.line() == f"1,1|{'3' * 280}"


def test_nothing_is_recovered_after_a_cut(world):
    sim, client, stream = streaming(world)
    client.add(1, "item1", "a b")
    sim.update("item1", a="1", b="1")
    assert stream.line() == "1,1|1|1"
    sim.say("swallow 1")
    sim.update("item1", a="2")
    sim.wait_event("unbound")
    stream = client.bind()
    stream.head()
    sim.update("item1", b="3")
    assert stream.line() == "1,1||3"


# --- polling ---


def test_polling(world):
    sim, client = text_mode(world)
    poll = {"LS_polling": "true", "LS_polling_millis": 20, "LS_idle_millis": 0}
    stream = client.create(**poll)
    assert stream.head() == ["PollingMillis:20", "RequestLimit:50000"]
    assert stream.rest() == ["LOOP 20"]
    assert client.add(1, "item1 item2", "a") == ["OK"]
    sim.update("item2", a="x")
    sim.update("item1", a="y")
    stream = client.bind(**poll)
    stream.head()
    assert stream.rest() == ["1,2|x", "1,1|y", "LOOP 20"]
    stream = client.bind(**{**poll, "LS_idle_millis": 20000})
    stream.head()
    sim.update("item1", a="z")
    assert stream.rest() == ["1,1|z", "LOOP 20"]
    stream = client.bind()
    assert stream.head() == ["KeepaliveMillis:5000", "RequestLimit:50000"]


# --- values ---


def test_values(world):
    sim, client, stream = streaming(world)
    assert client.add(1, "item1", "a b c") == ["OK"]
    for a, b, line in (
        ("x", "y", "1,1|x|y|#"),
        ("x", "y", "1,1|||"),
        ("", None, "1,1|$|#|"),
        ("#", "$", "1,1|##|$$|"),
        ("#a#$", "$$", "1,1|##a#$|$$$|"),
        ("a|b", "\\u0041", "1,1|a\\u007Cb|\\u005Cu0041|"),
        ("\r\n\t\0", " %,", "1,1|\\u000D\\u000A\\u0009\\u0000| %,|"),
        ("é€", "\U0001d11e\U0010ffff", "1,1|\\u00E9\\u20AC|\\uD834\\uDD1E\\uDBFF\\uDFFF|"),
        (b"\xffa\xed\xa0\x80", "\ufeff", "1,1|\\uFFFDa\\uFFFD\\uFFFD\\uFFFD|\\uFEFF|"),
    ):
        sim.update("item1", a=a, b=b)
        assert stream.line() == line


# --- tables ---


def test_merge(world):
    sim, client, stream = streaming(world)
    sim.update("item2", a="1", b="2")
    assert client.add(3, "item1 item2", "b a", LS_snapshot="true") == ["OK"]
    assert stream.line() == "3,2|2|1"
    sim.update("item1", a="7")
    sim.say("clear TEST item2", "lost TEST item1 12")
    assert stream.lines(3) == ["3,1|#|7", "3,2|#|#", "3,1,OV12"]


def test_distinct(world):
    sim, client, stream = streaming(world)
    sim.updates("item1", range(5))
    assert client.add(1, "item1", "a", LS_mode="DISTINCT", LS_snapshot=2) == ["OK"]
    sim.update("item1", a="4")
    sim.say("clear TEST item1")
    assert stream.lines(5) == ["1,1|3", "1,1|4", "1,1,EOS", "1,1|", "1,1,CS"]


def test_command(world):
    sim, client, stream = streaming(world)
    sim.update("list", key="k", command="ADD", v="1")
    assert client.add(1, "list", "key command v", LS_mode="COMMAND", LS_snapshot="true") == ["OK"]
    sim.update("list", key="k", command="UPDATE", v="2")
    sim.update("list", key="l", command="ADD", v="2")
    sim.update("list", key="k", command="DELETE")
    assert stream.lines(5) == ["1,1|k|ADD|1", "1,1,EOS", "1,1||UPDATE|2", "1,1|l|ADD|", "1,1|k|DELETE|#"]


def test_raw(world):
    sim, client, stream = streaming(world)
    assert client.add(1, "item1", "a b", LS_mode="RAW", LS_snapshot="true") == ["OK"]
    sim.update("item1", a="1")
    sim.update("item1", b="1")
    assert stream.lines(2) == ["1,1|1|#", "1,1|#|1"]


def test_silent_tables(world):
    sim, client, stream = streaming(world)
    sim.update("item1", a="1")
    assert client.add(1, "item1", "a", LS_op="add_silent", LS_snapshot="true") == ["OK"]
    assert client.add(2, "item1", "a", LS_op="add_silent") == ["OK"]
    assert client.add(3, "item2", "a", LS_op="add_silent", LS_mode="DISTINCT", LS_snapshot="true") == ["OK"]
    sim.update("item1", a="2")
    sim.say("lost TEST item1", "clear TEST item2", "eos TEST item2")
    starts = [{"LS_op": "start", "LS_table": n} for n in (1, 2, 3)]
    assert client.control(*starts) == ["OK"] * 3
    sim.update("item1", a="3")
    assert client.control(*starts) == ["OK"] * 3
    assert [stream.line(), stream.line(), *sorted(stream.lines(2))] == ["1,1|2", "3,1,EOS", "1,1|3", "2,1|3"]


def test_delete(world):
    sim, client, stream = streaming(world)
    assert client.add(1, "item1", "a") == ["OK"]
    assert client.add(2, "item1", "a") == ["OK"]
    assert client.control({"LS_op": "delete", "LS_table": 1}) == ["OK"]
    assert client.control({"LS_op": "delete", "LS_table": 1}) == ["ERROR", "19", "Specified table not found"]
    sim.update("item1", a="1")
    assert stream.line() == "2,1|1"


def test_refused_tables(world):
    sim, client, _ = streaming(world)

    def code(**more):
        word, code, _ = client.control(
            {"LS_op": "add", "LS_table": 1, "LS_id": "x", "LS_schema": "a", "LS_mode": "MERGE", **more}
        )
        assert word == "ERROR"
        return int(code)

    assert code(LS_id="no-such") == 21
    assert code(LS_schema="a no-such") == 23
    assert code(LS_data_adapter="NO_SUCH") == 17
    assert code(LS_mode="COMMAND") == 15
    assert code(LS_mode="COMMAND", LS_schema="key") == 16
    sim.say("refuse control -3 1 not today")
    assert client.add(1, "x", "a") == ["ERROR", "-3", "not today"]
    assert client.add(1, "x", "a") == ["OK"]


def test_frequency(world):
    sim, client, stream = streaming(world)
    assert client.add(1, "item1", "a", LS_requested_max_frequency="0") == ["OK"]
    assert client.add(2, "item1", "a", LS_requested_max_frequency="unfiltered") == ["OK"]
    assert client.add(3, "item1", "a", LS_requested_max_frequency="0.01", LS_requested_buffer_size="0") == ["OK"]
    sim.updates("item1", range(3))
    found = stream.lines(7)
    assert [n for n in found if n[0] in "12"] == [f"{t},1|{n}" for n in range(3) for t in (1, 2)]
    assert [n for n in found if n[0] == "3"] == ["3,1|0"]
    assert client.control({"LS_op": "reconf", "LS_table": 3, "LS_requested_max_frequency": "5"}) == ["OK"]
    refused = client.control(
        {"LS_op": "reconf", "LS_table": 2, "LS_requested_max_frequency": "5"},
        {"LS_op": "reconf", "LS_table": 1, "LS_requested_max_frequency": "unfiltered"},
    )
    assert refused[0::3] == ["ERROR"] * 2 and refused[1::3] == ["13", "13"]


def test_bandwidth(world):
    _, client, _ = streaming(world, LS_requested_max_bandwidth="20", LS_report_info="true")
    assert client.control({"LS_op": "constrain", "LS_requested_max_bandwidth": "7.5"}) == ["OK"]
    assert "MaxBandwidth:7.5" in client.bind(LS_report_info="true").head()
    assert client.control({"LS_op": "constrain", "LS_requested_max_bandwidth": "0"}) == ["OK"]
    assert not [line for line in client.bind(LS_report_info="true").head() if line.startswith("MaxBandwidth")]
    assert "MaxBandwidth:3" in client.bind(LS_report_info="true", LS_requested_max_bandwidth="3").head()


def test_other_separator_and_adapter_parameter(world):
    sim, client = text_mode(world, "--separator", "|", "--adapter-parameter", "LS_adapter")
    stream = client.create(LS_adapter_set="DEMO")
    stream.head()
    assert client.add(1, "item1|item2", "stock_name|bid", LS_adapter="QUOTE_ADAPTER", LS_snapshot="true") == ["OK"]
    assert sorted(line[:4] for line in stream.lines(2)) == ["1,1|", "1,2|"]
    assert [s["items"] for s in sim.all("subscribed")] == [["item1", "item2"]]
    sim = world.sim("--adapter-parameter", "LS_adapter", door="open", strict=False)
    other = world.keep(TextClient(sim.port))
    other.create()
    assert other.add(1, "x", "a", LS_data_adapter="NO_SUCH") == ["OK"]
    assert [v["text"] for v in sim.all("violation")] == ["LS_data_adapter is not what this server calls it"]


def test_batches_are_answered_in_order(world):
    sim, client, _ = streaming(world)
    tables = [
        {"LS_op": "add", "LS_table": n, "LS_id": f"item{n}", "LS_schema": "a", "LS_mode": "MERGE"} for n in range(1, 101)
    ]
    tables[49]["LS_id"] = "no-such"
    answers = client.control(*tables)
    assert answers == ["OK"] * 49 + ["ERROR", "21", "Bad item group"] + ["OK"] * 50
    assert sim.count("subscribed") == 99
    other = world.keep(TextClient(sim.port))
    other.create()
    client.control({"LS_op": "destroy"})
    assert client.control({"LS_op": "destroy"}, {"LS_op": "destroy", "LS_session": other.session}) == ["SYNC ERROR", "OK"]


# --- messages ---


def test_messages(world):
    _, client, stream = streaming(world)

    def send(message, **more):
        return client.answer("send_message", {"LS_message": message, **more})

    assert send("hello") == ["OK"]
    assert send("fail:-7:no, thank\nyou") == ["ERROR", "-7", "no, thank you"]
    assert send("b", LS_sequence="s_1", LS_msg_prog=2) == ["OK"]
    assert send("fail:34:a, b", LS_sequence="s_1", LS_msg_prog=1) == ["OK"]
    assert stream.lines(2) == ["MSG,s_1,1,ERR,34,a, b", "MSG,s_1,2,DONE"]
    assert send("again", LS_sequence="s_1", LS_msg_prog=2)[:2] == ["ERROR", "32"]
    assert send("c", LS_sequence="s_1", LS_msg_prog=6, LS_max_wait=1) == ["OK"]
    assert stream.lines(2) == ["MSG,s_1,5,ERR,39,3", "MSG,s_1,6,DONE"]
    for prog in (2, 1):
        assert send("d", LS_sequence="UNORDERED_MESSAGES", LS_msg_prog=prog) == ["OK"]
    assert stream.lines(2) == ["MSG,UNORDERED_MESSAGES,2,DONE", "MSG,UNORDERED_MESSAGES,1,DONE"]


def test_chat(world):
    _, client = text_mode(world)
    stream = client.create(LS_adapter_set="DEMO")
    stream.head()
    room = {"LS_mode": "DISTINCT", "LS_data_adapter": "CHAT_ROOM"}
    assert client.add(1, "chat_room", "IP message", **room) == ["OK"]
    assert client.answer("send_message", {"LS_message": "CHAT|hello + good bye"}) == ["OK"]
    assert stream.line() == "1,1|127.0.0.1|hello + good bye"


# --- faults ---


def test_faults_of_the_script(world):
    sim, client, stream = streaming(world)
    client.add(1, "item1", "a")
    sim.say("raw 9,9,NEW", "data 1,1|from afar", "data 1,1|\\\\ud834|\\\\udd1e", "bytes 1,1|", "bytes x\\r\\n", "loop after 2", "drop 1")
    sim.updates("item1", range(4))
    assert stream.rest() == ["9,9,NEW", "1,1|from afar", "1,1|\\ud834|\\udd1e", "1,1|x", "1,1,OV1", "1,1|1", "LOOP"]
    stream = client.bind()
    stream.head()
    assert stream.lines(2) == ["1,1|2", "1,1|3"]
    sim.say("cut after 1")
    sim.update("item1", a="5")
    sim.wait_event("unbound", cause="cut")
    sim.say("late control 50", "late bind 50", "refuse bind close")
    assert client.control({"LS_op": "force_rebind"}) == ["OK"]
    try:
        client.bind()
    except OSError:
        pass
    sim.say("stall")
    client.bind().head()


def test_answers_that_fail(world):
    sim, client, stream = streaming(world)
    sim.say("refuse control http 500")
    assert client.post("control", form({"LS_session": client.session, "LS_op": "force_rebind"}))[0].status == 500
    sim.say("refuse bind 5 1 busy")
    assert client.answer("bind_session", {}) == ["ERROR", "5", "busy"]
    # A late answer: what it is about comes first.
    sim.update("item1", a="1")
    sim.say("late control 300")
    assert client.add(1, "item1", "a", LS_snapshot="true") == ["OK"]
    sim.say("late control 0")
    assert stream.line() == "1,1|1"
    sim.say("stall")
    sim.update("item1", a="2")
    assert client.control({"LS_op": "delete", "LS_table": 1}) == ["OK"]
    sim.say("stall off")
    # Nothing says that the table is over; what was on its way comes after the answer.
    assert stream.line() == "1,1|2"
    sim.say("flood 5000")
    assert stream.response.read(5000) == b"x" * 5000
    sim.say("half-open")
    client.bind().head()


def test_options_that_misbehave(world):
    sim, client, stream = streaming(world, "--loop-every", "3", "--drop-every", "2", "--split", "1")
    client.add(1, "item1", "a")
    sim.updates("item1", range(4))
    assert stream.rest() == ["1,1|0", "1,1,OV1", "1,1|2", "LOOP"]


# --- which protocol ---


def test_one_protocol_only(world):
    sim, client = text_mode(world, "--protocol", "tlcp")
    assert client.answer("create_session", form(CREATE)) == ["ERROR", "60", "Client version not supported"]
    tlcp = form({"LS_cid": CREATE["LS_cid"], "LS_adapter_set": "TEST", "LS_supported_diffs": ""}).replace("+", "%20")
    old = world.keep(TextClient(world.sim("--protocol", "text", door="open").port))
    refused = old.answer("create_session", tlcp, query="LS_protocol=TLCP-2.5.0")
    assert refused == ["CONERR,65,Unsupported protocol version"]
    assert old.post("create_session", tlcp, "LS_protocol=TLCP-2.5.0")[0].status == 200
    old.create()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    connection = http.client.HTTPConnection("127.0.0.1", old.port, timeout=PATIENCE_S)
    connection.request("GET", "/lightstreamer", None, upgrade)
    assert connection.getresponse().status == 404
    assert sim.all("session") == []


def test_one_session_one_protocol(world):
    _, client = text_mode(world)
    client.create().head()
    words = form({"LS_reqId": 1, "LS_op": "destroy", "LS_session": client.session})
    answer = client.answer("control", words, query="LS_protocol=TLCP-2.5.0")
    assert answer == ["REQERR,1,3,The session speaks another protocol"]


# --- what the simulator holds against its clients ---


def complaints(world, *lines, name="control", **first):
    """What is said of those requests, in a session that has the table 1."""
    sim = world.sim("--preamble", "0", door="open", strict=False)
    client = world.keep(TextClient(sim.port))
    client.create(**first)
    client.add(1, "item1", "a")
    client.answer(name, *[line if isinstance(line, dict) else line.replace("SESSION", client.session) for line in lines])
    return [v["text"] for v in sim.all("violation")]


def test_strict(world):
    add = {"LS_op": "add", "LS_table": 2, "LS_id": "x", "LS_schema": "a", "LS_mode": "MERGE"}
    wrong_name = "LS_data_adapter is not what this server calls it"

    def without(name):
        return {k: v for k, v in add.items() if k != name}

    assert complaints(world, add) == []
    for name in ("LS_table", "LS_id", "LS_schema", "LS_mode"):
        assert complaints(world, without(name))[0] == f"no {name}"
    assert complaints(world, without("LS_op")) == ["no or an unknown LS_op"]
    assert complaints(world, add | {"LS_table": 1}) == ["LS_table 1 is in use"]
    assert complaints(world, add | {"LS_table": 0}) == ["LS_table 0"]
    assert complaints(world, {"LS_op": "delete", "LS_table": 1}, add | {"LS_table": 1}) == ["LS_table 1 again, after its delete"]
    assert complaints(world, {"LS_op": "delete", "LS_table": 5}) == ["LS_table 5 was never added"]
    assert complaints(world, add | {"LS_subId": 2}) == ["a parameter that does not belong here: LS_subId"]
    assert complaints(world, add | {"LS_adapter": "x"}) == []
    assert complaints(world, add | {"LS_adapter": "x", "LS_data_adapter": "x"}) == [wrong_name]
    assert complaints(world, add | {"LS_mode": "merge"}) == ["LS_mode cannot be 'merge'"]
    assert complaints(world, add | {"LS_snapshot": "7"}) == ["a snapshot length in a mode other than DISTINCT"]
    assert complaints(world, "LS_session=SESSION&LS_op=delete&LS_table=1\nLS_session=SESSION&LS_op=force_rebind")[0] == (
        "a line that ends in LF alone"
    )
    assert complaints(world, form(add) + "&LS_session=SESSION&LS_selector=a b") == ["an unencoded character in the value of LS_selector"]
    assert complaints(world, form(add) + "&LS_session=SESSION&LS_selector=%zz") == [
        "a '%' that begins no encoded character in the value of LS_selector"
    ]
    assert complaints(world, form(add)) == ["no LS_session"]
    assert complaints(world, add, LS_cid=None, LS_op2=None)[:2] == ["no LS_op2=create", "a wrong LS_cid"]
    assert complaints(world, add, LS_polling_millis=3) == ["LS_polling_millis without LS_polling=true"]
    assert complaints(world, {"LS_message": "x", "LS_sequence": "s"}, name="send_message") == ["LS_sequence without LS_msg_prog"]
    assert complaints(world, {"LS_message": "x", "LS_msg_prog": 1}, name="send_message") == ["LS_msg_prog without LS_sequence"]


def test_lenient(world):
    """What public clients of the time say, which is no fault of theirs."""
    sim, client = text_mode(world, "--lenient")
    stream = client.open("create_session", {}, query="LS_adapter_set=TEST&LS_user&LS_password")
    stream.head()
    assert client.add(1, "item1", "a", LS_snapshot="False") == ["OK"]
    assert client.control({"LS_op": "delete", "LS_table": 1}) == ["OK"]
    assert client.add(1, "item1", "a") == ["OK"]
    sim.update("item1", a="1")
    assert stream.line() == "1,1|1"


def test_request_limit(world):
    sim = world.sim("--request-limit", "400", door="open", strict=False)
    client = world.keep(TextClient(sim.port))
    assert "RequestLimit:400" in client.create().head()
    for size, status in ((400, 200), (401, 413)):
        batch = form({"LS_session": client.session, "LS_op": "force_rebind"})
        assert client.post("control", batch + "\r\n" * ((size - len(batch)) // 2) + "\n" * (size % 2))[0].status == status


def test_all_feeds(world):
    sim = world.sim(quiet=False, door="open")
    for adapter_set, adapter, mode, item, fields in (
        ("DEMO", "QUOTE_ADAPTER", "MERGE", "item1 item30", "last_price time"),
        ("DEMO", "PORTFOLIO_ADAPTER", "COMMAND", "portfolio1", "key command qty"),
        ("DEMO", "PORTFOLIO_JSON_ADAPTER", "MERGE", "portfolio1", "json"),
        ("WELCOME", "STOCKS", "DISTINCT", "item2", "bid ask"),
        ("ISSLIVE", None, "MERGE", "NODE3000005", "TimeStamp Value Status.Class"),
        ("DEFAULT", None, "MERGE", "MARKET:EUR", "BID OFFER"),
        ("DEFAULT", None, "DISTINCT", "CHART:EUR:TICK", "BID OFR"),
        ("LOAD_TESTS", None, "MERGE", "i1 i2", "f1 f2"),
    ):
        client = world.keep(TextClient(sim.port))
        stream = client.create(LS_adapter_set=adapter_set)
        assert client.add(1, item, fields, LS_mode=mode, LS_data_adapter=adapter, LS_snapshot="true") == ["OK"]
        n_fields = len(fields.split())
        row = next(line for line in iter(stream.line, None) if line.startswith("1,1|"))
        assert row.count("|") == n_fields, row


def test_what_is_sent_is_told(world):
    sim, client, stream = streaming(world)
    client.add(1, "item1", "a b", LS_snapshot="true")
    sim.say(f"update TEST item1 a={quoted('#é|')}")
    assert stream.line() == "1,1|##\\u00E9\\u007C|#"
    wait_until(lambda: sim.all("sent"), "an event")
    sent = sim.all("sent")
    assert [(e["kind"], e["sub"], e["fields"], e["snapshot"]) for e in sent] == [("update", 1, {"a": "#é|", "b": None}, True)]
