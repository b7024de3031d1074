# SPDX-License-Identifier: BSD-3-Clause
"""One generator per command family: from shapes to one command, a list of words.

To add a family, write a function that returns such a list and give it a weight in FAMILIES.
"""


def pick(shapes, table):
    """A command of a table {name: maker of its arguments}. Blanks behind a name make it more likely."""
    name = shapes.random.choice(list(table))
    return [shapes.cased(name.strip())] + table[name]()


def string_family(s):
    # The reference keeps a key that SET gave a past expiry until somebody looks, so DBSIZE would depend on timing.
    set_options = {b'EX': s.seconds, b'PX': s.milliseconds, b'EXAT': s.ahead_seconds, b'PXAT': s.ahead_milliseconds,
                   b'NX': None, b'XX': None, b'KEEPTTL': None, b'GET': None}
    get_options = {b'EX': s.seconds, b'PX': s.milliseconds, b'EXAT': s.at_seconds, b'PXAT': s.at_milliseconds,
                   b'PERSIST': None}
    lcs_options = {b'LEN': None, b'IDX': None, b'WITHMATCHLEN': None, b'MINMATCHLEN': s.number}

    def pairs():
        return [word for _ in range(s.random.randint(1, 4)) for word in (s.key(), s.value())]

    def offset():
        if s.chance(0.85):
            return str(s.up_to(40)).encode()
        return s.one_of(b'-1', b'536870912', b'536870911000', b'9223372036854775807', b'5000', s.not_an_integer())

    return pick(s, {
        b'SET': lambda: [s.key(), s.value()] + s.options(set_options),
        b'GET': lambda: [s.key()],
        b'GETEX': lambda: [s.key()] + s.options(get_options, 2),
        b'GETDEL': lambda: [s.key()],
        b'GETSET': lambda: [s.key(), s.value()],
        b'SETNX': lambda: [s.key(), s.value()],
        b'SETEX': lambda: [s.key(), s.seconds(), s.value()],
        b'PSETEX': lambda: [s.key(), s.milliseconds(), s.value()],
        b'MGET': lambda: s.keys(1, 6),
        b'MSET': pairs,
        b'MSETNX': pairs,
        b'APPEND': lambda: [s.key(), s.value()],
        b'STRLEN': lambda: [s.key()],
        b'SETRANGE': lambda: [s.key(), offset(), s.value()],
        b'GETRANGE': lambda: [s.key(), s.index(), s.index()],
        b'SUBSTR': lambda: [s.key(), s.index(), s.index()],
        b'INCR': lambda: [s.key()],
        b'DECR': lambda: [s.key()],
        b'INCRBY': lambda: [s.key(), s.number()],
        b'DECRBY': lambda: [s.key(), s.number()],
        b'INCRBYFLOAT': lambda: [s.key(), s.float()],
        b'LCS': lambda: [s.key(), s.key()] + s.options(lcs_options),
    })


def key_family(s):
    conditions = {b'NX': None, b'XX': None, b'GT': None, b'LT': None}
    # With a relative time GT and LT would compare two clocks.
    unconditional = {b'NX': None, b'XX': None}
    copy_options = {b'DB': s.database, b'REPLACE': None}
    restore_options = {b'REPLACE': None, b'ABSTTL': None, b'IDLETIME': s.number, b'FREQ': s.number}
    scan_options = {b'MATCH': s.pattern, b'COUNT': s.number, b'TYPE': lambda: s.one_of(b'string', b'list', b'STRING', b'x')}
    sort_options = {b'ASC': None, b'DESC': None, b'ALPHA': None, b'BY': s.pattern, b'GET': s.pattern, b'STORE': s.key}

    def sort():
        """A set's members that BY does not tell apart have no order, and would be stored in it."""
        options = s.options(sort_options)
        while {b'BY', b'STORE'} <= {word.upper() for word in options}:
            options = s.options(sort_options)
        return [s.key()] + options

    def restore():
        options = s.options(restore_options)
        absolute = any(word.upper() == b'ABSTTL' for word in options)
        return [s.key(), s.at_milliseconds() if absolute else s.one_of(b'0', s.milliseconds()), s.dump()] + options

    return pick(s, {
        b'DEL': s.keys,
        b'UNLINK': s.keys,
        b'EXISTS': s.keys,
        b'TOUCH': s.keys,
        b'TYPE': lambda: [s.key()],
        b'RENAME': lambda: [s.key(), s.key()],
        b'RENAMENX': lambda: [s.key(), s.key()],
        b'COPY': lambda: [s.key(), s.key()] + s.options(copy_options),
        b'MOVE': lambda: [s.key(), s.database()],
        b'KEYS': lambda: [s.pattern()],
        b'SCAN': lambda: [s.one_of(b'0', b'0', b'0', s.not_an_integer())] + s.options(scan_options),
        b'RANDOMKEY': lambda: [],
        b'EXPIRE': lambda: [s.key(), s.seconds()] + s.options(unconditional, 2),
        b'PEXPIRE': lambda: [s.key(), s.milliseconds()] + s.options(unconditional, 2),
        b'EXPIREAT': lambda: [s.key(), s.at_seconds()] + s.options(conditions, 2),
        b'PEXPIREAT': lambda: [s.key(), s.at_milliseconds()] + s.options(conditions, 2),
        b'PERSIST': lambda: [s.key()],
        b'TTL': lambda: [s.key()],
        b'PTTL': lambda: [s.key()],
        b'EXPIRETIME': lambda: [s.key()],
        b'PEXPIRETIME': lambda: [s.key()],
        b'DUMP': lambda: [s.key()],
        b'RESTORE': restore,
        b'OBJECT': lambda: [s.cased(s.one_of(b'ENCODING', b'ENCODING', b'IDLETIME', b'REFCOUNT', b'FREQ', b'NONE')), s.key()],
        b'SORT': sort,
        b'SORT_RO': lambda: [s.key()] + s.options({**sort_options, b'LIMIT': s.index}),
    })


