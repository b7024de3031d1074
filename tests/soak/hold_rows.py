# SPDX-License-Identifier: BSD-3-Clause
"""What longest_holds.py measures: commands with small arguments on an object of n elements, by type. A row that is a list works
on a copy, T."""

K, T, T2, OTHER = '{k}', '{k}t', '{k}u', '{k}2'
DUMPED = '(what DUMP of a short string tells)'


def of_list(n):
    middle = 'element:%d' % (n // 2)
    return (
        ('LINDEX', K, n // 2), ('LSET', K, n // 2, middle), ('LRANGE', K, n // 2, n // 2 + 9), ('LINSERT', K, 'BEFORE', middle, 'x'),
        ('LPOS', K, middle), ('LPOS', K, 'absent'), ('LREM', K, 1, middle), ('LREM', K, 0, 'absent'), ('LPUSH', K, 'x'), ('RPOP', K),
        ('LMOVE', K, K, 'LEFT', 'RIGHT'), [('LTRIM', T, n // 4, -n // 4)], [('LTRIM', T, 1, 0)], [('LPOP', T, n // 100)], [('LMPOP', 1, T, 'LEFT', 'COUNT', n // 100)],
        [('RPUSH', T, *range(n // 100))], ('SORT', K, 'BY', 'nosort', 'LIMIT', n // 2, 10), ('SORT', K, 'ALPHA', 'LIMIT', 0, 10),
        ('SORT', K, 'BY', 'nosort', 'STORE', OTHER), ('LINSERT', K, 'AFTER', 'absent', 'x'), ('LREM', K, -1, 'element:7'), ('LPOS', K, 'element:7', 'RANK', -1),
        ('LPOS', K, 'absent', 'COUNT', 0, 'MAXLEN', n // 2), ('LRANGE', K, -10, -1), ('RPOPLPUSH', K, K), ('LPUSHX', K, 'x'), ('LMPOP', 1, K, 'RIGHT'), ('LTRIM', K, 1, -2),
        ('BLMPOP', 1, 1, K, 'LEFT', 'COUNT', 10), ('LTRIM', K, 0, -1), ('LLEN', K))


def of_set(n):
    return (
        ('SADD', K, 'x'), ('SREM', K, 'x'), ('SMOVE', K, OTHER, 'member:7'), ('SINTERCARD', 2, K, OTHER, 'LIMIT', 10), ('SINTER', K, OTHER),
        ('SINTERSTORE', T2, K, OTHER), ('SDIFF', K, K), ('SDIFFSTORE', T2, K, OTHER), ('SUNIONSTORE', T2, K, OTHER), ('SUNIONSTORE', T2, K),
        [('SPOP', T, n // 100)], [('SPOP', T, n)], ('SRANDMEMBER', K, n // 100), ('SRANDMEMBER', K, -n // 100), ('SSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'),
        ('SMEMBERS', K), [('SADD', T, *range(n // 100)), ('SREM', T, *range(n // 100))], ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10),
        ('SORT', K, 'ALPHA', 'LIMIT', 0, 10), ('SORT', K, 'BY', 'w:*', 'LIMIT', 0, 10, 'GET', 'w:*'), ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10, 'GET', 'w:*->f'),
        ('SPOP', K), ('SPOP', K, 10), ('SRANDMEMBER', K), ('SRANDMEMBER', K, 10), ('SRANDMEMBER', K, -10), ('SSCAN', K, 0), ('SMISMEMBER', K, 'a', 'member:8'), ('SMOVE', K, OTHER, 'absent'),
        ('SADD', 'few', 'member:8', 'member:9', 'absent'), ('SINTER', K, 'few'), ('SINTERSTORE', 'few2', K, 'few'), ('SDIFF', 'few', K), ('SDIFFSTORE', 'few2', 'few', K),
        ('SINTERCARD', 2, K, K, 'LIMIT', 10), ('SINTERSTORE', T2, K, K), ('DEL', T2), ('SCARD', K))


def of_hash(n):
    return (
        ('HSET', K, 'x', 1), ('HDEL', K, 'x'), ('HINCRBY', K, 'field:7', 1), ('HEXPIRE', K, 1000, 'FIELDS', 1, 'field:7'), ('HRANDFIELD', K, n // 100),
        ('HRANDFIELD', K, -n // 100), ('HSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'), ('HGETALL', K), ('HVALS', K),
        [('HSET', T, *range(n // 50)), ('HPEXPIRE', T, 1, 'FIELDS', n // 100, *range(0, n // 50, 2)), ('HRANDFIELD', T), ('HLEN', T)],
        [('HSET', T, *range(n // 50)), ('HDEL', T, *range(0, n // 50, 2))], ('HGET', K, 'field:7'), ('HMGET', K, 'field:7', 'a'), ('HSTRLEN', K, 'field:7'),
        ('HSETNX', K, 'y', 1), ('HINCRBYFLOAT', K, 'field:7', 1), ('HGETDEL', K, 'FIELDS', 1, 'y'), ('HGETEX', K, 'EX', 1000, 'FIELDS', 1, 'field:8'),
        ('HSETEX', K, 'EX', 1000, 'FIELDS', 1, 'y', 1), ('HTTL', K, 'FIELDS', 1, 'y'), ('HPERSIST', K, 'FIELDS', 1, 'y'), ('HSCAN', K, 0), ('HSCAN', K, 0, 'NOVALUES'), ('HRANDFIELD', K),
        ('HRANDFIELD', K, 10), ('HRANDFIELD', K, -10), ('HRANDFIELD', K, 10, 'WITHVALUES'), ('HLEN', K), ('HEXISTS', K, 'field:8'), ('HKEYS', K))


def of_zset(n):
    return (
        ('ZADD', K, n // 2, 'x'), ('ZREM', K, 'x'), ('ZRANK', K, 'member:%d' % (n // 2)), ('ZRANGE', K, n // 2, n // 2 + 9),
        ('ZRANGEBYSCORE', K, '-inf', '+inf', 'LIMIT', n // 2, 10), ('ZRANGEBYLEX', K, '-', '+', 'LIMIT', n // 2, 10), ('ZCOUNT', K, n // 4, '+inf'),
        ('ZLEXCOUNT', K, '-', '+'), [('ZREMRANGEBYRANK', T, n // 4, n // 2)], [('ZREMRANGEBYSCORE', T, n // 4, n // 2)], [('ZREMRANGEBYLEX', T, '-', '+')],
        ('ZRANGESTORE', T2, K, 0, n // 2), ('ZUNIONSTORE', T2, 2, K, OTHER), ('ZINTERSTORE', T2, 2, K, OTHER), ('ZDIFFSTORE', T2, 2, K, OTHER),
        ('ZUNIONSTORE', T2, 1, K), ('ZINTERCARD', 2, K, OTHER, 'LIMIT', 10), ('ZINTER', 2, K, OTHER), [('ZPOPMIN', T, n // 100)], [('ZMPOP', 1, T, 'MAX', 'COUNT', n // 100)],
        [('ZADD', T, *range(n // 50)), ('ZREM', T, *range(1, n // 50, 2))],
        ('ZRANDMEMBER', K, n // 100), ('ZSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'), ('GEOSEARCH', K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km', 'COUNT', 10),
        ('GEOSEARCH', K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km', 'COUNT', 10, 'ANY'), ('GEOSEARCHSTORE', T2, K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km'),
        ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10), ('SORT', K, 'ALPHA', 'LIMIT', 0, 10), ('ZSCORE', K, 'member:7'), ('ZMSCORE', K, 'member:7', 'a'), ('ZINCRBY', K, 1, 'member:7'),
        ('ZREVRANK', K, 'member:7', 'WITHSCORE'), ('ZREVRANGE', K, n // 2, n // 2 + 9), ('ZRANGE', K, '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', n // 2, 10),
        ('ZRANGE', K, '-', '+', 'BYLEX', 'LIMIT', n - 10, 10), ('ZRANGE', K, '+', '-', 'BYLEX', 'REV', 'LIMIT', n // 2, 10), ('ZRANGESTORE', T2, K, n // 2, n // 2 + 9),
        ('ZREVRANGEBYLEX', K, '+', '[member:1', 'LIMIT', n // 10, 10), ('ZCOUNT', K, '-inf', '+inf'), ('ZPOPMIN', K), ('ZPOPMAX', K, 10), ('BZPOPMIN', K, 1), ('ZRANDMEMBER', K),
        ('ZRANDMEMBER', K, 10), ('ZRANDMEMBER', K, -10), ('ZRANDMEMBER', K, -n // 100), ('ZSCAN', K, 0), ('ZADD', K, 'GT', 7, 'member:7'), ('ZADD', K, 'INCR', 7, 'member:7'),
        ('GEOADD', K, 13, 38, 'x'), ('GEOPOS', K, 'x'), ('GEODIST', K, 'x', 'x'), ('GEOHASH', K, 'x'), ('GEORADIUS', K, 13, 38, 10, 'km', 'COUNT', 10), ('ZADD', 'few', 1, 'member:8', 2, 'a'),
        ('ZINTER', 2, K, 'few'), ('ZINTERSTORE', 'few2', 2, K, 'few'), ('ZDIFF', 2, 'few', K), ('ZDIFFSTORE', 'few2', 2, 'few', K), ('ZINTERCARD', 2, K, K, 'LIMIT', 10),
        ('ZUNIONSTORE', T2, 2, K, 'few'), ('DEL', T2), ('ZREMRANGEBYRANK', K, n // 2, n // 2), ('ZREMRANGEBYSCORE', K, n // 2, n // 2 + 9), ('ZREMRANGEBYLEX', K, '[absent', '[absent'))


def of_stream(n):
    ids = ['%d-0' % i for i in range(10, 10 + 100 * (n // 1000), 100)]
    return (
        ('XADD', K, '*', 'field', 1), ('XRANGE', K, n // 2, '+', 'COUNT', 10), ('XDEL', K, '%d-0' % (n // 2)), ('XINFO', 'STREAM', K), ('XINFO', 'STREAM', K, 'FULL', 'COUNT', 10),
        [('XTRIM', T, 'MAXLEN', n // 2)], [('XTRIM', T, 'MAXLEN', '~', n // 2)], [('XTRIM', T, 'MINID', n // 2)], [('XADD', T, 'MAXLEN', 10, '*', 'f', 1)],
        ('XGROUP', 'CREATE', K, 'g', 0), ('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', n, 'STREAMS', K, '>'), ('XINFO', 'STREAM', K), ('XINFO', 'GROUPS', K), ('XPENDING', K, 'g'),
        ('XPENDING', K, 'g', '-', '+', 10), ('XPENDING', K, 'g', 'IDLE', 100000000, '-', '+', 10), ('XPENDING', K, 'g', 'IDLE', 100000000, '-', '+', 10, 'c'),
        ('XPENDING', K, 'g', '-', '+', 10, 'absent'), ('XINFO', 'STREAM', K, 'FULL', 'COUNT', n // 10),
        ('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 10, 'STREAMS', K, n // 2), ('XAUTOCLAIM', K, 'g', 'd', 100000000, 0, 'COUNT', 100),
        ('XAUTOCLAIM', K, 'g', 'd', 100000000, 0, 'COUNT', n // 10), ('XAUTOCLAIM', K, 'g', 'd', 0, 0, 'COUNT', n // 100, 'JUSTID'), ('XCLAIM', K, 'g', 'd', 100000000, *ids),
        ('XCLAIM', K, 'g', 'd', 0, *ids, 'JUSTID'), ('XACK', K, 'g', '7-0'), ('SAVE',), [('XACK', T, 'g', *ids)], [('XDEL', T, *ids)], [('XDELEX', T, 'DELREF', 'IDS', len(ids), *ids)],
        [('XACKDEL', T, 'g', 'IDS', len(ids), *ids)], [('XTRIM', T, 'MAXLEN', n // 2)], ('XSETID', K, '%d-0' % (2 * 10 ** 12)), ('XGROUP', 'SETID', K, 'g', n // 2),
        ('XGROUP', 'CREATECONSUMER', K, 'g', 'e'), [('XGROUP', 'DELCONSUMER', T, 'g', 'c')], [('XGROUP', 'DESTROY', T, 'g')], ('XLEN', K), ('XREVRANGE', K, '+', '-', 'COUNT', 10),
        ('XREVRANGE', K, n // 2, '-', 'COUNT', 10), ('XREAD', 'COUNT', 10, 'STREAMS', K, n // 2), ('XREAD', 'STREAMS', K, '+'), ('XGROUP', 'CREATE', K, 'h', '%d-0' % (n // 2)),
        ('XREADGROUP', 'GROUP', 'h', 'c', 'COUNT', 10, 'STREAMS', K, '>'), ('XREADGROUP', 'GROUP', 'h', 'c', 'COUNT', 10, 'NOACK', 'STREAMS', K, '>'), ('XINFO', 'GROUPS', K),
        ('XINFO', 'CONSUMERS', K, 'g'), ('XGROUP', 'CREATE', K, 'i', '%d-0' % (n // 3), 'ENTRIESREAD', 7), ('XINFO', 'GROUPS', K), ('XAUTOCLAIM', K, 'g', 'd', 0, '-', 'COUNT', 1),
        ('XPENDING', K, 'g', '%d-0' % (n // 2), '+', 10, 'd'), ('XDEL', K, '2-0'), ('XTRIM', K, 'MAXLEN', '~', n - 1), ('XTRIM', K, 'MAXLEN', n - n // 1000),
        ('XADD', K, 'MAXLEN', '~', n // 2, 'LIMIT', 1000, '*', 'f', 1), ('XADD', K, 'NOMKSTREAM', '*', *range(2000)), ('XTRIM', K, 'MINID', n // 1000), ('XDELEX', K, 'ACKED', 'IDS', 1, '%d-0' % (n // 5)))


def of_string(n):
    return (
        ('STRLEN', K), ('GETRANGE', K, n, n + 9), ('SETRANGE', K, n, 'x'), ('APPEND', K, 'x'), ('SETBIT', K, n, 1), ('BITCOUNT', K), ('BITPOS', K, 0), ('BITOP', 'NOT', T2, K),
        ('GETSET', T2, 'x'), ('GET', K), ('SETRANGE', T2, n * 10, 'x'), [('APPEND', T, 'x' * 1000)], [('BITFIELD', T, 'SET', 'u8', n * 100, 1)], ('SUBSTR', K, n, n + 9), ('GETEX', K, 'EX', 1000), ('INCR', K), ('SETNX', K, 'x'), ('BITFIELD_RO', K, 'GET', 'u8', n * 20),
        ('BITFIELD', K, 'INCRBY', 'u8', n * 20, 1), ('BITCOUNT', K, 1, -1, 'BIT'), ('BITPOS', K, 0, 1, -1, 'BIT'), ('BITPOS', K, 1, 1, -1), ('GETBIT', K, n * 40), ('LCS', K, 'absent', 'LEN'),
        ('SET', 'few', 'abc'), ('LCS', K, 'few', 'LEN'), ('BITOP', 'AND', T2, K, 'few'), ('BITOP', 'XOR', T2, K, K), ('BITOP', 'DIFF', T2, K, 'few'), ('PFADD', K, 'x'), ('PFCOUNT', K),
        ('PFADD', 'hll', *range(10000)), ('PFADD', 'hll2', *range(5000, 20000)), ('PFMERGE', 'hll3', 'hll', 'hll2'), ('PFCOUNT', 'hll', 'hll2'), ('PFMERGE', 'hll', K), [('MSET', T, 'x', 'few', 'y')],
        [('GETSET', T, 'x')], [('SET', T, 'x', 'KEEPTTL')], [('GETDEL', T)], [('SET', T, 'x', 'GET')], ('SET', 'other', 'x' * 100000000), ('GETRANGE', K, 0, 100), ('SETRANGE', K, 7, 'y' * 1000))


def of_keys(n):
    """A tenth as many keys, of which all go at once."""
    return (('DBSIZE',), ('RANDOMKEY',), ('KEYS', 'none'), ('SCAN', 0, 'COUNT', n // 10, 'MATCH', 'none'), ('SWAPDB', 0, 1), ('SWAPDB', 0, 1))


OF_ALL = (('TYPE', K), ('OBJECT', 'ENCODING', K), ('MEMORY', 'USAGE', K), ('EXPIRE', K, 100000), ('PERSIST', K), ('SAVE',), ('COPY', K, T2, 'REPLACE'), [('RENAME', T, T2)],
          [('RENAME', T, 'elsewhere')], [('MOVE', T, 1)], ('DUMP', K), [('DEL', T)], [('SET', T, 'x')], [('PEXPIRE', T, 0)], [('PEXPIRE', T, 1), ('EXISTS', T)],
          ('MEMORY', 'USAGE', K, 'SAMPLES', 0), ('OBJECT', 'FREQ', K), ('OBJECT', 'IDLETIME', K), ('OBJECT', 'REFCOUNT', K), ('DEBUG', 'OBJECT', K), ('TOUCH', K), ('EXISTS', K), ('TTL', K),
          [('UNLINK', T)], [('RENAMENX', T, 'elsewhere')], ('SET', 'tiny', 'x'), [('RENAME', 'tiny', T)], ('SET', 'tiny', 'x'), [('COPY', 'tiny', T, 'REPLACE')], [('RESTORE', T, 0, DUMPED, 'REPLACE')],
          [('EXPIREAT', T, 1)], [('MSET', T, 'x', 'other', 'y')], ('COPY', K, 'elsewhere', 'DB', 1), ('LPUSH', 'types', 'x'), ('TYPE', K), ('WATCH', K), ('UNWATCH',))
TRANSACTIONS = (
    [('RENAME', T, T2)], [('SET', 'tiny', 'x'), ('RENAME', T, 'tiny')], [('MOVE', T, 1)], [('COPY', T, T2, 'REPLACE')], [('RENAME', T, T2), ('RENAME', T2, T)], [('DEL', T), ('SET', T, 'x')], [('DUMP', T)])
IN_TRANSACTIONS = {
    'list': lambda n: ([('LREM', T, 0, 'absent'), ('LPOS', T, 'element:%d' % (n // 2))], [('LINSERT', T, 'BEFORE', 'element:%d' % (n // 2), 'x')], [('LTRIM', T, n // 4, -n // 4)],
                       [('SORT', T, 'ALPHA', 'LIMIT', 0, 10)]),
    'set': lambda n: ([('SPOP', T, 10)], [('SINTERCARD', 2, T, OTHER)], [('SUNIONSTORE', T, T, OTHER)], [('SMOVE', T, OTHER, 'member:7')]),
    'hash': lambda n: ([('HDEL', T, 'field:7'), ('HRANDFIELD', T, 10)],),
    'zset': lambda n: ([('ZREMRANGEBYRANK', T, n // 4, n // 2)], [('ZADD', T, 1, 'x'), ('ZREMRANGEBYSCORE', T, n // 4, n // 2)], [('ZRANGESTORE', T2, T, 0, n // 2)]),
    'stream': lambda n: ([('XADD', T, '*', 'f', 1), ('XTRIM', T, 'MAXLEN', n // 2)],),
    'string': lambda n: ([('BITCOUNT', T)], [('APPEND', T, 'x' * 1000)], [('BITOP', 'NOT', T, T)]),
}
TYPES = {'list': of_list, 'set': of_set, 'hash': of_hash, 'zset': of_zset, 'stream': of_stream, 'string': of_string}

# What changes the value while a file is saved.
CHANGES = {'list': ('LSET', K, 7), 'set': ('SADD', K), 'hash': ('HSET', K, 'field:7'), 'zset': ('ZADD', K, 1), 'string': ('SETRANGE', K, 7),
           'stream': ('XADD', K, '*', 'field')}
