/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "tool/peer.h"

enum tool_command { TOOL_IMPORT = 1, TOOL_EXPORT = 2, TOOL_CHECK = 4 };

/* What was said on the command line. */
struct tool_options {
    enum tool_command command;
    struct peer_address address;
    const char *file;
    bool replaces;      /* what is there already; else that is an error, */
    bool keeps;         /* or it stays */
    bool skips_modules; /* values of modules, which no node of ours can have */
    bool is_unchecked;  /* the file is not read once before */
    bool is_quiet;
    bool wants_help; /* and nothing else was looked at */
};

/* Reads the arguments behind the command's name, up to a NULL. False: stderr has been told what does not fit. */
bool tool_read_options(struct tool_options *options, char **arguments);

/* The program's commands: true on success, else stderr has been told why. */
bool tool_check(const struct tool_options *options);
bool tool_import(const struct tool_options *options);
bool tool_export(const struct tool_options *options);