def bitmap_family(s):
    def bit_offset():
        r = s.random.random()
        if r < 0.85:
            return str(s.up_to(400)).encode()
        if r < 0.95:
            return str(s.up_to(600000)).encode()
        return s.one_of(b'-1', b'4294967296', b'9223372036854775807', b'18446744073709551616', s.not_an_integer())

    def field_offset():
        r = s.random.random()
        if r < 0.6:
            return bit_offset()
        return b'#' + (s.one_of(b'', b'-1', b'#1', b'1152921504606846975', s.not_an_integer())
                       if r < 0.65 else str(s.up_to(40)).encode())

    def field_type():
        if s.chance(0.95):
            return s.one_of(b'i%d' % s.random.randint(1, 64), b'u%d' % s.random.randint(1, 63), b'u8', b'i8', b'i64', b'u63')
        return s.one_of(b'u64', b'i65', b'u0', b'i0', b'i-1', b'I8', b'U8', b'', b'u', b'8', b'u08', b'i 8', s.not_an_integer())

    def field_value():
        """Not the lowest numbers of all, which the reference saturates to a field's maximum."""
        number = s.number()
        return b'-4611686018427387904' if number.startswith(b'-92233720368547758') else number

    def field_operations(writes):
        words = []
        for _ in range(s.one_of(0, 1, 1, 1, 2, 3, 6)):
            name = s.one_of(b'GET', b'SET', b'INCRBY', b'SET', b'INCRBY', b'OVERFLOW') if writes else b'GET'
            words.append(s.misspelled(name) if s.chance(0.01) else s.cased(name))
            if name == b'OVERFLOW':
                words.append(s.one_of(b'MAYBE', b'') if s.chance(0.03) else s.cased(s.one_of(b'WRAP', b'SAT', b'FAIL')))
            else:
                words += [field_type(), field_offset()] + ([field_value()] if name != b'GET' else [])
        return words[:-1] if words and s.chance(0.02) else words

    def bit_index():
        return s.number() if s.chance(0.1) else str(s.random.randint(-300, 300)).encode()

    def unit():
        return [s.cased(s.one_of(b'BIT', b'BYTE'))] if s.chance(0.95) else [s.one_of(b'', b'BITS', b'x')]

    def count_range():
        return s.one_of([], [bit_index(), bit_index()], [bit_index(), bit_index()] + unit(), [bit_index()]
                        if s.chance(0.1) else [], [bit_index(), bit_index()] + unit() + unit() if s.chance(0.05) else [])

    def bitop():
        name = s.one_of(b'AND', b'OR', b'XOR', b'NOT')
        sources = [s.key()] if name == b'NOT' and s.chance(0.9) else s.keys(1, 5)
        return [s.one_of(b'NAND', b'', b'ANDX') if s.chance(0.02) else s.cased(name), s.key()] + sources

    def bit():
        return s.one_of(b'2', b'-1', s.not_an_integer()) if s.chance(0.05) else s.one_of(b'0', b'1')

    return pick(s, {
        b'SETBIT': lambda: [s.key(), bit_offset(), bit()],
        b'GETBIT': lambda: [s.key(), bit_offset()],
        b'BITCOUNT': lambda: [s.key()] + count_range(),
        b'BITPOS': lambda: [s.key(), bit()] + s.one_of([], [bit_index()], count_range()),
        b'BITOP': bitop,
        b'BITFIELD': lambda: [s.key()] + field_operations(True),
        b'BITFIELD_RO': lambda: [s.key()] + field_operations(s.chance(0.05)),
        # What the bits stand in, and how it is kept.
        b'SET': lambda: [s.key(), s.value()],
        b'GET': lambda: [s.key()],
        b'OBJECT': lambda: [b'ENCODING', s.key()],
    })


def hyperloglog_family(s):
    """Keys of its own: what other families make of a value that is one may be unsound, and is then refused earlier."""
    def key():
        return b'h%d' % s.up_to(4) if s.chance(0.95) else s.one_of(b'{h}1', b'h wrong', b'h\x00')

    def keys(least):
        return [key() for _ in range(s.one_of(least, 1, 1, 2, 3, 5))]

    def elements():
        r = s.random.random()
        if r < 0.6:
            return [s.value() for _ in range(s.up_to(4))]
        if r < 0.95:
            return [b'%d' % s.up_to(100000) for _ in range(s.up_to(60))]
        return [s.random.randbytes(s.up_to(20)) for _ in range(s.up_to(900))]

    def no_hyperloglog():
        """Beginnings that are refused by their header."""
        return s.one_of(b'HYLL', b'HYLL\x02' + bytes(11), b'HYLL' + bytes(12), b'HYLL' + bytes(12299), b'HYLX\x01' + bytes(11),
                        b'HYLL\x00' + bytes(12298), s.value())

    return pick(s, {
        b'PFADD': lambda: [key()] + elements(),
        b'pfadd': lambda: [key()] + elements(),
        b'PFCOUNT': lambda: keys(1),
        b'PFMERGE': lambda: [key()] + keys(0),
        b'PFDEBUG': lambda: [s.one_of(b'GETREG', b'DECODE', b'DECODE', b'ENCODING', b'encoding', b'TODENSE', b'X') if s.chance(0.3)
                             else b'DECODE', key()],
        b'SET': lambda: [s.one_of(b'h wrong', key()) if s.chance(0.2) else b'h wrong', no_hyperloglog()],
        b'GET': lambda: [key()],
        b'STRLEN': lambda: [key()],
        b'DEL': lambda: [key()] if s.chance(0.3) else [b'none'],
        b'DUMP': lambda: [key()],
        b'PEXPIRE': lambda: [key(), s.milliseconds()],
        b'PERSIST': lambda: [key()],
    })


