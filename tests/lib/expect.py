"""What must arrive: worked out from the simulator's events by rules of its own, and compared with what a consumer got.

Everything that the simulator says it sent arrives once, in order, with the right `changed`; or a gap says otherwise: then what came
before it is a beginning of what was sent in that session."""

from process import wait_until


def split(messages):
    """One item's messages as the lists between its gaps; the last one is what no gap ended."""
    parts = [[]]
    for message in messages:
        if message["type"] != "gap":
            parts[-1].append(message)
        elif parts[-1]:
            parts.append([])
        else:
            raise AssertionError(f"a gap without a message before it: {message}")
    return parts


class Sent:
    """One item in one subscription: the messages that it must become."""

    def __init__(self, table, item, mode, second=()):
        self.of = (table, item)
        self.mode = mode
        self.second = second  # names of the second level's fields
        self.seconds = {}  # key to its second level's subscription
        self.messages = []
        self.row, self.rows, self.kseq = None, {}, {}

    def add(self, event):
        kind = event["kind"]
        if kind == "update":
            self.messages.append(self.update(event))
        elif kind == "lost":
            self.messages.append({"type": "lost", "count": event["lost"]})
        elif kind in ("eos", "clear"):
            self.messages.append({"type": kind})
        if kind == "clear":
            self.row, self.rows, self.kseq, self.seconds = None, {}, {}, {}

    def second_level(self, key, sub, event):
        """What came of a key's second level: nothing to anybody once the key is gone."""
        if self.seconds.get(key) != sub or key not in self.rows:
            return
        if event["kind"] == "lost":
            self.messages.append({"type": "lost", "count": event["lost"]})
        if event["kind"] not in ("update", "unsub"):
            return
        before = self.rows[key]
        after = {**before, "command": "UPDATE", **event.get("fields", dict.fromkeys(self.second))}
        if event["kind"] == "unsub":
            del self.seconds[key]
            if all(before[name] is None for name in self.second):
                return
        self.rows[key] = after
        self.kseq[key] += 1
        self.messages.append(
            {"type": "snapshot" if event.get("snapshot") else "update", "fields": after, "key": key,
             "command": "UPDATE", "kseq": self.kseq[key], "changed": self.difference(before, after)}
        )  # fmt: skip

    def update(self, event):
        fields = dict(event["fields"])
        message = {"type": "snapshot" if event["snapshot"] else "update", "fields": fields}
        if self.mode == "COMMAND":
            return {**message, **self.command(fields)}
        before, self.row = self.row, fields
        return {**message, "changed": self.difference(before, fields)}

    def command(self, fields):
        key = fields["key"]
        before = self.rows.get(key)
        if fields["command"] == "DELETE":
            fields.update({name: None for name in (*fields, *self.second) if name not in ("key", "command")})
            self.seconds.pop(key, None)
            kseq = self.kseq.pop(key, 0) + 1
            self.rows.pop(key, None)
            changed = [name for name in fields if name != "key"]
        else:
            fields["command"] = "UPDATE" if before else "ADD"
            fields.update({name: before[name] if before else None for name in self.second})
            self.rows[key] = fields
            self.kseq[key] = kseq = self.kseq.get(key, 0) + 1
            changed = self.difference(before, fields)
        return {"key": key, "command": fields["command"], "kseq": kseq, "changed": changed}

    @staticmethod
    def difference(before, now):
        return [name for name in now if before is None or before[name] != now[name]]


