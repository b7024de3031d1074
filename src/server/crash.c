/* SPDX-License-Identifier: BSD-3-Clause */
/* Only what is safe in a signal handler: write(2) and backtrace, which is called once before so that its library is
 * loaded. */
#include "server/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "server/version.h"

#define FRAMES_MAX 64

static void write_text(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void crash_dump(void)
{
    void *frames[FRAMES_MAX];
    write_text("forebay-server " FOREBAY_VERSION " stops because of a fault in itself; the stack was:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    write_text("Acknowledged writes are in the log: start it again. Please report this text.\n");
}

static void crash_on_signal(int number)
{
    crash_dump();
    signal(number, SIG_DFL);
    raise(number);
}

void crash_setup(void)
{
    void *frames[1];
    backtrace(frames, 1);
    check_set_crash_hook(crash_dump);
    const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &(struct sigaction){.sa_handler = crash_on_signal, .sa_flags = SA_NODEFER}, NULL);
}
