#include "bus/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct ipc_path {
    char *path, *lock;
    int lock_fd;
    bool bound;
    struct stat socket; /* what was bound at PATH */
};

enum {
    IPC_BACKLOG = 128,
    IPC_LOCK_ATTEMPTS = 16,           /* each is lost only to another daemon that ends at this moment */
    IPC_GROUP_MAX_BYTES = 1024 * 1024 /* a group's members, as the name service gives them */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int fail(struct buf *error, int negative_errno, const char *what, const char *path)
{
    buf_printf(error, "%s %s: %s", what, path, strerror(-negative_errno));
    return negative_errno;
}

/* A lock counts only while its file is the one that others would open: the daemon before may have removed it
 * between our open and our lock. Returns 1 when that happened. */
static int lock_once(struct ipc_path *p, struct buf *error)
{
    CLEANUP(close_fd) int fd = open(p->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(error, -errno, "cannot create its lock", p->lock);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return fail(error, -errno, "cannot lock", p->lock);
        buf_add_text(error, "already in use by another process");
        return -EADDRINUSE;
    }
    struct stat ours, there;
    if (fstat(fd, &ours) < 0)
        return fail(error, -errno, "cannot look at", p->lock);
    if (lstat(p->lock, &there) < 0 || !same_file(&ours, &there))
        return 1;
    p->lock_fd = fd;
    fd = -1;
    return 0;
}

static int take_lock(struct ipc_path *p, struct buf *error)
{
    int r = 1;
    for (int i = 0; r > 0 && i < IPC_LOCK_ATTEMPTS; i++)
        r = lock_once(p, error);
    if (r > 0) {
        buf_printf(error, "its lock %s is removed again and again", p->lock);
        return -EAGAIN;
    }
    return r;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

static int make_address(const char *path, struct sockaddr_un *ret, struct buf *error)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof ret->sun_path) {
        buf_printf(error, "the path is longer than the %zu bytes a socket's may have",
                   sizeof ret->sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

/* The lock keeps away those who lock; a program that doesn't shows by answering. */
static int remove_stale(const struct ipc_path *p, const struct sockaddr_un *address, struct buf *error)
{
    struct stat there;
    if (lstat(p->path, &there) < 0)
        return errno == ENOENT ? 0 : fail(error, -errno, "cannot look at", p->path);
    if (!S_ISSOCK(there.st_mode)) {
        buf_printf(error, "%s exists and is not a socket", p->path);
        return -EEXIST;
    }
    CLEANUP(close_fd) int fd = unix_socket();
    if (fd < 0)
        return fail(error, fd, "cannot make a socket for", p->path);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN) {
        buf_add_text(error, "already in use by another process");
        return -EADDRINUSE;
    }
    if (errno != ECONNREFUSED && errno != ENOENT)
        return fail(error, -errno, "cannot tell whether anybody listens at", p->path);
    if (unlink(p->path) < 0 && errno != ENOENT)
        return fail(error, -errno, "cannot remove the stale", p->path);
    return 0;
}

static int find_group(const char *name, gid_t *ret, struct buf *error)
{
    AUTO_FREE char *text = NULL;
    struct group group, *found = NULL;
    int r = ERANGE;
    for (size_t size = 1024; r == ERANGE && size <= IPC_GROUP_MAX_BYTES; size *= 2) {
        char *grown = realloc(text, size);
        if (!grown)
            return -ENOMEM;
        text = grown;
        r = getgrnam_r(name, &group, text, size, &found);
    }
    if (!found) {
        buf_printf(error, "ipc_group: there is no group \"%s\"", name);
        return r ? -r : -EINVAL;
    }
    *ret = group.gr_gid;
    return 0;
}

static int set_group(const struct ipc_path *p, const char *name, struct buf *error)
{
    gid_t gid = (gid_t)-1;
    int r = find_group(name, &gid, error);
    if (r < 0)
        return r;
    if (lchown(p->path, (uid_t)-1, gid) < 0) {
        r = -errno;
        buf_printf(error, "ipc_group: cannot give %s to the group \"%s\": %s", p->path, name, strerror(-r));
    }
    return r;
}

/* Nobody can connect before listen(), so what bind() leaves open to nobody but us is opened in time. */
static int bind_and_listen(struct ipc_path *p, int fd, const struct sockaddr_un *address, unsigned mode,
                           const char *group, struct buf *error)
{
    mode_t before = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;
    umask(before);
    if (r < 0)
        return fail(error, r, "cannot bind", p->path);
    if (lstat(p->path, &p->socket) < 0)
        return fail(error, -errno, "cannot look at", p->path);
    p->bound = true;
    r = group ? set_group(p, group, error) : 0;
    if (r < 0)
        return r;
    if (chmod(p->path, (mode_t)mode & 07777) < 0)
        return fail(error, -errno, "cannot set the mode of", p->path);
    return listen(fd, IPC_BACKLOG) < 0 ? fail(error, -errno, "cannot listen at", p->path) : 0;
}

static int ipc_path_new(const char *path, struct ipc_path **ret)
{
    struct ipc_path *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->lock_fd = -1;
    size_t lock_size = strlen(path) + sizeof ".lock";
    p->path = span_dup(span_of(path));
    p->lock = malloc(lock_size);
    if (!p->path || !p->lock) {
        ipc_unlisten(p);
        return -ENOMEM;
    }
    snprintf(p->lock, lock_size, "%s.lock", path);
    *ret = p;
    return 0;
}

static void unlisten_pointer(struct ipc_path **p)
{
    ipc_unlisten(*p);
}

int ipc_listen(const char *path, unsigned mode, const char *group, struct ipc_path **ret, int *ret_fd,
               struct buf *error)
{
    CLEANUP(unlisten_pointer) struct ipc_path *p = NULL;
    struct sockaddr_un address;
    int r = make_address(path, &address, error);
    r = r < 0 ? r : ipc_path_new(path, &p);
    r = r < 0 ? r : take_lock(p, error);
    r = r < 0 ? r : remove_stale(p, &address, error);
    if (r < 0)
        return r;
    CLEANUP(close_fd) int fd = unix_socket();
    if (fd < 0)
        return fail(error, fd, "cannot make a socket for", path);
    r = bind_and_listen(p, fd, &address, mode, group, error);
    if (r < 0)
        return r;
    *ret = TAKE(p);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* All of it under the lock, the lock's own file last: whoever opened it before finds, once locked, that it is
 * gone. */
void ipc_unlisten(struct ipc_path *p)
{
    if (!p)
        return;
    struct stat there;
    if (p->bound && lstat(p->path, &there) == 0 && same_file(&there, &p->socket))
        unlink(p->path);
    if (p->lock_fd >= 0) {
        unlink(p->lock);
        close(p->lock_fd);
    }
    free(p->path);
    free(p->lock);
    free(p);
}