def list_family(s):
    position_options = {b'RANK': s.index, b'COUNT': s.index, b'MAXLEN': s.index}

    def element():
        return s.one_of(b'a', b'b', b'1', b'') if s.chance(0.5) else s.value()

    def elements():
        return [element() for _ in range(s.one_of(1, 1, 2, 5, 40))]

    def count():
        return [] if s.chance(0.6) else [s.index()]

    def end():
        return s.cased(s.one_of(b'LEFT', b'RIGHT')) if s.chance(0.95) else b'x'

    def timeout():
        return s.one_of(b'0.001', b'0.01', b'0.001', b'-1', b'x', b'nan')

    def several():
        keys = s.keys(1, 3)
        number = str(len(keys)).encode() if s.chance(0.9) else s.index()
        return [number] + keys + [end()] + s.options({b'COUNT': s.index}, 1)

    return pick(s, {
        b'LPUSH': lambda: [s.key()] + elements(),
        b'RPUSH': lambda: [s.key()] + elements(),
        b'LPUSHX': lambda: [s.key()] + elements(),
        b'RPUSHX': lambda: [s.key()] + elements(),
        b'LPOP': lambda: [s.key()] + count(),
        b'RPOP': lambda: [s.key()] + count(),
        b'LLEN': lambda: [s.key()],
        b'LINDEX': lambda: [s.key(), s.index()],
        b'LSET': lambda: [s.key(), s.index(), element()],
        b'LINSERT': lambda: [s.key(), s.cased(s.one_of(b'BEFORE', b'AFTER', b'BEFORE', b'AFTER', b'x')), element(), element()],
        b'LRANGE': lambda: [s.key(), s.index(), s.index()],
        b'LREM': lambda: [s.key(), s.index(), element()],
        b'LTRIM': lambda: [s.key(), s.index(), s.index()],
        b'LPOS': lambda: [s.key(), element()] + s.options(position_options),
        b'LMOVE': lambda: [s.key(), s.key(), end(), end()],
        b'RPOPLPUSH': lambda: [s.key(), s.key()],
        b'LMPOP': several,
        b'BLPOP': lambda: s.keys(1, 3) + [timeout()],
        b'BRPOP': lambda: s.keys(1, 3) + [timeout()],
        b'BLMOVE': lambda: [s.key(), s.key(), end(), end(), timeout()],
        b'BRPOPLPUSH': lambda: [s.key(), s.key(), timeout()],
        b'BLMPOP': lambda: [timeout()] + several(),
    })


def set_family(s):
    scan_options = {b'MATCH': s.pattern, b'COUNT': lambda: b'1000', b'NOVALUES': None}

    def member():
        return s.one_of(b'a', b'b', b'c', b'1', b'2', b'-7', b'') if s.chance(0.6) else s.value()

    def members():
        if s.chance(0.05):
            return [b'%d' % i for i in range(s.up_to(600))]
        return [member() for _ in range(s.one_of(1, 1, 2, 3, 8, 40))]

    def count():
        return s.one_of(b'0', b'100000', b'9223372036854775807', b'-1', s.not_an_integer())

    def numbered():
        keys = s.keys(1, 3)
        number = str(len(keys)).encode() if s.chance(0.9) else s.number()
        return [number] + keys + s.options({b'LIMIT': s.index}, 1)

    return pick(s, {
        b'SADD': lambda: [s.key()] + members(),
        b'SREM': lambda: [s.key()] + members(),
        b'SISMEMBER': lambda: [s.key(), member()],
        b'SMISMEMBER': lambda: [s.key()] + members(),
        b'SCARD': lambda: [s.key()],
        b'SMEMBERS': lambda: [s.key()],
        b'SMOVE': lambda: [s.key(), s.key(), member()],
        # What is drawn differs; so all or nothing is taken.
        b'SPOP': lambda: [s.key(), count()] + ([b'x'] if s.chance(0.02) else []),
        b'SRANDMEMBER': lambda: [s.key(), count()] + ([b'x'] if s.chance(0.02) else []),
        b'SINTER': s.keys,
        b'SINTERSTORE': lambda: s.keys(2, 4),
        b'SINTERCARD': numbered,
        b'SUNION': s.keys,
        b'SUNIONSTORE': lambda: s.keys(2, 4),
        b'SDIFF': s.keys,
        b'SDIFFSTORE': lambda: s.keys(2, 4),
        b'SSCAN': lambda: [s.key(), s.one_of(b'0', b'0', b'0', s.not_an_integer())] + s.options(scan_options),
    })


