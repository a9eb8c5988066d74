/* Prints what a feed says, and notices every message that was missed: consumer [ENDPOINT [PREFIX]]
 * cc consumer.c -o consumer $(pkg-config --cflags --libs libzmq json-c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <zmq.h>

struct item {
    struct item *next;
    char *name;
    int64_t last; /* the seq of its last live message; 0: none came yet */
};

static const char *text(struct json_object *message, const char *key)
{
    const char *value = json_object_get_string(json_object_object_get(message, key));
    return value ? value : "";
}

static struct item *find(struct item **items, const char *name)
{
    for (struct item *i = *items; i; i = i->next)
        if (strcmp(i->name, name) == 0)
            return i;
    struct item *i = calloc(1, sizeof *i);
    *i = (struct item){.next = *items, .name = strdup(name)};
    return *items = i;
}

static void take(struct json_object *message, char run[17], struct item **items)
{
    if (strcmp(text(message, "run"), run) != 0) {
        /* The daemon was restarted: nothing that we know holds any more. */
        snprintf(run, 17, "%s", text(message, "run"));
        for (struct item *i = *items; i; i = i->next)
            i->last = 0;
    }
    if (strcmp(text(message, "type"), "replayed") == 0)
        return; /* all current rows have come */
    char name[1024];
    snprintf(name, sizeof name, "%s/%s/%s", text(message, "session"), text(message, "table"),
             text(message, "item"));
    struct item *item = find(items, name);
    int64_t seq = json_object_get_int64(json_object_object_get(message, "seq"));
    if (item->last && seq <= item->last)
        return; /* known already: a replay for somebody else */
    if (!json_object_get_boolean(json_object_object_get(message, "replay"))) {
        /* A MERGE table's row is whole, and mends it. For COMMAND: ask the control socket for `rows`. */
        if (item->last && seq > item->last + 1)
            printf("missed %lld %s\n", (long long)(seq - item->last - 1), name);
        item->last = seq; /* but replays say nothing about loss */
    }
    struct json_object *fields = json_object_object_get(message, "fields");
    if (fields)
        printf(
            "%s %s %s\n", text(message, "type"), name,
            json_object_to_json_string_ext(fields, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    else
        printf("%s %s\n", text(message, "type"), name); /* after `gap` and `clear`: forget the item's rows */
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp://127.0.0.1:5556", *prefix = argc > 2 ? argv[2] : "";
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_SUB);
    int mark = 100000; /* messages that may wait for us; the default of 1000 is little for a burst */
    zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof mark);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix));
    if (zmq_connect(socket, endpoint) != 0) {
        fprintf(stderr, "%s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        return EXIT_FAILURE;
    }
    char run[17] = "";
    struct item *items = NULL;
    zmq_msg_t topic, payload;
    zmq_msg_init(&topic);
    zmq_msg_init(&payload);
    while (zmq_msg_recv(&topic, socket, 0) >= 0 && zmq_msg_recv(&payload, socket, 0) >= 0) {
        struct json_tokener *tokener = json_tokener_new();
        struct json_object *message =
            json_tokener_parse_ex(tokener, zmq_msg_data(&payload), (int)zmq_msg_size(&payload));
        if (message)
            take(message, run, &items);
        json_object_put(message);
        json_tokener_free(tokener);
    }
    return EXIT_FAILURE;
}
