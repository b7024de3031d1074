# SPDX-License-Identifier: BSD-3-Clause
"""A primary of a story's own making, which says that it is a Forebay: it hands over a copy of string keys, and then just
the bytes that the story gives it. So a story decides where brackets, newlines and cuts are, and what is sent twice."""
import random
import socket
import struct
import threading

from tests.lib.listener import Listener, requests_of
from tests.lib.resp import encode

MARK = b'0123456789' * 4


def length_of(number):
    return bytes([0x80]) + struct.pack('>I', number)


def string_of(data):
    data = data if isinstance(data, bytes) else str(data).encode()
    return length_of(len(data)) + data


class StreamPrimary:
    def __init__(self, keys=None, start=1000, database=0):
        self.id = '%040x' % random.getrandbits(160)
        self.keys, self.start, self.database = dict(keys or {}), start, database
        self.stream = b''                  # what follows 'start'
        self.full, self.partial, self.acked, self.asked = 0, 0, 0, []
        self.copy_bytes_max = None         # a copy ends after so many bytes
        self.more_keys = b''               # behind the others, as they stand in the file
        self.is_forebay = True             # says that it is one
        self.sockets, self.lock = set(), threading.Lock()
        self.grown = threading.Condition(self.lock)
        self.listener = Listener(self._serve)
        self.port = self.listener.port

    def rdb(self):
        file = b'REDIS0010'
        if self.is_forebay:
            file += b'\xfa' + string_of('forebay-version') + string_of('0')
        file += b'\xfa' + string_of('repl-stream-db') + string_of(self.database) + b'\xfe' + length_of(0)
        for key, value in self.keys.items():
            file += b'\x00' + string_of(key) + string_of(value)
        return file + self.more_keys + b'\xff' + b'\0' * 8

    @property
    def end(self):
        return self.start + len(self.stream)

    def send(self, data):
        with self.grown:
            self.stream += data
            self.grown.notify_all()

    def command(self, *words):
        self.send(encode(*words))

    def cut(self):
        with self.lock:
            sockets, self.sockets = self.sockets, set()
            self.grown.notify_all()
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _serve(self, peer):
        with self.lock:
            self.sockets.add(peer)
        try:
            for words in requests_of(peer):
                if words[0].upper() == b'PING':
                    peer.sendall(b'+PONG\r\n')
                elif words[:2] == [b'REPLCONF', b'ACK']:
                    self.acked = max(self.acked, int(words[2]))
                elif words[0] == b'REPLCONF':
                    peer.sendall(b'+OK forebay\r\n' if self.is_forebay else b'+OK\r\n')
                elif words[0] == b'PSYNC':
                    self._psync(peer, words[1].decode(), int(words[2]))
        except ValueError:
            pass

    def _psync(self, peer, history, offset):
        with self.lock:
            self.asked.append((history, offset))
            if history == self.id and self.start < offset <= self.end + 1:
                self.partial += 1
                at, answer = offset - 1 - self.start, b'+CONTINUE %s\r\n' % self.id.encode()
            else:
                self.full += 1
                self.grown.notify_all()
                at = 0
                copy = self.rdb()
                answer = b'+FULLRESYNC %s %d\r\n\n\n$EOF:%s\r\n' % (self.id.encode(), self.start, MARK)
                answer += copy + MARK
                if self.copy_bytes_max is not None:
                    peer.sendall(answer[:self.copy_bytes_max])
                    raise OSError('cut')
        peer.sendall(answer)
        threading.Thread(target=self._feed, args=(peer, at), daemon=True).start()

    def _feed(self, peer, at):
        try:
            while True:
                with self.grown:
                    while at >= len(self.stream) and peer in self.sockets:
                        self.grown.wait(1)
                    data = self.stream[at:at + 1000003]
                    if peer not in self.sockets:
                        return
                peer.sendall(data)
                at += len(data)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.listener.close()
        self.cut()
