# SPDX-License-Identifier: BSD-3-Clause
"""A device that is full: nothing acknowledged is lost, reads go on, writes are refused with a reason, and go on when there
is room again. Each story has a small file system of its own in memory, so it needs the right to mount one."""
import os
import random
import subprocess
import tempfile

import pytest

from tests.lib import server as servers
from tests.lib.resp import Error
from tests.lib.server import wait_until

pytestmark = pytest.mark.forebay_only
REASONS = ('MISCONF', 'OOM')
VALUE_BYTES = 4000


class Device:
    """A mounted file system of some megabytes."""

    def __init__(self, megabytes):
        self.path = tempfile.mkdtemp(prefix='device-')
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dm' % megabytes, 'tmpfs', self.path],
                                 stderr=subprocess.DEVNULL, check=False)
        if mounted.returncode != 0:
            os.rmdir(self.path)
            pytest.skip('a file system cannot be mounted here')

    def resize(self, megabytes):
        subprocess.run(['mount', '-o', 'remount,size=%dm' % megabytes, self.path], check=True)

    def fill(self):
        """Takes all that is free."""
        with open(os.path.join(self.path, 'filler'), 'ab', buffering=0) as file:
            try:
                while file.write(b'x' * 65536) > 0:
                    pass
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.path, 'filler'))

    def remove(self):
        subprocess.run(['umount', self.path], check=True)
        os.rmdir(self.path)


@pytest.fixture
def device(request):
    device = Device(request.param)
    yield device
    device.remove()


def value_of(number, version):
    return random.Random('%d %d' % (number, version)).randbytes(VALUE_BYTES // 2).hex().encode()


class Writer:
    """Writes, and remembers which versions a key may have: the last one that was acknowledged, and those after it that
    were not answered. A write that was refused has changed nothing."""

    def __init__(self, server):
        self.server = server
        self.versions = {}

    def write(self, numbers, version, patience=30):
        """Stops at the first batch that is refused, or not answered: then it was executed as the device filled up, and
        waits for its acknowledgement. Returns whether all was written."""
        with self.server.client(timeout=patience) as client:
            for begin in range(0, len(numbers), 50):
                batch = numbers[begin:begin + 50]
                commands = [('SET', b'key:%d' % n, value_of(n, version)) for n in batch]
                try:
                    replies = client.pipeline(commands)
                except TimeoutError:
                    replies = [None] * len(batch)
                for number, reply in zip(batch, replies):
                    self.note(number, reply, version)
                if replies != ['OK'] * len(batch):
                    return False
        return True

    def note(self, number, reply, version):
        if reply == 'OK':
            self.versions[number] = {version}
        elif reply is None:
            self.versions.setdefault(number, {None}).add(version)
        else:
            assert is_refused(reply), reply

    def verify(self, client, most=None):
        numbers = sorted(self.versions)
        if most and most < len(numbers):
            numbers = random.Random(most).sample(numbers, most)
        for begin in range(0, len(numbers), 100):
            batch = numbers[begin:begin + 100]
            replies = client.pipeline([('GET', b'key:%d' % n) for n in batch])
            for number, reply in zip(batch, replies):
                allowed = [version if version is None else value_of(number, version) for version in self.versions[number]]
                assert reply in allowed, 'key %d of versions %r is %.60r' % (number, self.versions[number], reply)


def info(client, name):
    for line in client('INFO', 'all').decode().splitlines():
        if line.startswith(name + ':'):
            return line.split(':', 1)[1]
    raise KeyError(name)


WAIT_MS, WAIT_MS_LONG = 500, 60000
PATIENCE_SECONDS = 0.5


def start(device, **directives):
    """A node that refuses soon: which it does not because it is slow (wait_long) but because there is no room."""
    return servers.start('forebay', directory=device.path, maxmemory='32mb', maxmemory_wait_ms=WAIT_MS, durability_log_max='4mb',
                         **directives)


def wait_long(client, waits=True):
    client.ok('CONFIG', 'SET', 'maxmemory-wait-ms', WAIT_MS_LONG if waits else WAIT_MS)


def is_refused(reply):
    return isinstance(reply, Error) and reply.code in REASONS


def goes_on(client):
    wait_until(lambda: client('SET', 'probe', 'x') == 'OK', 30, 'writes go on')
    wait_until(lambda: info(client, 'tier_failure') == '' and info(client, 'log_failure') == '', 30, 'no failure')


def writes_are_refused(server):
    """A write that is not answered at once was executed as the device filled up, which says nothing of the next one."""
    try:
        with server.client(timeout=PATIENCE_SECONDS) as client:
            return is_refused(client('SET', 'refused', 'x'))
    except TimeoutError:
        return False


def restarted(server, writer):
    """Whatever was acknowledged is in rows and log."""
    server.restart(kill=True)
    with server.client(timeout=60) as client:
        writer.verify(client)


@pytest.mark.parametrize('device', [64], indirect=True)
@pytest.mark.parametrize('free_space_min', ['16mb', '0'], ids=['watched', 'to-the-last-byte'])
def test_more_data_than_the_device_holds(device, free_space_min):
    with start(device, tier_free_space_min=free_space_min) as server, server.client(timeout=60) as client:
        writer, begin = Writer(server), 0
        # Files that are not needed any more may go, and there is room again for a while.
        while writer.write(range(begin, begin + 2000), 0, PATIENCE_SECONDS) or not writes_are_refused(server):
            begin += 2000
        assert info(client, 'tier_failure') != '' or info(client, 'log_failure') != ''
        assert len(writer.versions) * VALUE_BYTES > 20 << 20
        writer.verify(client, 1000)
        device.resize(400)
        goes_on(client)
        wait_long(client)
        assert writer.write(range(2000), 1)
        writer.verify(client, 2000)
        restarted(server, writer)


@pytest.mark.parametrize('device', [64], indirect=True)
def test_a_log_stays_within_its_bound_while_rows_cannot_be_written(device):
    with start(device, tier_free_space_min='1gb') as server, server.client(timeout=60) as client:
        writer, versions = Writer(server), iter(range(200))

        def log_is_full():
            writer.write(range(100), next(versions), PATIENCE_SECONDS)
            reply = client('SET', 'refused', 'x')
            return is_refused(reply) and 'durability-log-max' in str(reply)
        wait_until(log_is_full, what='the log being full')
        assert int(info(client, 'log_bytes')) < 6 << 20
        assert 'durability-log-max' in info(client, 'log_failure')
        assert is_refused(client('EVAL', "return redis.call('SET', 'by script', '1')", 0))
        writer.verify(client)
        restarted(server, writer)
        server.restart(kill=True, tier_free_space_min='1mb')
        with server.client(timeout=60) as again:
            goes_on(again)
            writer.verify(again)


@pytest.mark.parametrize('device', [64], indirect=True)
@pytest.mark.parametrize('durability', ['behind', 'through'])
def test_a_log_without_room_on_the_device(device, durability):
    with start(device, tier_free_space_min='0', durability=durability) as server, server.client(timeout=60) as client:
        writer = Writer(server)
        wait_long(client)
        assert writer.write(range(4000), 0)
        for version in (1, 2):
            wait_long(client, False)
            device.fill()
            while writer.write(range(1000), version, PATIENCE_SECONDS) or not writes_are_refused(server):
                device.fill()
            writer.verify(client, 1000)
            device.free()
            goes_on(client)
            wait_long(client)
            assert writer.write(range(1000), version)
        writer.verify(client)
        restarted(server, writer)
