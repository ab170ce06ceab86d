/* Lets a server live at another time: every wall clock reading is moved by the seconds in the file $CLOCK_MOVED_BY. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    (void)zone;
    long moved = 0;
    const char *path = getenv("CLOCK_MOVED_BY");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%ld", &moved) != 1) moved = 0;
        fclose(file);
    }
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec + moved;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
