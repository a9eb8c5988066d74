/* Listening sockets in the file system, kept from a second daemon by a lock: a second bind would replace the
 * first one's socket without a word. libc only: the socket is made here, so that it has its mode and group
 * before anybody can connect. */
#pragma once

#include "base/buf.h"

struct ipc_path;

/* Locks PATH.lock, replaces a stale socket at PATH, makes a listening one with MODE (permission bits) and
 * GROUP (NULL: the process's own). *RET (*owned*, ipc_unlisten) holds path and lock, *RET_FD the socket
 * (*owned*). Returns 0, or -errno and in ERROR what went wrong, without naming the endpoint: -EADDRINUSE when
 * another process has it. */
int ipc_listen(const char *path, unsigned mode, const char *group, struct ipc_path **ret, int *ret_fd,
               struct buf *error);

/* Removes socket and lock from the file system (the socket's fd is not touched). Takes NULL. */
void ipc_unlisten(struct ipc_path *p);
