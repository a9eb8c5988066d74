#include "base/stdfiles.h"

#include <fcntl.h>
#include <unistd.h>

bool stdfiles_keep(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
