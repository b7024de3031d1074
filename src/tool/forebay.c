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
    "      --user NAME      who asks\n"
    "  -a, --password TEXT  the password; better given by the variable REDISCLI_AUTH, which others do not see\n"
    "      --tls            by TLS; with it:\n"
    "      --cacert FILE    certificates that are trusted (or --cacertdir PATH)\n"
    "      --cert FILE      the own certificate, and --key FILE its key, if the node wants one\n"
    "      --replace        import: keys and functions of the file take the place of those that are there\n"
    "      --keep           import: those that are there stay\n"
    "      --skip-modules   import: values of modules are left out; else a file with any is refused\n"
    "      --no-check       import: does not read the file once before anything is sent\n"
    "  -q, --quiet          no progress\n"
    "\n"
    "Exit status: 0 all is done, 1 it failed, 2 the command line is wrong.\n";

/* ---- the command line ---- */

struct text_option {
    const char *letter, *word;
    const char **value;
};
struct flag_option {
    const char *letter, *word;
    bool *value;
};

static bool is_called(const char *argument, const char *letter, const char *word)
{
    return (letter && strcmp(argument, letter) == 0) || strcmp(argument, word) == 0;
}

/* How many arguments it is, 0 if it is no option. */
static int read_option(struct tool_options *options, char **arguments, int count)
{
    const struct text_option texts[] = {{"-h", "--host", &options->address.host},
                                        {"-p", "--port", &options->address.port},
                                        {"-s", "--socket", &options->address.socket},
                                        {NULL, "--user", &options->address.user},
                                        {"-a", "--password", &options->address.password},
                                        {NULL, "--cacert", &options->address.ca_file},
                                        {NULL, "--cacertdir", &options->address.ca_directory},
                                        {NULL, "--cert", &options->address.cert_file},
                                        {NULL, "--key", &options->address.key_file}};
    const struct flag_option flags[] = {{NULL, "--tls", &options->address.has_tls},
                                        {NULL, "--replace", &options->replaces},
                                        {NULL, "--keep", &options->keeps},
                                        {NULL, "--skip-modules", &options->skips_modules},
                                        {NULL, "--no-check", &options->is_unchecked},
                                        {"-q", "--quiet", &options->is_quiet}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (count > 1 && is_called(arguments[0], texts[i].letter, texts[i].word)) {
            *texts[i].value = arguments[1];
            return 2;
        }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (is_called(arguments[0], flags[i].letter, flags[i].word)) {
            *flags[i].value = true;
            return 1;
        }
    return 0;
}

static bool read_arguments(struct tool_options *options, int argc, char **argv)
{
    for (int i = 2; i < argc;) {
        int taken = read_option(options, argv + i, argc - i);
        if (taken == 0 && !options->file && (argv[i][0] != '-' || argv[i][1] == 0)) {
            options->file = argv[i];
            taken = 1;
        }
        if (taken == 0) {
            fprintf(stderr, "forebay: \"%s\" is not understood\n", argv[i]);
            return false;
        }
        i += taken;
    }
    if (options->replaces && options->keeps)
        fprintf(stderr, "forebay: --replace and --keep exclude each other\n");
    else if (!options->file)
        fprintf(stderr, "forebay: which file?\n");
    else
        return true;
    return false;
}

/* ---- commands ---- */

static const struct {
    const char *name;
    bool (*run)(const struct tool_options *options);
} commands[] = {{"import", tool_import}, {"export", tool_export}, {"check", tool_check}};

int main(int argc, char **argv)
{
    struct tool_options options = {
        .address = {.host = "127.0.0.1", .port = "6379", .password = getenv("REDISCLI_AUTH")}};
    memory_thread_enter();
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return !read_arguments(&options, argc, argv) ? 2 : commands[i].run(&options) ? 0 : 1;
    fputs(usage, stderr);
    return 2;
}
