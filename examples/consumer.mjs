// Prints what a feed says, and notices every message that was missed: node consumer.mjs [ENDPOINT [PREFIX]]
// Needs `npm install zeromq`.
import { Subscriber } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5556", prefix = ""] = process.argv.slice(2);

// Messages that may wait for us; the default of 1000 is little for a burst.
const socket = new Subscriber({ receiveHighWaterMark: 100000 });
socket.connect(endpoint);
socket.subscribe(prefix);

let run;
const last = new Map(); // item -> the seq of its last live message

for await (const [, payload] of socket) {
    const message = JSON.parse(payload);
    if (message.run !== run) { // the daemon was restarted: nothing that we know holds any more
        run = message.run;
        last.clear();
    }
    if (message.type === "replayed") // all current rows have come
        continue;
    const item = [message.session, message.table, message.item].join("/");
    const seen = last.get(item);
    if (message.seq <= seen) // known already: a replay for somebody else
        continue;
    if (!message.replay) { // replays say nothing about loss
        if (message.seq > seen + 1)
            // A MERGE table's row is whole, and mends it. For COMMAND: ask the control socket for `rows`.
            console.log("missed", message.seq - seen - 1, item);
        last.set(item, message.seq);
    }
    if (message.fields)
        console.log(message.type, item, JSON.stringify(message.fields));
    else
        console.log(message.type, item); // after `gap` and `clear`: forget the item's rows
}
