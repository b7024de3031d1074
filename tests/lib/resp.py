# SPDX-License-Identifier: BSD-3-Clause
"""A client that hides nothing: it sends any bytes, and gives each reply both parsed and as the bytes that came.

How replies look in Python, so that a test can say exactly what it expects:

    +OK        Status('OK'), equal to the text 'OK'       ,1.5   float          #t      bool
    -ERR x     Error('ERR x'), equal only to an Error     (123   BigNumber      _       None
    :7         int                                        =txt:x Verbatim       >..     Push (a list)
    $..        bytes; $-1 and *-1 are None                %..    dict           ~..     Set (a list)
    *..        list                                       |..    kept in client.attributes, then the value
"""
import os
import socket

# By how much all limits of time are stretched: for a machine that is slow or busy with other things, and more for servers
# that a sanitizer slows down. No story takes longer by it that does not fail.
PATIENCE = float(os.environ.get('PATIENCE', '3'))


class Status(str):
    """A simple string."""


class Error(str):
    """An error reply: 'CODE text'. Never equal to a plain text or a status."""

    def __eq__(self, other):
        return isinstance(other, Error) and str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    def __repr__(self):
        return 'Error(%s)' % str.__repr__(self)

    __hash__ = str.__hash__

    @property
    def code(self):
        return self.split(' ', 1)[0]


class Verbatim(bytes):
    """A verbatim string without its three letters, which are in .kind."""
    kind = ''


class BigNumber(int):
    pass


class Push(list):
    pass


class Set(list):
    pass


class Closed(ConnectionError):
    """The server ended the connection."""


def encode_word(word):
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return word.encode('utf-8', 'surrogateescape')
    if isinstance(word, float):
        return repr(word).encode()
    return str(word).encode()


def encode(*words):
    """The request of these words, as clients send it: an array of bulk strings."""
    pieces = [b'*%d\r\n' % len(words)]
    for word in words:
        word = encode_word(word)
        pieces.append(b'$%d\r\n%s\r\n' % (len(word), word))
    return b''.join(pieces)


def text_of(line):
    return line.decode('utf-8', 'surrogateescape')


class Reader:
    """Parses replies from a buffered binary file, keeping their bytes."""

    def __init__(self, file):
        self.file = file
        self.attributes = []
        self.pieces = []

    def read(self):
        """One reply, parsed; .raw() has its bytes."""
        self.pieces = []
        return self._value()

    def raw(self):
        return b''.join(self.pieces)

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b'\r\n'):
            if not line:
                raise Closed('the server closed the connection')
            raise Closed('the connection ended inside %r' % line)
        self.pieces.append(line)
        return line[:-2]

    def _bytes(self, length):
        data = self.file.read(length + 2)
        if len(data) != length + 2:
            raise Closed('the connection ended inside a bulk string')
        if not data.endswith(b'\r\n'):
            raise ValueError('a bulk string of %d bytes is not followed by CRLF' % length)
        self.pieces.append(data)
        return data[:-2]

    def _value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b'$':
            length = int(rest)
            return None if length < 0 else self._bytes(length)
        if kind == b':':
            return int(rest)
        if kind == b'+':
            return Status(text_of(rest))
        if kind == b'-':
            return Error(text_of(rest))
        if kind == b'*':
            count = int(rest)
            return None if count < 0 else [self._value() for _ in range(count)]
        if kind == b'_':
            return None
        if kind == b'%':
            return self._map(int(rest))
        if kind == b'~':
            return Set(self._value() for _ in range(int(rest)))
        if kind == b'>':
            return Push(self._value() for _ in range(int(rest)))
        if kind == b'#':
            return {b't': True, b'f': False}[rest]
        if kind == b',':
            return float(rest)
        if kind == b'(':
            return BigNumber(rest)
        if kind == b'!':
            return Error(text_of(self._bytes(int(rest))))
        if kind == b'=':
            data = self._bytes(int(rest))
            verbatim = Verbatim(data[4:])
            verbatim.kind = data[:3].decode()
            return verbatim
        if kind == b'|':
            self.attributes.append(self._map(int(rest)))
            return self._value()
        raise ValueError('not a reply: %r' % line[:80])

    def _map(self, count):
        pairs = [(self._value(), self._value()) for _ in range(count)]
        try:
            return dict(pairs)
        except TypeError:
            return pairs


class Client:
    """One connection. client('SET', key, value) sends one command and returns its reply."""

    def __init__(self, address, protocol=2, timeout=60, source=None, tls=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout * PATIENCE)
        try:
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.reader = Reader(self.socket.makefile('rb', buffering=1 << 16))
        if protocol == 3:
            self('HELLO', 3)

    def __call__(self, *words):
        self.send_raw(encode(*words))
        return self.read()

    def send(self, *words):
        self.send_raw(encode(*words))

    def send_raw(self, data):
        self.socket.sendall(data)

    def read(self):
        return self.reader.read()

    def raw(self):
        """The bytes of the reply read last."""
        return self.reader.raw()

    def pipeline(self, commands):
        """Sends all commands at once and returns all replies; for replies that fit the socket's buffers."""
        self.send_raw(b''.join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def ok(self, *words):
        """As a call, for a command that must not fail."""
        reply = self(*words)
        if isinstance(reply, Error):
            raise AssertionError('%r answered %r' % (words, reply))
        return reply

    def info(self, *sections):
        """INFO as a dict of texts."""
        reply = self.ok('INFO', *sections)
        lines = bytes(reply).decode('utf-8', 'replace').split('\r\n')
        return dict(line.split(':', 1) for line in lines if ':' in line and not line.startswith('#'))

    def reads_nothing_more(self):
        """True if the server closes the connection without another reply (a reset counts)."""
        try:
            return self.reader.file.read(1) == b''
        except ConnectionError:
            return True

    def close(self):
        self.reader.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
