/* Why a connection failed, in one sentence for log and status. */
#pragma once

#include "net/internal.h"

/* Closes S because libcurl ended its transfer with CODE, not CURLE_OK. */
void failure_of_curl(struct net_stream *s, CURLcode code);
/* Closes S because its deadline has passed. */
void failure_of_deadline(struct net_stream *s);
/* Closes S because of a response's status; LOCATION may be NULL. */
void failure_of_status(struct net_stream *s, long status, const char *location);
/* Closes S because a page came where a Lightstreamer server would have spoken; BEGINNING: of its text. */
void failure_of_page(struct net_stream *s, const char *beginning);
