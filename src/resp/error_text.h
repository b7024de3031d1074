/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Every error text that more than one command sends, one row each: clients and libraries compare these strings, so
 * they are Redis 7.2's to the letter. Rows that end in _FORMAT are for reply_error_format and say what they take. */

/* keys, types and values */
#define ERROR_WRONG_TYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERROR_NO_SUCH_KEY "ERR no such key"
#define ERROR_BUSY_KEY "BUSYKEY Target key name already exists."
#define ERROR_SAME_OBJECT "ERR source and destination objects are the same"
#define ERROR_INDEX_RANGE "ERR index out of range"
#define ERROR_OFFSET_RANGE "ERR offset is out of range"
#define ERROR_STRING_TOO_LONG "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
#define ERROR_PAYLOAD_CHECKSUM "ERR DUMP payload version or checksum are wrong"
#define ERROR_PAYLOAD_FORMAT "ERR Bad data format"
#define ERROR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERROR_CORRUPT_HLL "INVALIDOBJ Corrupted HLL object detected"

/* arguments */
#define ERROR_SYNTAX "ERR syntax error"
#define ERROR_NOT_INTEGER "ERR value is not an integer or out of range"
#define ERROR_OUT_OF_RANGE "ERR value is out of range"
#define ERROR_RANGE_SYMMETRIC                                                                                          \
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
#define ERROR_NOT_POSITIVE "ERR value is out of range, must be positive"
#define ERROR_NOT_FLOAT "ERR value is not a valid float"
#define ERROR_TIMEOUT_NOT_FLOAT "ERR timeout is not a float or out of range"
#define ERROR_TIMEOUT_NOT_INTEGER "ERR timeout is not an integer or out of range"
#define ERROR_TIMEOUT_NEGATIVE "ERR timeout is negative"
#define ERROR_TIMEOUT_RANGE "ERR timeout is out of range"
#define ERROR_RANGE_NOT_FLOAT "ERR min or max is not a float"
#define ERROR_RANGE_NOT_STRING "ERR min or max not valid string range item"
#define ERROR_OVERFLOW "ERR increment or decrement would overflow"
#define ERROR_DECREMENT_OVERFLOW "ERR decrement would overflow"
#define ERROR_NOT_FINITE "ERR increment would produce NaN or Infinity"
#define ERROR_SCORE_NAN "ERR resulting score is not a number (NaN)"
#define ERROR_WEIGHT_NOT_FLOAT "ERR weight value is not a float"
#define ERROR_HASH_NOT_INTEGER "ERR hash value is not an integer"
#define ERROR_HASH_NOT_FLOAT "ERR hash value is not a float"
#define ERROR_BIT_OFFSET "ERR bit offset is not an integer or out of range"
#define ERROR_BIT_VALUE "ERR bit is not an integer or out of range"
#define ERROR_CURSOR "ERR invalid cursor"
#define ERROR_DB_RANGE "ERR DB index is out of range"
#define ERROR_DB_INVALID "ERR invalid DB index"
#define ERROR_COUNT_POSITIVE "ERR count should be greater than 0"
#define ERROR_NUMKEYS_POSITIVE "ERR numkeys should be greater than 0"
#define ERROR_NUMKEYS_RANGE "ERR Number of keys can't be greater than number of args"
#define ERROR_NUMKEYS_NEGATIVE "ERR Number of keys can't be negative"
#define ERROR_XX_AND_NX "ERR XX and NX options at the same time are not compatible"
#define ERROR_GT_LT_NX "ERR GT, LT, and/or NX options at the same time are not compatible"
#define ERROR_INCR_SINGLE "ERR INCR option supports a single increment-element pair"
#define ERROR_EXPIRE_FORMAT "ERR invalid expire time in '%s' command"                     /* full command name */
#define ERROR_ARITY_FORMAT "ERR wrong number of arguments for '%s' command"               /* full command name */
#define ERROR_UNKNOWN_FORMAT "ERR unknown command '%.128s', with args beginning with: %s" /* name, quoted args */
#define ERROR_SUBCOMMAND_FORMAT "ERR unknown subcommand '%.128s'. Try %s HELP."           /* subcommand, COMMAND */