def hash_family(s):
    scan_options = {b'MATCH': s.pattern, b'COUNT': lambda: b'1000'}

    def field():
        return s.one_of(b'a', b'b', b'c', b'1', b'2', b'') if s.chance(0.7) else s.value()

    def pairs():
        if s.chance(0.04):
            return [word for i in range(s.one_of(100, 511, 512, 513)) for word in (b'%d' % i, b'x')]
        words = [word for _ in range(s.one_of(1, 1, 2, 3, 8, 40)) for word in (field(), s.value())]
        return words[:-1] if s.chance(0.02) else words

    def fields():
        return [field() for _ in range(s.one_of(1, 1, 2, 5))]

    def drawn():
        count = s.one_of(b'0', b'100000', b'9223372036854775807', b'-9223372036854775808', b'1', b'-3', s.not_an_integer())
        return s.one_of([], [count], [count, s.cased(b'WITHVALUES')], [count, b'x'])

    return pick(s, {
        b'HSET': lambda: [s.key()] + pairs(),
        b'HMSET': lambda: [s.key()] + pairs(),
        b'HSETNX': lambda: [s.key(), field(), s.value()],
        b'HGET': lambda: [s.key(), field()],
        b'HMGET': lambda: [s.key()] + fields(),
        b'HGETALL': lambda: [s.key()],
        b'HKEYS': lambda: [s.key()],
        b'HVALS': lambda: [s.key()],
        b'HDEL': lambda: [s.key()] + fields(),
        b'HEXISTS': lambda: [s.key(), field()],
        b'HLEN': lambda: [s.key()],
        b'HSTRLEN': lambda: [s.key(), field()],
        b'HINCRBY': lambda: [s.key(), field(), s.number()],
        b'HINCRBYFLOAT': lambda: [s.key(), field(), s.float()],
        b'HRANDFIELD': lambda: [s.key()] + drawn(),
        b'HSCAN': lambda: [s.key(), s.one_of(b'0', b'0', b'0', s.not_an_integer())] + s.options(scan_options),
    })


def transaction_family(s):
    return pick(s, {
        b'MULTI': lambda: [],
        b'EXEC': lambda: [],
        b'DISCARD': lambda: [b'x'] if s.chance(0.02) else [],
        b'WATCH': s.keys,
        b'UNWATCH': lambda: [],
    })


def connection_family(s):
    hello_options = {b'SETNAME': lambda: s.one_of(b'me', b'a b', b''), b'AUTH': lambda: b'default'}
    client = {
        b'GETNAME': lambda: [], b'SETNAME': lambda: [s.one_of(b'me', b'you', b'a b', b'', b'x\n')],
        b'ID': lambda: [], b'NO-EVICT': lambda: [s.one_of(b'on', b'off', b'maybe')], b'INFO': lambda: [],
        b'UNBLOCK': lambda: [s.one_of(b'x', b'999999999')] + s.options({b'TIMEOUT': None, b'ERROR': None, b'X': None}, 1),
        b'KILL': lambda: s.one_of([b'ID', b'999999999'], [b'ID', b'x'], [b'TYPE', b'none'], [b'1.2.3.4:5'], [b'USER', b'nobody'],
                                  [b'ADDR', b'1.2.3.4:5'], [b'SKIPME', b'maybe'], [b'ID']),
        b'REPLY': lambda: [s.one_of(b'ON', b'maybe')], b'NOTHING': lambda: [], b'UNPAUSE': lambda: [],
        b'PAUSE': lambda: s.one_of([b'x'], [b'-1'], [b'0', b'EVER'], [b'0']),
        b'LIST': lambda: s.one_of([b'TYPE', b'none'], [b'ID', b'x'], [b'ID'], [b'TYPE']),
        b'CACHING': lambda: [s.one_of(b'YES', b'NO', b'X')], b'GETREDIR': lambda: [], b'TRACKINGINFO': lambda: [],
    }

    def hello():
        return s.one_of([], [b'2'], [b'3'], [b'2'], [b'3'], [b'1'], [b'4'], [b'x'],
                        [s.one_of(b'2', b'3')] + s.options(hello_options))

    return pick(s, {
        b'PING': lambda: [] if s.chance(0.5) else [s.value()],
        b'ECHO': lambda: [s.value()],
        b'SELECT': lambda: [s.database()],
        b'HELLO': hello,
        b'RESET': lambda: [],
        b'AUTH': lambda: s.one_of([b'x'], [b'default', b'x'], [b'nobody', b'x'], [b'a', b'b', b'c']),
        b'CLIENT': lambda: (lambda name: [s.cased(name)] + client[name]())(s.random.choice(list(client))),
        b'READONLY': lambda: [], b'READWRITE': lambda: [], b'ASKING': lambda: [],
    })


def pubsub_family(s):
    """Nobody subscribes, and nobody tracks: what would come by itself could not be told from replies."""
    channel = lambda: s.one_of(b'news', b'n*', b'', b'\x00\r\n', s.value())
    tracking = lambda: s.one_of(b'REDIRECT', b'999999999', b'x', b'PREFIX', b'a', b'ab', b'BCAST', b'OPTIN', b'OPTOUT', b'X')
    contradictions = ([b'BCAST', b'OPTIN'], [b'OPTIN', b'OPTOUT'], [b'PREFIX', b'a'], [b'REDIRECT', b'999999999'],
                      [b'BCAST', b'PREFIX', b'ab', b'PREFIX', b'abc'], [b'BCAST', b'PREFIX', b'', b'PREFIX', b'a'])
    asked = {b'CHANNELS': lambda: [channel()] * s.up_to(2), b'NUMPAT': lambda: [channel()] * s.up_to(1),
             b'NUMSUB': lambda: [channel() for _ in range(s.up_to(3))], b'SHARDCHANNELS': lambda: [channel()] * s.up_to(2),
             b'SHARDNUMSUB': lambda: [channel() for _ in range(s.up_to(3))], b'NOTHING': lambda: []}
    return pick(s, {
        b'PUBLISH': lambda: [channel(), s.value()],
        b'SPUBLISH': lambda: [channel(), s.value()],
        b'UNSUBSCRIBE': lambda: [channel()] * s.up_to(1),
        b'PUNSUBSCRIBE': lambda: [channel()] * s.up_to(1),
        b'SUNSUBSCRIBE': lambda: [channel()] * s.up_to(1),
        b'PUBSUB': lambda: (lambda name: [s.cased(name)] + asked[name]())(s.random.choice(list(asked))),
        b'CLIENT': lambda: [b'TRACKING'] + s.one_of([b'OFF'], [b'OFF', tracking()], [b'MAYBE'],
                                                    [b'ON'] + s.one_of(*contradictions)),
        b'CONFIG': lambda: [b'SET', b'notify-keyspace-events', s.one_of(b'', b'KEA', b'Kx$', b'q', b'mE')],
    })


