/* Everything that a server can make grow, and how far. One header, so that the attack stands beside its limit. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A line without an end would fill the memory. The largest honest line is one update with a large JSON value; Lightstreamer's own
 * default for a whole response is 50 MB. */
#define LIMIT_LINE_BYTES ((size_t)16 << 20)

/* SUBOK says how many items and fields a group or schema has when no names are configured: a made-up count must not
 * allocate the machine away (an item takes about 100 bytes, a field 32 in each row). */
#define LIMIT_ITEMS  ((size_t)100000)
#define LIMIT_FIELDS ((size_t)4096)

/* ADD after ADD with keys that never end: rows are kept until they are deleted. */
#define LIMIT_KEYS_PER_ITEM ((size_t)1000000)

/* One decoded value; a value cannot be longer than its line, but a diff can make it grow from update to update. */
#define LIMIT_VALUE_BYTES LIMIT_LINE_BYTES

/* CONOK's request limit, if a server names none that makes sense: what the specification's examples have. */
#define LIMIT_REQUEST_BYTES_DEFAULT ((size_t)50000)
/* Bytes of requests built at once, whatever CONOK allows. */
#define LIMIT_REQUEST_BYTES_MAX ((size_t)1 << 20)

/* Session ids and control links that are kept; both are echoed in requests and host names. */
#define LIMIT_SESSION_ID_BYTES   ((size_t)1024)
#define LIMIT_CONTROL_LINK_BYTES ((size_t)1024)

/* Keep-alive and LOOP's delay, in ms: a made-up one must not make us wait for ever. The official server's longest are minutes. */
#define LIMIT_WAIT_MS ((uint64_t)600000)

/* The text of a code or of an oddity, as it goes to log and status. */
#define LIMIT_REASON_BYTES ((size_t)512)

/* Second levels that are subscribed at a time: a server that adds key after key makes us ask for each. Those past it are asked for as others go. */
#define LIMIT_SECOND_LEVELS ((size_t)100000)

/* Requests that wait for their answers, up to which items of a split table and second levels are asked for or deleted. Thousands at
 * once would be answered too late, each asked again, and the connection given up; so many keep a server busy for a round
 * trip. */
#define LIMIT_MANY_ASKED ((size_t)500)

/* Subscriptions that the server may have, or may still answer, at a time: one that loses our requests makes us ask again, each time with a
 * new id. */
#define LIMIT_SUBSCRIPTIONS ((size_t)1000000)
