#!/bin/sh
# Prints what a feed says, and notices every message that was missed: consumer.sh [ENDPOINT [PREFIX]]
# Needs jq, beside lsbridgectl.
lsbridgectl tail --data "${1:-tcp://127.0.0.1:5556}" --json --prefix "${2:-}" | jq --unbuffered -nrc '
    foreach (inputs | select(.type != "replayed")) as $message ({};
        # A new run: the daemon was restarted, and nothing that we know holds any more.
        (if .run != $message.run then { run: $message.run, last: {} } else . end)
        | ([$message.session, $message.table, $message.item] | join("/")) as $item
        | .last[$item] as $seen
        | .say = []
        | if $seen != null and $message.seq <= $seen then . # known already: a replay for somebody else
          else
              (if $message.replay then . # says nothing about loss
               else
                   # A MERGE table gets a whole row with this, which mends it. For COMMAND: lsbridgectl get.
                   (if $seen != null and $message.seq > $seen + 1
                    then .say += ["missed \($message.seq - $seen - 1) \($item)"] else . end)
                   | .last[$item] = $message.seq
               end)
              # After `gap` and `clear`: forget the rows of the item.
              | .say += ["\($message.type) \($item)" + if $message.fields then " \($message.fields)" else "" end]
          end;
        .say[])'