def server_family(s):
    commands = [b'get', b'set', b'mset', b'object|encoding', b'object', b'nothing', b'config|get', b'msetnx', b'copy', b'lcs']
    return pick(s, {
        b'DBSIZE': lambda: [],
        b'SWAPDB': lambda: [s.database(), s.database()],
        b'FLUSHDB': lambda: s.one_of([], [], [b'SYNC'], [b'ASYNC'], [b'x'], [b'SYNC', b'x']) if s.chance(0.2) else [b'x'],
        b'FLUSHALL': lambda: s.one_of([], [b'ASYNC']) if s.chance(0.03) else [b'maybe'],
        b'TIME': lambda: [],
        b'LASTSAVE': lambda: [],
        b'ROLE': lambda: [],
        b'WAIT': lambda: s.one_of([b'0', b'0'], [b'0', b'10'], [b'x', b'0'], [b'0', b'-1'], [b'0', b'x']),
        b'CONFIG': lambda: s.one_of([b'GET', b'maxmemory-policy'], [b'GET', b'no-such-*'], [b'SET', b'no-such', b'1'],
                                    [b'GET'], [b'SET', b'maxmemory'], [b'NOTHING'], [b'SET', b'maxmemory', b'x'],
                                    [b'RESETSTAT'], [b'GET', b'maxmemory', b'proto-max-bulk-len']),
        b'COMMAND': lambda: s.one_of([b'GETKEYS', b'GET', s.key()], [b'GETKEYS', b'MSET', s.key(), b'v', s.key(), b'v'],
                                     [b'GETKEYS', b'PING'], [b'GETKEYS', b'NOTHING', b'a'], [b'GETKEYS', b'GET'],
                                     [b'GETKEYSANDFLAGS', b'SET', s.key(), b'v'], [b'GETKEYSANDFLAGS', b'COPY', b'a', b'b'],
                                     [b'GETKEYS', b'SORT', b'a', b'STORE', b'b'], [b'NOTHING'], [b'INFO', b'nothing'],
                                     [b'GETKEYS', b'OBJECT', b'ENCODING', b'k'], [b'INFO', s.random.choice(commands)],
                                     [b'LIST', b'FILTERBY', b'PATTERN', b'ms*'], [b'LIST', b'FILTERBY', b'X', b'y']),
        b'SLOWLOG': lambda: s.one_of([b'LEN'], [b'RESET'], [b'GET', b'x'], [b'GET', b'-2'], [b'NOTHING']),
        b'LATENCY': lambda: s.one_of([b'NOTHING'], [b'LATEST'], [b'HISTORY', b'command'], [b'RESET']),
        b'MEMORY': lambda: s.one_of([b'USAGE', s.key()], [b'USAGE', s.key(), b'SAMPLES', s.number()], [b'NOTHING'],
                                    [b'USAGE', s.key(), b'X', b'1']),
        b'OBJECT': lambda: [b'HELP'],
    })