def sent_by(sim, tables, session=None):
    """Each (table, item) to its lists, one for each subscription in order. TABLES: the configuration's; SESSION: the adapter set
    by which the simulator knows the session, where it has several."""
    names = {(tuple(t["items"]), tuple(t["fields"]), t.get("mode", "MERGE")): t["name"] for t in tables}
    for t in tables:
        if t.get("split_on_error"):
            names.update({((item,), tuple(t["fields"]), t.get("mode", "MERGE")): t["name"] for item in t["items"]})
    seconds = {t["name"]: tuple(t["second_level"]["fields"]) for t in tables if "second_level" in t}
    subscriptions, found, numbers, keys = {}, {}, set(), {}
    for event in list(sim.events):
        if event["event"] == "session" and session in (None, event["adapter_set"]):
            numbers.add(event["number"])
        if event.get("number") not in numbers:
            continue
        if event["event"] == "subscribed":
            name = names.get((tuple(event["items"]), tuple(event["fields"]), event["mode"]))
            for of in found if not name and event["mode"] == "MERGE" else []:
                sent, key = found[of][-1], event["items"][0]
                if sent.second == tuple(event["fields"]) and key in sent.rows and key not in sent.seconds:
                    sent.seconds[key] = event["sub"]
                    keys[event["number"], event["sub"]] = (sent, key)
                    break
            for item in event["items"] if name else []:
                sent = Sent(name, item, event["mode"], seconds.get(name, ()))
                subscriptions[event["number"], event["sub"], item] = sent
                found.setdefault((name, item), []).append(sent)
        elif event["event"] == "sent" and (event["number"], event.get("sub")) in keys:
            sent, key = keys[event["number"], event["sub"]]
            sent.second_level(key, event["sub"], event)
        elif event["event"] == "sent" and "item" in event:
            sent = subscriptions.get((event["number"], event["sub"], event["item"]))
            if sent:
                sent.add(event)
    return {of: [s.messages for s in several] for of, several in found.items()}


def shortened(value):
    text = str(value)
    return text if len(text) < 600 else f"{text[:300]} … {text[-300:]}"


def difference(expected, got):
    """What is wrong with one message, or None."""
    wrong = {k: (v, got.get(k)) for k, v in expected.items() if got.get(k) != v}
    if set(got.get("changed", [])) == set(expected.get("changed", [])):
        wrong.pop("changed", None)  # their order is nobody's business
    return wrong or None


def match(expected, got):
    """Whether GOT is a beginning of EXPECTED; the fault, or None."""
    if len(got) > len(expected):
        return f"{len(got)} messages where {len(expected)} were sent; the first too many: {shortened(got[len(expected)])}"
    for n, (e, g) in enumerate(zip(expected, got)):
        if difference(e, g):
            return f"message {n}: (expected, got) {shortened(difference(e, g))} in {shortened(g)}"
    return None


def compare(of, expected, got):
    """EXPECTED: lists, one a subscription; GOT: the item's messages. Returns the fault, or None."""
    anew = bool(expected) and not expected[-1]  # subscribed again, and nothing sent since
    expected = [e for e in expected if e]
    parts = split(got)
    ended, last = parts[:-1], parts[-1]
    at = 0
    for n, part in enumerate([*ended, last] if last else ended):
        why = "nothing more was sent"
        while at < len(expected):
            why = match(expected[at], part)
            at += 1
            if why is None:
                break
        if why:
            return f"{of}, part {n}: {why}"
        missing = len(expected[at - 1]) - len(part)
        if part is last and missing:
            return f"{of}: {missing} of {len(expected[at - 1])} messages are missing, and no gap says so"
    if at < len(expected) and not anew:
        return f"{of}: nothing of the last {len(expected) - at} subscriptions came"
    if ended and not last and not anew and len(expected[-1]) > len(ended[-1]):
        return f"{of}: {len(expected[-1]) - len(ended[-1])} messages are missing at the end"
    return None


def check_numbers(consumer):
    """seq counts every message of an item by one; time never goes back within an item; one run."""
    last = {}
    for message in consumer.live():
        of = tuple(message[k] for k in ("run", "session", "table", "item"))
        before = last.get(of, {"seq": 0, "time": 0})
        assert message["seq"] == before["seq"] + 1, (of, before, message)
        assert message["time"] >= before["time"], (of, before, message)
        last[of] = message


def fault(sim, consumer, tables, name="s", session=None):
    """What is wrong with all that CONSUMER got of the session NAME; None for nothing."""
    got = {}
    for message in consumer.live(session=name):
        got.setdefault((message["table"], message["item"]), []).append(message)
    for of, expected in sent_by(sim, tables, session).items():
        wrong = compare(of, expected, got.get(of, []))
        if wrong:
            return wrong
    return None


def arrived(sim, consumer, tables, name="s", session=None, timeout_s=None):
    """Waits until everything that was sent has come, and nothing is wrong with it."""
    last = []

    def right():
        last[:] = [fault(sim, consumer, tables, name, session)]
        return last[0] is None

    wait_until(right, lambda: f"{last[0]}; faults {consumer.faults}", timeout_s)
    assert not consumer.faults, consumer.faults
    check_numbers(consumer)
