/* SPDX-License-Identifier: BSD-3-Clause */
/* The program of who keeps nodes: files in and out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tool/tool.h"

static const char usage[] =
    "forebay import FILE [options]   an RDB file of Redis, Valkey or Forebay into a running node; - is standard input\n"
    "forebay export FILE [options]   all keys of a running node into an RDB file\n"
    "forebay check FILE              whether an RDB file is whole, and what it holds\n"
    "\n"
    "  -h, --host HOST      the node (127.0.0.1)\n"
    "  -p, --port PORT      its port (6379)\n"
    "  -s, --socket PATH    its Unix socket, instead of both\n"
    "      --user NAME      who asks, with the password\n"
    "  -a, --password TEXT  the password; better given by the variable REDISCLI_AUTH, which others do not see\n"
    "      --tls            by TLS; with it:\n"
    "      --cacert FILE    certificates that are trusted (or --cacertdir PATH)\n"
    "      --cert FILE      the own certificate, and --key FILE its key, if the node wants one\n"
    "      --replace        import: keys and functions of the file take the place of those that are there\n"
    "      --keep           import: those that are there stay\n"
    "      --skip-modules   import: values of modules are left out; else a file with any is refused\n"
    "      --no-check       import: does not read the file once before anything is sent\n"
    "  -q, --quiet          no progress\n"
    "      --help           this\n"
    "\n"
    "Exit status: 0 all is done, 1 it failed, 2 the command line is wrong.\n";

static const struct {
    const char *name;
    enum tool_command command;
    bool (*run)(const struct tool_options *options);
} commands[] = {
    {"import", TOOL_IMPORT, tool_import}, {"export", TOOL_EXPORT, tool_export}, {"check", TOOL_CHECK, tool_check}};

static int tell_usage(FILE *out, int status)
{
    fputs(usage, out);
    return status;
}

int main(int argc, char **argv)
{
    struct tool_options options = {.address.password = getenv("REDISCLI_AUTH")};
    memory_thread_enter();
    if (argc < 2)
        return tell_usage(stderr, 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return tell_usage(stdout, 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            options.command = commands[i].command;
            if (!tool_read_options(&options, argv + 2))
                return 2;
            return options.wants_help ? tell_usage(stdout, 0) : commands[i].run(&options) ? 0 : 1;
        }
    fprintf(stderr, "forebay: \"%s\" is no command\n\n", argv[1]);
    return tell_usage(stderr, 2);
}