def zset_family(s):
    """On keys of its own beside the common ones: a range by names means something where all scores are equal. No zero
    has a sign: it lasts only while a set is large, and when results become that is not the same."""
    def member():
        r = s.random.random()
        if r < 0.75:
            return b'm%d' % s.up_to(25)
        return s.value() if r < 0.97 else b'y' * s.one_of(63, 64, 65, 4095, 4096)

    def score():
        if s.chance(0.7):
            return str(s.random.randint(-20, 20)).encode()
        return (s.float() if s.chance(0.7) else b'2').replace(b'-0', b'0') if s.chance(0.7) else \
            s.one_of(b'1e17', b'123456789012345680', b'4611686018427387904', b'0.1',
                                                        b'9223372036854775807', b'-9223372036854775808', b'3.0', b'1.5')

    def zkey():
        return b'z%d' % s.up_to(3) if s.chance(0.9) else s.key()

    def lex_key():
        return b'lex%d' % s.up_to(1)

    def zkeys(most=4):
        return [b's%d' % s.up_to(1) if s.chance(0.1) else zkey() for _ in range(s.random.randint(1, most))]

    def pairs(scores=score):
        most = 40 if s.chance(0.03) else 4
        return [word for _ in range(s.random.randint(1, most)) for word in (scores(), member())]

    def score_bound():
        r = s.random.random()
        if r < 0.7:
            return (b'(' if s.chance(0.3) else b'') + score()
        return s.one_of(b'-inf', b'+inf', b'inf', b'(inf', b'(-inf', b'', b'(', b' 1', b'1 ', b'nan', b'x', b'1e400')

    def lex_bound():
        r = s.random.random()
        if r < 0.7:
            return s.one_of(b'[', b'(') + member()
        return s.one_of(b'-', b'+', b'[', b'(', b'', b'm', b'++', b'-x')

    def limit():
        return [s.cased(b'LIMIT'), s.index(), s.index()]

    def with_scores():
        return [s.cased(b'WITHSCORES')] if s.chance(0.3) else []

    def by_score():
        return [score_bound(), score_bound()] + with_scores() + (limit() if s.chance(0.3) else [])

    def by_lex():
        return [lex_bound(), lex_bound()] + (limit() if s.chance(0.3) else []) + ([b'WITHSCORES'] if s.chance(0.02) else [])

    def zrange(first, lex_first, stores=False):
        kind = s.up_to(9)
        more = s.options({b'REV': None, b'LIMIT': s.index, b'BYLEX': None, b'WITHSCORES': None}, 1) if s.chance(0.1) else []
        rev = [s.cased(b'REV')] if s.chance(0.4) else []
        scores = [] if stores else with_scores()
        if kind < 4:
            return first() + [s.index(), s.index()] + rev + scores + more
        if kind < 7:
            return first() + [score_bound(), score_bound(), s.cased(b'BYSCORE')] + rev + scores + (limit() if s.chance(0.3) else []) + more
        return lex_first() + [lex_bound(), lex_bound(), s.cased(b'BYLEX')] + rev + (limit() if s.chance(0.3) else [])

    def count_word(keys):
        return s.one_of(b'0', b'-1', b'x', b'99', str(len(keys) + 1).encode()) if s.chance(0.05) else str(len(keys)).encode()

    def sources(options=True):
        keys = zkeys()
        words = [count_word(keys)] + keys
        if options and s.chance(0.3):
            words += [s.cased(b'WEIGHTS')] + [s.one_of(b'1', b'2', b'1.7', b'0.5', b'3e2', b'x', b'inf')
                                              for _ in keys]
        if options and s.chance(0.4):
            words += [s.cased(b'AGGREGATE'), s.one_of(b'SUM', b'min', b'MAX', b'MAX', b'x')]
        return words

    def zmpop():
        keys = zkeys()
        return [count_word(keys)] + keys + [s.one_of(b'MIN', b'MAX', b'min', b'x')] + \
            ([b'COUNT', s.one_of(b'1', b'2', b'30', b'0', b'-1', b'x')] if s.chance(0.4) else [])

    def pop_count():
        return [s.one_of(b'0', b'1', b'2', b'5', b'100', b'-1', b'x', b'9223372036854775807')] if s.chance(0.4) else []

    def zadd():
        if s.chance(0.25):
            return [lex_key()] + pairs(lambda: b'0')
        words = [zkey()] + s.options({b'NX': None, b'XX': None, b'GT': None, b'LT': None, b'CH': None, b'INCR': None}, 2)
        return words + (pairs() if s.chance(0.8) else [score(), member()])

    return pick(s, {
        b'ZADD': zadd,
        b'zadd': zadd,
        b'Zadd': zadd,
        b'ZINCRBY': lambda: [zkey(), score(), member()],
        b'ZREM': lambda: [s.one_of(zkey(), lex_key())] + [member() for _ in range(s.random.randint(1, 4))],
        b'ZSCORE': lambda: [zkey(), member()],
        b'ZMSCORE': lambda: [zkey()] + [member() for _ in range(s.random.randint(1, 4))],
        b'ZCARD': lambda: [zkey()],
        b'ZRANK': lambda: [zkey(), member()],
        b'ZREVRANK': lambda: [zkey(), member()],
        b'ZCOUNT': lambda: [zkey(), score_bound(), score_bound()],
        b'ZLEXCOUNT': lambda: [lex_key(), lex_bound(), lex_bound()],
        b'ZRANGE': lambda: zrange(lambda: [zkey()], lambda: [lex_key()]),
        b'ZRANGESTORE': lambda: zrange(lambda: [zkey(), zkey()], lambda: [zkey(), lex_key()], True),
        b'ZREVRANGE': lambda: [zkey(), s.index(), s.index()] + with_scores(),
        b'ZRANGEBYSCORE': lambda: [zkey()] + by_score(),
        b'ZREVRANGEBYSCORE': lambda: [zkey()] + by_score(),
        b'ZRANGEBYLEX': lambda: [lex_key()] + by_lex(),
        b'ZREVRANGEBYLEX': lambda: [lex_key()] + by_lex(),
        b'ZREMRANGEBYSCORE': lambda: [zkey(), score_bound(), score_bound()] if s.chance(0.3) else [zkey(), score(), score()],
        b'ZREMRANGEBYRANK': lambda: [zkey(), s.index(), s.index()],
        b'ZREMRANGEBYLEX': lambda: [lex_key(), lex_bound(), lex_bound()],
        b'ZSCAN': lambda: [zkey(), s.one_of(b'0', b'0', b'0', s.not_an_integer())] +
            s.options({b'MATCH': s.pattern, b'COUNT': s.number}, 2),
        b'ZRANDMEMBER': lambda: [zkey()] + ([s.one_of(b'0', b'1', b'-3', b'3', b'100', b'x', b'-9223372036854775808')] + with_scores()
                                            if s.chance(0.8) else []),
        b'SADD': lambda: [b's%d' % s.up_to(1)] + [member() for _ in range(s.random.randint(1, 4))],
        b'ZPOPMIN': lambda: [zkey()] + pop_count(),
        b'ZPOPMAX': lambda: [zkey()] + pop_count(),
        b'ZMPOP': zmpop,
        b'ZUNION': lambda: sources() + with_scores(),
        b'ZINTER': lambda: sources() + with_scores(),
        b'ZDIFF': lambda: sources(s.chance(0.05)) + with_scores(),
        b'ZUNIONSTORE': lambda: [zkey()] + sources(),
        b'ZINTERSTORE': lambda: [zkey()] + sources(),
        b'ZDIFFSTORE': lambda: [zkey()] + sources(s.chance(0.05)),
        b'ZINTERCARD': lambda: sources(s.chance(0.05)) + ([b'LIMIT', s.index()] if s.chance(0.3) else []),
    })


