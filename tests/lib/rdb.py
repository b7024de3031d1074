# SPDX-License-Identifier: BSD-3-Clause
"""RDB files made by hand, with the encodings that old servers wrote: what no server at hand can be asked for."""
import struct

from tests.lib.payload import crc64, length


def string(data):
    return length(len(data)) + data


def integer_string(value, width):
    return bytes([{1: 0xC0, 2: 0xC1, 4: 0xC2}[width]]) + value.to_bytes(width, 'little', signed=True)


def lzf_string(data):
    """Compressed by one rule: a byte that stands nine times or more becomes a literal and a reference to it."""
    packed, at = b'', 0
    while at < len(data):
        run = 1
        while at + run < len(data) and run < 264 and data[at + run] == data[at]:
            run += 1
        packed += b'\x00' + data[at:at + 1]
        if run >= 10:
            packed += bytes([7 << 5, run - 1 - 9, 0])
            at += run
        else:
            at += 1
    return b'\xc3' + length(len(packed)) + length(len(data)) + packed


def ziplist(items):
    """Of Redis up to 6: bytes or integers, each with the length of the one before it."""
    entries, before, tail = b'', 0, 10
    for item in items:
        tail = 10 + len(entries)
        head = bytes([before]) if before < 254 else b'\xfe' + struct.pack('<I', before)
        if isinstance(item, int):
            if 0 <= item <= 12:
                body = bytes([0xF1 + item])
            elif -128 <= item <= 127:
                body = b'\xfe' + struct.pack('<b', item)
            elif -32768 <= item <= 32767:
                body = b'\xc0' + struct.pack('<h', item)
            elif -(1 << 23) <= item < 1 << 23:
                body = b'\xf0' + item.to_bytes(3, 'little', signed=True)
            elif -(1 << 31) <= item < 1 << 31:
                body = b'\xd0' + struct.pack('<i', item)
            else:
                body = b'\xe0' + struct.pack('<q', item)
        elif len(item) < 64:
            body = bytes([len(item)]) + item
        elif len(item) < 1 << 14:
            body = struct.pack('>H', 0x4000 | len(item)) + item
        else:
            body = b'\x80' + struct.pack('>I', len(item)) + item
        entries += head + body
        before = len(head + body)
    return struct.pack('<IIH', 11 + len(entries), tail, len(items)) + entries + b'\xff'


def zipmap(pairs):
    """Of Redis up to 2.4: names and values, some values with free bytes behind them."""
    def size(count):
        return bytes([count]) if count < 254 else b'\xfe' + struct.pack('<I', count)
    out = bytes([len(pairs)])
    for number, (name, value) in enumerate(pairs):
        free = number % 3
        out += size(len(name)) + name + size(len(value)) + bytes([free]) + value + b'\x00' * free
    return out + b'\xff'


def intset(values):
    width = 2 if all(-(1 << 15) <= v < 1 << 15 for v in values) else 4 if all(-(1 << 31) <= v < 1 << 31 for v in values) else 8
    return struct.pack('<II', width, len(values)) + b''.join(v.to_bytes(width, 'little', signed=True) for v in sorted(values))


def listpack(items):
    """Texts below 64 bytes, and integers of up to 64 bits."""
    entries = b''
    for item in items:
        if isinstance(item, int):
            body = bytes([item]) if 0 <= item <= 127 else b'\xf4' + struct.pack('<q', item)
        else:
            body = bytes([0x80 | len(item)]) + item
        entries += body + bytes([len(body)])
    return struct.pack('<IH', 7 + len(entries), len(items)) + entries + b'\xff'


def old_double(value):
    """As sorted sets had scores up to RDB 7: their text, with three lengths that mean more."""
    special = {float('inf'): b'\xfe', float('-inf'): b'\xff'}
    if value in special:
        return special[value]
    text = b'%.17g' % value
    return bytes([len(text)]) + text


class File:
    """Bytes of a file, item by item."""

    def __init__(self, version, magic=b'REDIS'):
        self.version = version
        self.data = magic + (b'%03d' if magic == b'VALKEY' else b'%04d') % version

    def about(self, name, value):
        self.data += b'\xfa' + string(name) + string(value)
        return self

    def db(self, number, sizes=None):
        self.data += b'\xfe' + length(number)
        if sizes:
            self.data += b'\xfb' + length(sizes[0]) + length(sizes[1])
        return self

    def function(self, code):
        self.data += b'\xf5' + string(code)
        return self

    def raw(self, data):
        self.data += data
        return self

    def key(self, name, kind, value, seconds=None, ms=None, idle=None, frequency=None):
        if seconds is not None:
            self.data += b'\xfd' + struct.pack('<i', seconds)
        if ms is not None:
            self.data += b'\xfc' + struct.pack('<q', ms)
        if idle is not None:
            self.data += b'\xf8' + length(idle)
        if frequency is not None:
            self.data += b'\xf9' + bytes([frequency])
        self.data += bytes([kind]) + string(name) + value
        return self

    def end(self, checksum=True):
        self.data += b'\xff'
        if self.version >= 5:
            self.data += crc64(self.data).to_bytes(8, 'little') if checksum else b'\x00' * 8
        return self.data
