/* A disk that fails on command, for one directory of one process.
 *
 * Loaded with LD_PRELOAD before libc, it looks at every write and fsync of files under FAILING_DISK_UNDER and
 * does what the words in the shared file FAILING_DISK_CONTROL say at that moment. It needs no privilege, no mount
 * and no tracing, so it works wherever the tests can be built.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* In the order of `Disk` in instrument.rs. */
struct control {
    uint32_t loaded;
    uint32_t write_errno;
    uint32_t fsync_errno;
    uint32_t fsync_delay_ms;
    uint32_t failed;
    uint32_t fsyncs;
};

static volatile struct control *control;
static const char *under;

__attribute__((constructor)) static void load(void)
{
    const char *path = getenv("FAILING_DISK_CONTROL");
    under = getenv("FAILING_DISK_UNDER");
    if (path == NULL || under == NULL)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    close(fd);
    control = at;
    control->loaded = 1;
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0;
}

static int refuses(int fd, uint32_t with)
{
    if (with == 0 || !is_ours(fd))
        return 0;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
    errno = (int)with;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITING(type, name, parameters, arguments)                                                                    \
    type name parameters                                                                                              \
    {                                                                                                                 \
        if (control && refuses(fd, control->write_errno))                                                             \
            return -1;                                                                                                \
        return REAL(name) arguments;                                                                                  \
    }

WRITING(ssize_t, write, (int fd, const void *from, size_t count), (fd, from, count))
WRITING(ssize_t, pwrite, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at))
WRITING(ssize_t, pwrite64, (int fd, const void *from, size_t count, off64_t at), (fd, from, count, at))
WRITING(int, ftruncate, (int fd, off_t length), (fd, length))
WRITING(int, ftruncate64, (int fd, off64_t length), (fd, length))

#define SYNCING(name)                                                                                                 \
    int name(int fd)                                                                                                  \
    {                                                                                                                 \
        if (control && is_ours(fd)) {                                                                                 \
            __atomic_add_fetch(&control->fsyncs, 1, __ATOMIC_RELAXED);                                                \
            uint32_t ms = control->fsync_delay_ms;                                                                    \
            struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};                                               \
            while (ms > 0 && nanosleep(&left, &left) != 0)                                                            \
                ;                                                                                                     \
            if (refuses(fd, control->fsync_errno))                                                                    \
                return -1;                                                                                            \
        }                                                                                                             \
        return REAL(name)(fd);                                                                                        \
    }

SYNCING(fsync)
SYNCING(fdatasync)
