#!/usr/bin/env python3
"""Prints what a feed says, and notices every message that was missed: consumer.py [ENDPOINT [PREFIX]]"""

import json
import sys

import zmq

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5556"
prefix = sys.argv[2] if len(sys.argv) > 2 else ""

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVHWM, 100000)  # messages that may wait for us; the default of 1000 is little for a burst
socket.connect(endpoint)
socket.subscribe(prefix)

run = None
last = {}  # item -> the seq of its last live message

while True:
    topic, payload = socket.recv_multipart()
    message = json.loads(payload)
    if message["run"] != run:  # the daemon was restarted: nothing that we know holds any more
        run = message["run"]
        last.clear()
    if message["type"] == "replayed":  # all current rows have come
        continue
    item = "/".join([message["session"], message["table"], message["item"]])
    seen = last.get(item)
    if seen is not None and message["seq"] <= seen:  # known already: a replay for somebody else
        continue
    if not message.get("replay"):  # replays say nothing about loss
        if seen is not None and message["seq"] > seen + 1:
            # A MERGE table's row is whole, and mends it. For COMMAND: ask the control socket for `rows`.
            print("missed", message["seq"] - seen - 1, item, flush=True)
        last[item] = message["seq"]
    if "fields" in message:
        print(message["type"], item, json.dumps(message["fields"], separators=(",", ":"), ensure_ascii=False), flush=True)
    else:
        print(message["type"], item, flush=True)  # after `gap` and `clear`: forget the item's rows