/* streams */
#define ERROR_STREAM_ID "ERR Invalid stream ID specified as stream command argument"
#define ERROR_STREAM_ID_SMALL "ERR The ID specified in XADD is equal or smaller than the target stream top item"
#define ERROR_STREAM_ID_ZERO "ERR The ID specified in XADD must be greater than 0-0"
#define ERROR_BUSY_GROUP "BUSYGROUP Consumer Group name already exists"
#define ERROR_NO_GROUP_FORMAT "NOGROUP No such consumer group '%.*s' for key name '%.*s'" /* group, key, by length */

/* the connection and its user */
#define ERROR_NO_AUTH "NOAUTH Authentication required."
#define ERROR_WRONG_PASS "WRONGPASS invalid username-password pair or user is disabled."
#define ERROR_NO_PROTO "NOPROTO unsupported protocol version"
#define ERROR_PROTO_NOT_INTEGER "ERR Protocol version is not an integer or out of range"
#define ERROR_PROTOCOL_FORMAT "ERR Protocol error: %s" /* the parser's text */
#define ERROR_NO_PERMISSION_COMMAND_FORMAT "NOPERM User %s has no permissions to run the '%s' command"
#define ERROR_NO_PERMISSION_KEY "NOPERM No permissions to access a key"
#define ERROR_NO_PERMISSION_CHANNEL "NOPERM No permissions to access a channel"
#define ERROR_READONLY "READONLY You can't write against a read only replica."
#define ERROR_ROLE_CHANGED                                                                                             \
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
#define ERROR_UNBLOCKED "UNBLOCKED client unblocked via CLIENT UNBLOCK"
#define ERROR_NO_SUCH_CLIENT "ERR No such client"
#define ERROR_SUBSCRIBER_FORMAT                                                                                        \
    "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"

/* transactions and scripts */
#define ERROR_EXEC_ABORT "EXECABORT Transaction discarded because of previous errors."
#define ERROR_MULTI_NESTED "ERR MULTI calls can not be nested"
#define ERROR_EXEC_ALONE "ERR EXEC without MULTI"
#define ERROR_DISCARD_ALONE "ERR DISCARD without MULTI"
#define ERROR_WATCH_IN_MULTI "ERR WATCH inside MULTI is not allowed"
#define ERROR_NOT_IN_MULTI "ERR Command not allowed inside a transaction"
#define ERROR_NO_SCRIPT "NOSCRIPT No matching script. Please use EVAL."
#define ERROR_NOT_FROM_SCRIPT "ERR This Redis command is not allowed from script"
#define ERROR_BUSY_SCRIPT "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
#define ERROR_BUSY_FUNCTION "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
#define ERROR_NOT_BUSY "NOTBUSY No scripts in execution right now."
#define ERROR_UNKILLABLE                                                                                               \
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the "        \
    "script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."

/* the node's state */
#define ERROR_OUT_OF_MEMORY "OOM command not allowed when used memory > 'maxmemory'."
#define ERROR_LOADING "LOADING Redis is loading the dataset in memory"
#define ERROR_READ_ONLY "READONLY You can't write against a read only replica."
#define ERROR_MASTER_DOWN "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
#define ERROR_NO_REPLICAS "NOREPLICAS Not enough good replicas to write."
#define ERROR_UNCERTAIN "UNCERTAIN Too few replicas have this now: what was written here, or read, may last or not."
#define ERROR_MISCONF_DISK                                                                                             \
    "MISCONF Errors writing to the log file: the node refuses writes until the disk accepts them again."
#define ERROR_CROSS_SLOT "CROSSSLOT Keys in request don't hash to the same slot"
#define ERROR_TRY_AGAIN "TRYAGAIN Multiple keys request during rehashing of slot"
#define ERROR_CLUSTER_DOWN "CLUSTERDOWN The cluster is down"
#define ERROR_SLOT_NOT_SERVED "CLUSTERDOWN Hash slot not served"
#define ERROR_CLUSTER_DISABLED "ERR This instance has cluster support disabled"
#define ERROR_MAX_CLIENTS "ERR max number of clients reached"
