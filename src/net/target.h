/* Where a connection goes: an http(s) URL in its parts, the user information kept apart from everything that
 * may be shown. */
#pragma once

#include <stdbool.h>

struct target {
    char *url;             /* without user information */
    char *user, *password; /* decoded; NULL where there are none */
    char *host;            /* in ASCII; an IPv6 literal in brackets */
    char *authority;       /* host:port, for texts and for whom to blame */
    char *host_header;     /* the same without a default port, for Host */
    char *path;            /* path and query, beginning with '/' */
    bool tls;
};

#define AUTO_TARGET __attribute__((cleanup(target_done)))

/* Takes TEXT (http:// or https://) apart. Returns 0 with *RET *owned*, 1 when it is no such URL, -ENOMEM. */
int target_parse(const char *text, struct target *ret);

/* The same for a proxy: http, https, socks4, socks4a, socks5 or socks5h; http where no scheme is given. Path
 * and host_header stay NULL. */
int target_parse_proxy(const char *text, struct target *ret);

/* Fine on a zeroed target and twice. */
void target_done(struct target *t);

/* LOCATION (absolute, or relative to T) without user information, query and fragment, *owned*; NULL when it
 * is no URL. */
char *target_redirect(const struct target *t, const char *location);
