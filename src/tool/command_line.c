/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said on the command line. An option is one row, which tells the commands that take it; what goes together is looked
 * at when all has been read. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

#define PORT_MAX 65535

struct row {
    const char *letter, *word;
    size_t at; /* in struct tool_options: a text, which is the next argument, or whether it was said */
    bool is_flag;
    unsigned commands;
};

#define NODE (TOOL_IMPORT | TOOL_EXPORT)
#define TEXT(letter, word, field, commands)                                                                            \
    {                                                                                                                  \
        letter, word, offsetof(struct tool_options, field), false, commands                                            \
    }
#define FLAG(letter, word, field, commands)                                                                            \
    {                                                                                                                  \
        letter, word, offsetof(struct tool_options, field), true, commands                                             \
    }
static const struct row rows[] = {TEXT("-h", "--host", address.host, NODE),
                                  TEXT("-p", "--port", address.port, NODE),
                                  TEXT("-s", "--socket", address.socket, NODE),
                                  TEXT(NULL, "--user", address.user, NODE),
                                  TEXT("-a", "--password", address.password, NODE),
                                  FLAG(NULL, "--tls", address.has_tls, NODE),
                                  TEXT(NULL, "--cacert", address.ca_file, NODE),
                                  TEXT(NULL, "--cacertdir", address.ca_directory, NODE),
                                  TEXT(NULL, "--cert", address.cert_file, NODE),
                                  TEXT(NULL, "--key", address.key_file, NODE),
                                  FLAG(NULL, "--replace", replaces, TOOL_IMPORT),
                                  FLAG(NULL, "--keep", keeps, TOOL_IMPORT),
                                  FLAG(NULL, "--skip-modules", skips_modules, TOOL_IMPORT),
                                  FLAG(NULL, "--no-check", is_unchecked, TOOL_IMPORT),
                                  FLAG("-q", "--quiet", is_quiet, NODE | TOOL_CHECK),
                                  FLAG(NULL, "--help", wants_help, NODE | TOOL_CHECK)};

static bool refuse(const char *what, const char *why)
{
    fprintf(stderr, "forebay: %s%s\n", what, why);
    return false;
}

static const struct row *find_row(const char *argument)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((rows[i].letter && strcmp(argument, rows[i].letter) == 0) || strcmp(argument, rows[i].word) == 0)
            return &rows[i];
    return NULL;
}

/* An option at the arguments' begin; *taken is how many of them it is. */
static bool read_option(struct tool_options *options, char **arguments, int *taken)
{
    const struct row *row = find_row(arguments[0]);
    if (!row)
        return refuse(arguments[0], ": there is no such option; --help tells which there are");
    if (!(row->commands & options->command))
        return refuse(row->word,
                      options->command == TOOL_EXPORT ? " is of no use to export" : " is of no use to check");
    char *field = (char *)options + row->at;
    *taken = row->is_flag ? 1 : 2;
    if (row->is_flag)
        *(bool *)field = true;
    else if (arguments[1])
        *(const char **)field = arguments[1];
    else
        return refuse(row->word, " has no value behind it");
    return true;
}

static bool is_port(const char *text)
{
    size_t length = strspn(text, "0123456789");
    long port = length > 0 && length <= 5 && !text[length] ? atol(text) : 0;
    return port > 0 && port <= PORT_MAX;
}

static bool check_tls(const struct peer_address *address)
{
    bool trusts = address->ca_file || address->ca_directory;
    if (!address->has_tls && trusts)
        return refuse(address->ca_file ? "--cacert" : "--cacertdir", " is of no use without --tls");
    if (!address->has_tls && (address->cert_file || address->key_file))
        return refuse(address->cert_file ? "--cert" : "--key", " is of no use without --tls");
    if (address->has_tls && !trusts)
        return refuse("--tls", " needs --cacert or --cacertdir: whose certificates are to be trusted");
    if (!address->cert_file != !address->key_file)
        return refuse(address->cert_file ? "--cert needs --key" : "--key needs --cert", " as well");
    return true;
}

static bool check_address(const struct peer_address *address)
{
    if (address->port && !is_port(address->port))
        return refuse("--port is a number from 1 to 65535, not ", address->port);
    if (address->socket && (address->host || address->port))
        return refuse("--socket", " stands instead of --host and --port");
    if (address->user && !address->password)
        return refuse("--user", " needs a password: --password, or the variable REDISCLI_AUTH");
    return check_tls(address);
}

static bool check_options(const struct tool_options *options)
{
    if (!options->file)
        return refuse("which file?", " --help tells what there is");
    if (options->command == TOOL_EXPORT && strcmp(options->file, "-") == 0)
        return refuse("export", " makes a file, which needs a name");
    if (options->replaces && options->keeps)
        return refuse("--replace and --keep", " exclude each other");
    return check_address(&options->address);
}

bool tool_read_options(struct tool_options *options, char **arguments)
{
    for (int taken; *arguments && !options->wants_help; arguments += taken) {
        bool is_file = arguments[0][0] != '-' || arguments[0][1] == 0;
        taken = 1;
        if (is_file && options->file)
            return refuse(*arguments, ": one file is enough");
        if (is_file)
            options->file = *arguments;
        else if (!read_option(options, arguments, &taken))
            return false;
    }
    return options->wants_help || check_options(options);
}