def geo_family(s):
    """Neither at the date line's very degree nor around a pole, where the reference misses places."""
    def key():
        return b'g%d' % s.up_to(1) if s.chance(0.95) else s.key()

    def member():
        return b'p%d' % s.up_to(30)

    def point():
        if s.chance(0.05):
            return [s.float(), s.float()]
        if s.chance(0.1):
            return [s.one_of(b'-180', b'0', b'179.99'), s.one_of(b'80.05', b'-60.05', b'0', b'84', b'-70')]
        wide = s.one_of(180, 5, 0.01)
        return [b'%.6f' % s.random.uniform(-wide, wide), b'%.6f' % s.random.uniform(-wide * 0.47, wide * 0.47)]

    def unit():
        return s.one_of(b'm', b'km', b'KM', b'mi', b'ft') if s.chance(0.97) else b'x'

    def length():
        return s.one_of(b'0', b'1', b'100', b'1000', b'10', b'123.45', b'0.5') if s.chance(0.97) else s.one_of(b'-1', b'x', b'', b'nan')

    def options():
        words = []
        for word in (b'WITHCOORD', b'WITHDIST', b'WITHHASH'):
            words += [s.cased(word)] if s.chance(0.3) else []
        return words + s.options({b'ASC': None, b'DESC': None, b'COUNT': s.number}, 2) + ([b'ANY'] if s.chance(0.1) else [])

    def center():
        return [b'FROMMEMBER', member()] if s.chance(0.5) else [b'FROMLONLAT'] + point()

    def shape():
        return [b'BYRADIUS', length(), unit()] if s.chance(0.5) else [b'BYBOX', length(), length(), unit()]

    def store():
        return [s.one_of(b'STORE', b'STOREDIST'), key()] if s.chance(0.2) else []

    def geoadd():
        places = [word for _ in range(s.random.randint(1, 6)) for word in point() + [member()]]
        return [key()] + s.options({b'NX': None, b'XX': None, b'CH': None}, 1) + places

    return pick(s, {
        b'GEOADD': geoadd,
        b'geoadd': geoadd,
        b'GEODIST': lambda: [key(), member(), member()] + ([unit()] if s.chance(0.5) else []),
        b'GEOPOS': lambda: [key()] + [member() for _ in range(s.up_to(3))],
        b'GEOHASH': lambda: [key()] + [member() for _ in range(s.up_to(3))],
        b'GEOSEARCH': lambda: [key()] + center() + shape() + options(),
        b'GEOSEARCHSTORE': lambda: [key(), key()] + center() + shape() + s.options({b'STOREDIST': None, b'ASC': None}, 1),
        b'GEORADIUS': lambda: [key()] + point() + [length(), unit()] + options() + store(),
        b'GEORADIUS_RO': lambda: [key()] + point() + [length(), unit()] + options(),
        b'GEORADIUSBYMEMBER': lambda: [key(), member(), length(), unit()] + options() + store(),
        b'GEORADIUSBYMEMBER_RO': lambda: [key(), member(), length(), unit()] + options(),
        b'ZSCORE': lambda: [key(), member()],
    })


