# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of all shapes: mostly sensible, often at an edge, sometimes nonsense. Everything comes from one seeded
generator, so a seed names a run.

Nothing here may make an outcome depend on timing: relative expiry times lie hours apart and far away, absolute ones
are past or decades ahead.
"""
import random
import time

from tests.lib import payload

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)
YEAR_SECONDS = 365 * 86400


class Shapes:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = int(time.time())

    def one_of(self, *choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def up_to(self, most):
        return self.random.randint(0, most)

    def key(self):
        """Few, so that they collide: in one slot by a tag, in others, empty and binary."""
        r = self.random.random()
        if r < 0.9:
            return b'k%d' % self.up_to(7)
        if r < 0.97:
            return b'{tag}%d' % self.up_to(3)
        return self.one_of(b'', b'\x00\xff\r\n', b'{}x', b'{', b'a' * 300, b'k*', 'schlüssel'.encode())

    def keys(self, least=1, most=4):
        return [self.key() for _ in range(self.random.randint(least, most))]

    def integer(self):
        r = self.random.random()
        if r < 0.6:
            return self.random.randint(-20, 20)
        if r < 0.8:
            return self.random.randint(-100000, 100000)
        return self.one_of(INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, 1 << 31, -(1 << 31), (1 << 32) - 1, 0)

    def not_an_integer(self):
        return self.one_of(b'', b'x', b' 1', b'1 ', b'+1', b'01', b'-0', b'1.0', b'1e3', b'0x10', b'--1', b'-',
                           str(INT64_MAX + 1).encode(), str(INT64_MIN - 1).encode(), b'99999999999999999999999', b'1\x00')

    def number(self):
        """Mostly an integer, as text."""
        return self.not_an_integer() if self.chance(0.06) else str(self.integer()).encode()

    def float(self):
        r = self.random.random()
        if r < 0.5:
            return b'%d.%d' % (self.random.randint(-50, 50), self.up_to(99))
        if r < 0.7:
            return self.number()
        return self.one_of(b'1e10', b'-1.5e-3', b'0.1', b'3.0e3', b'1e-17', b'5.0e-324', b'1e308', b'inf', b'-inf', b'+inf',
                           b'nan', b'', b'abc', b'1.2.3', b' 1', b'1 ', b'0x1p3', b'.5', b'5.', b'1e400', b'1e4932',
                           b'123456789012345678', b'0.1000000000000000055511151231257827')

    def index(self):
        """A position in a string."""
        return self.number() if self.chance(0.1) else str(self.random.randint(-12, 12)).encode()

    def value(self):
        r = self.random.random()
        if r < 0.35:
            return str(self.integer()).encode()
        if r < 0.55:
            return bytes(self.random.choice(b'abcdef') for _ in range(self.up_to(12)))
        if r < 0.65:
            return self.random.randbytes(self.up_to(70))
        if r < 0.72:
            return self.float()
        if r < 0.78:
            return self.not_an_integer()
        if r < 0.85:
            return b'x' * self.one_of(43, 44, 45, 62, 63, 64, 65, 127, 128, 255, 256)
        if r < 0.86:
            return bytes([self.up_to(255)]) * self.one_of(1000, 4095, 4096, 16383, 16384, 20000, 70000)
        return self.one_of(b'', b'0', b'10000', b'9999', b'hello world', b'\x00', b'a\r\nb')

    def database(self):
        r = self.random.random()
        if r < 0.85:
            return str(self.up_to(3)).encode()
        return self.one_of(b'15', b'16', b'-1', b'x', b'', b'9223372036854775808', b'4294967296')

    # Expiry

    def seconds(self):
        """Relative: at least hours, never two alike within a second."""
        r = self.random.random()
        if r < 0.8:
            return str(self.random.randint(20000, 100000000)).encode()
        if r < 0.9:
            return self.one_of(b'0', b'-1', b'-100', str(INT64_MIN).encode())
        return self.one_of(self.not_an_integer(), str(INT64_MAX).encode(), str(INT64_MAX // 1000).encode(),
                           str(INT64_MAX // 1000 - 10).encode(), b'9223370400000000')

    def milliseconds(self):
        r = self.random.random()
        if r < 0.8:
            return str(self.random.randint(20000000, 100000000000)).encode()
        return self.one_of(b'0', b'-1', b'-5000', str(INT64_MAX).encode(), str(INT64_MIN).encode(), self.not_an_integer())

    def ahead_seconds(self):
        return str(self.now + self.random.randint(1, 40) * YEAR_SECONDS).encode()

    def ahead_milliseconds(self):
        return self.ahead_seconds() + b'%03d' % self.up_to(999)

    def at_seconds(self):
        r = self.random.random()
        if r < 0.75:
            return self.ahead_seconds()
        if r < 0.9:
            return self.one_of(b'1', b'0', b'-1', str(self.now - 1000).encode())
        return self.one_of(self.not_an_integer(), str(INT64_MAX).encode(), str(INT64_MAX // 1000).encode())

    def at_milliseconds(self):
        r = self.random.random()
        if r < 0.75:
            return self.ahead_milliseconds()
        if r < 0.9:
            return self.one_of(b'1', b'0', b'-1', str((self.now - 1000) * 1000).encode())
        return self.one_of(self.not_an_integer(), str(INT64_MAX).encode())

    # Words

    def cased(self, word):
        """A word as people write it."""
        r = self.random.random()
        if r < 0.8:
            return word
        return word.lower() if r < 0.95 else bytes(self.random.choice((c, c ^ 32)) if chr(c).isalpha() else c for c in word)

    def misspelled(self, word):
        return self.one_of(word + b'X', word[:-1], b'', word + b' ')

    def options(self, table, most=3):
        """Some options of a table {word: argument maker or None}, in any order and combination."""
        words = []
        for _ in range(self.one_of(*range(most + 1))):
            word = self.random.choice(list(table))
            maker = table[word]
            words.append(self.misspelled(word) if self.chance(0.02) else self.cased(word))
            if maker and not self.chance(0.02):
                words.append(maker())
        return words

    def pattern(self):
        return self.one_of(b'*', b'k*', b'k?', b'k[0-3]', b'k[^1]', b'[kx]*', b'*g}*', b'\\k1', b'k1', b'', b'[', b'k[',
                           b'k[1', b'**', b'*?*', b'k\\', b'[^k]*', b'[z-a]*', b'{*', b'nothing', b'k[3-0]', b'[]*')

    def dump(self):
        """A payload of a string, sometimes spoilt."""
        data = self.value()
        r = self.random.random()
        if r < 0.4:
            whole = payload.string(data)
        elif r < 0.6:
            width = self.one_of(1, 2, 4)
            bits = width * 8 - 1
            whole = payload.integer(self.random.randint(-(1 << bits), (1 << bits) - 1), width)
        elif r < 0.7:
            whole = payload.compressed(data or b'z')
        else:
            return self.spoilt(payload.string(data))
        return whole

    def spoilt(self, whole):
        kind = self.up_to(6)
        if kind == 0:
            return whole[:-1]
        if kind == 1:
            at = self.random.randrange(len(whole))
            return whole[:at] + bytes([whole[at] ^ 1 << self.up_to(7)]) + whole[at + 1:]
        if kind == 2:
            return payload.seal(whole[:-10], version=self.one_of(1, 9, 200, 65535))
        if kind == 3:
            return self.random.randbytes(self.up_to(20))
        if kind == 4:
            return payload.seal(b'\x00' + payload.length(1 << 40))
        if kind == 5:
            return payload.seal(b'\x00\xc3\x05\x05\xff\xff\xff\xff\xff')
        return b''
