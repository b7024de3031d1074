# SPDX-License-Identifier: BSD-3-Clause
"""DUMP payloads made and taken apart: a type byte, a value, a two-byte version and a CRC64 (Jones)."""

VERSION = 10
_POLYNOMIAL = 0x95AC9329AC4BC9B5  # reflected


def _table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc64(data, crc=0):
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def seal(body, version=VERSION):
    """Version and CRC behind a type byte and value, valid whatever the body holds."""
    body += version.to_bytes(2, 'little')
    return body + crc64(body).to_bytes(8, 'little')


def length(value):
    """An RDB length."""
    if value < 1 << 6:
        return bytes([value])
    if value < 1 << 14:
        return bytes([0x40 | value >> 8, value & 0xFF])
    if value < 1 << 32:
        return b'\x80' + value.to_bytes(4, 'big')
    return b'\x81' + value.to_bytes(8, 'big')


def string(data):
    """A string's payload in its plain form."""
    return seal(b'\x00' + length(len(data)) + data)


def integer(value, width):
    """A string that is an integer, in 1, 2 or 4 bytes."""
    return seal(b'\x00' + bytes([{1: 0xC0, 2: 0xC1, 4: 0xC2}[width]]) + value.to_bytes(width, 'little', signed=True))


def compressed(data, literal_only=True):
    """A string as LZF literals: legal, though it saves nothing."""
    packed = b''.join(bytes([len(run) - 1]) + run for run in (data[i:i + 32] for i in range(0, len(data), 32)))
    return seal(b'\x00\xc3' + length(len(packed)) + length(len(data)) + packed)


def body(dump):
    """A DUMP payload without version and CRC."""
    return dump[:-10]