def stream_family(s):
    """Ids are given, for no two servers have one clock."""
    def identifier():
        if s.chance(0.9):
            return s.one_of(b'%d' % s.up_to(30), b'%d-%d' % (s.up_to(30), s.up_to(3)), b'%d-%d' % (s.up_to(30), s.up_to(3)))
        return s.one_of(b'0', b'0-0', b'-', b'+', b'', b'x', b'1-', b'-1', b'1-1-1', b'18446744073709551615', b'1-x',
                        b'18446744073709551615-18446744073709551615', b'18446744073709551616', b'9-18446744073709551615')

    def new_identifier():
        return b'%d-*' % s.up_to(30) if s.chance(0.5) else identifier()

    def bound():
        return s.one_of(b'-', b'+', identifier(), identifier(), b'(' + identifier())

    def pairs():
        same = s.chance(0.7)
        return [word for field in range(s.one_of(1, 1, 2, 3)) for word in (b'f%d' % field if same else s.value(), s.value())]

    def trim():
        by, threshold = s.one_of((b'MAXLEN', b'%d' % s.up_to(12)), (b'MINID', identifier()), (b'MAXLEN', s.number()))
        limit = [s.cased(b'LIMIT'), s.one_of(b'0', b'10', s.number())] if s.chance(0.15) else []
        return [s.cased(by)] + s.one_of([], [b'='], [b'~']) + [threshold] + limit

    def group():
        return s.one_of(b'g', b'g', b'h', b'')

    def consumer():
        return s.one_of(b'alice', b'bob', b'')

    def identifiers():
        return [identifier() for _ in range(s.one_of(1, 2, 4))]

    def streams(name, symbol):
        keys = s.keys(1, 2)
        ids = [s.one_of(symbol, symbol, b'0', b'7', b'12-1', b'x') for _ in keys]
        count = s.options({b'COUNT': s.index}, 1)
        return [s.cased(b'BLOCK'), b'1'] * s.chance(0.1) + count + [s.cased(b'STREAMS')] + keys + ids

    def claim_options():
        return s.options({b'RETRYCOUNT': s.index, b'FORCE': None, b'JUSTID': None, b'LASTID': identifier}, 3)

    def idle():
        return s.one_of(b'0', b'0', b'1000000', s.number())

    def query():
        least = [s.cased(b'IDLE'), s.one_of(b'0', b'1000000')] if s.chance(0.2) else []
        return s.one_of([], least + [bound(), bound(), s.index()], least + [bound(), bound(), b'5', consumer()])

    def make_group():
        return s.options({b'MKSTREAM': None, b'ENTRIESREAD': s.index}, 2)

    subcommands = {
        b'CREATE': lambda: [s.key(), group(), s.one_of(b'$', b'0', identifier())] + make_group(),
        b'SETID': lambda: [s.key(), group(), s.one_of(b'$', b'0', identifier())] + s.options({b'ENTRIESREAD': s.index}, 1),
        b'DESTROY': lambda: [s.key(), group()],
        b'CREATECONSUMER': lambda: [s.key(), group(), consumer()],
        b'DELCONSUMER': lambda: [s.key(), group(), consumer()],
    }
    information = {
        b'STREAM': lambda: [s.key()] + s.one_of([], [s.cased(b'FULL')], [b'FULL', b'COUNT', s.index()], [b'x']),
        b'GROUPS': lambda: [s.key()],
        b'CONSUMERS': lambda: [s.key(), group()],
    }

    def xgroup():
        name = s.one_of(b'CREATE', b'CREATE', *subcommands)
        return [s.cased(name)] + subcommands[name]()

    def xinfo():
        name = s.one_of(*information)
        return [s.cased(name)] + information[name]()

    def xadd():
        return [s.key()] + s.options({b'NOMKSTREAM': None}, 1) * s.chance(0.2) + trim() * s.chance(0.2) \
            + [new_identifier()] + pairs()

    def xreadgroup():
        return [s.cased(b'GROUP'), group(), consumer()] + [b'NOACK'] * s.chance(0.2) + streams(b'XREADGROUP', b'>')

    return pick(s, {
        b'XADD': xadd, b'XADD ': xadd, b'XADD  ': xadd, b'XADD   ': xadd,
        b'XDEL': lambda: [s.key()] + identifiers(),
        b'XLEN': lambda: [s.key()],
        b'XTRIM': lambda: [s.key()] + trim(),
        # Below what was deleted, the reference makes nodes whose ids do not rise.
        b'XSETID': lambda: [s.key(), s.one_of(b'31-7', b'31-8', b'32', b'0', b'x')] + s.options({b'ENTRIESADDED': s.index, b'MAXDELETEDID': identifier}, 2),
        b'XRANGE': lambda: [s.key(), bound(), bound()] + s.options({b'COUNT': s.index}, 1),
        b'XREVRANGE': lambda: [s.key(), bound(), bound()] + s.options({b'COUNT': s.index}, 1),
        b'XREAD': lambda: streams(b'XREAD', s.one_of(b'$', b'0')),
        b'XREADGROUP': xreadgroup, b'XREADGROUP ': xreadgroup,
        b'XGROUP': xgroup, b'XGROUP ': xgroup,
        b'XACK': lambda: [s.key(), group()] + identifiers(),
        b'XPENDING': lambda: [s.key(), group()] + query(),
        b'XCLAIM': lambda: [s.key(), group(), consumer(), idle()] + identifiers() + claim_options(),
        b'XAUTOCLAIM': lambda: [s.key(), group(), consumer(), idle(), bound()]
        + s.options({b'COUNT': s.index, b'JUSTID': None}, 2),
        b'XINFO': xinfo,
    })


def nonsense_family(s):
    """What is no command at all, or has a wrong number of arguments."""
    if s.chance(0.3):
        return [s.value() or b'x'] + [s.value() for _ in range(s.up_to(3))]
    family = s.random.choice((string_family, bitmap_family, hyperloglog_family, zset_family, stream_family, key_family, connection_family, server_family))
    words = family(s)
    if s.chance(0.5) and len(words) > 1:
        del words[s.random.randrange(1, len(words))]
    else:
        words.insert(s.random.randint(1, len(words)), s.value())
    return words


# (family, weight)
FAMILIES = [
    (string_family, 45),
    (list_family, 20),
    (set_family, 20),
    (hash_family, 20),
    (key_family, 33),
    (bitmap_family, 20),
    (hyperloglog_family, 8),
    (zset_family, 30),
    (geo_family, 12),
    (stream_family, 30),
    (transaction_family, 9),
    (connection_family, 5),
    (pubsub_family, 4),
    (server_family, 5),
    (nonsense_family, 3),
]

# Not to be sent in random streams, whatever nonsense_family makes: they end or block connections, or the server.
FORBIDDEN = {b'SHUTDOWN', b'QUIT', b'MONITOR', b'SUBSCRIBE', b'PSUBSCRIBE', b'SSUBSCRIBE', b'SYNC', b'PSYNC', b'DEBUG',
             b'SAVE', b'BGSAVE', b'BGREWRITEAOF', b'REPLICAOF', b'SLAVEOF', b'FAILOVER', b'MIGRATE', b'MODULE'}
