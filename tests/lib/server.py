# SPDX-License-Identifier: BSD-3-Clause
"""Servers under test: a Forebay, or redis-server as the oracle, each on its own port and in its own directory.

    with start('forebay', durability='through') as server:
        server.client()('PING')

Directives are given as Python names (maxmemory_policy='allkeys-lru' becomes --maxmemory-policy allkeys-lru).
Nothing here waits for a fixed time: every wait is for a condition, with a limit.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from tests.lib.ports import Port, free_port  # noqa: F401  stories know it from here
from tests.lib.resp import PATIENCE, Client, Error

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TICKS = os.sysconf('SC_CLK_TCK')
PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')
START_SECONDS = 60
# What a server needs in every story beyond the memory that the story gives it: a sanitizer's own.
MEMORY_MORE_MB = int(os.environ.get('MEMORY_MORE_MB', '0'))


def memory_of(megabytes):
    """A value of maxmemory that leaves a server this much."""
    return '%dmb' % (megabytes + MEMORY_MORE_MB)


def comes_true(condition, seconds, interval=0.005):
    """Polls until condition() is true and returns its value, or what it was after 'seconds'."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(interval)


def wait_until(condition, seconds=30, what='the condition', interval=0.005):
    """Polls until condition() is true and returns its value; AssertionError after 'seconds'."""
    value = comes_true(condition, seconds * PATIENCE, interval)
    if not value:
        raise AssertionError('%s did not come true within %s seconds' % (what, seconds))
    return value


def blocked(client, number):
    """Whether so many clients wait for keys."""
    return 'blocked_clients:%d\r\n' % number in client('INFO', 'clients').decode()


def binary(kind):
    """The program of a kind, or None if it is not there."""
    if kind == 'forebay':
        path = os.environ.get('FOREBAY_SERVER', os.path.join(ROOT, 'build', 'forebay-server'))
        return path if os.access(path, os.X_OK) else None
    return shutil.which('redis-server')


class Server:
    """One server process and its directory. start(), kill() and stop() may alternate on the same directory."""

    # What makes redis-server a quiet oracle; a test's own directives come after.
    DEFAULTS = {
        'forebay': {},
        'redis': {'save': '', 'appendonly': 'no', 'rdbcompression': 'no', 'enable-debug-command': 'yes'},
    }

    def __init__(self, kind='forebay', directory=None, prefix=(), program=None, **directives):
        self.kind = kind
        self.program = program or binary(kind)
        if not self.program:
            raise FileNotFoundError('no %s program: build it, or set FOREBAY_SERVER' % kind)
        self.prefix = list(prefix)
        self.owns_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix=kind + '-')
        self.directives = dict(self.DEFAULTS[kind])
        self.directives.update((name.replace('_', '-'), str(value)) for name, value in directives.items())
        self.taken = None  # its Port
        self.process = None
        self.log_path = os.path.join(self.directory, 'server.log')

    def argv(self):
        argv = self.prefix + [self.program, '--port', str(self.port), '--bind', '127.0.0.1', '--dir', self.directory]
        for name, value in self.directives.items():
            argv += ['--' + name, value]
        return argv

    @property
    def port(self):
        return self.taken.number if self.taken else None

    def take_port(self):
        """Another one at each start, so that nobody finds the server who has not been told where it is now."""
        before, self.taken = self.taken, Port()
        if before:
            before.give_back()

    def start(self, wait=True, loading_will_do=False, **directives):
        """Starts the process and waits until it answers. A port that somebody took meanwhile is given up."""
        self.directives.update((name.replace('_', '-'), str(value)) for name, value in directives.items())
        for attempt in range(5):
            self.take_port()
            with open(self.log_path, 'ab') as log:
                self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                cwd=self.directory)
            if not wait:
                return self
            try:
                self.wait_ready(loading_will_do=loading_will_do)
                return self
            except ChildProcessError:
                if attempt == 4 or 'in use' not in self.log_tail():
                    raise
        return self

    def wait_ready(self, seconds=START_SECONDS, loading_will_do=False):
        """Until PING is answered with +PONG, or with -LOADING where that will do. ChildProcessError, with the log's tail, if the process ends before."""
        enough = ('NOAUTH', 'DENIED', 'LOADING') if loading_will_do else ('NOAUTH', 'DENIED')

        def answers():
            if self.process.poll() is not None:
                raise ChildProcessError('%s ended with %s at start:\n%s\n%s' % (
                    self.kind, self.process.returncode, ' '.join(self.argv()), self.log_tail()))
            try:
                with Client(self.address) as client:
                    reply = client('PING')
                return reply == 'PONG' or (isinstance(reply, Error) and reply.code in enough)
            except OSError:
                return False
        try:
            wait_until(answers, seconds, self.kind + ' answering PING')
        except AssertionError:
            self.kill()
            raise ChildProcessError('%s did not answer:\n%s' % (self.kind, self.log_tail()))

    @property
    def address(self):
        return ('127.0.0.1', self.port)

    @property
    def pid(self):
        return self.process.pid

    def client(self, protocol=2, **options):
        return Client(self.address, protocol, **options)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, as a power switch for the process."""
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def pause(self):
        """SIGSTOP; from when this returns it does nothing at all, until go_on()."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(self.is_paused, what='the process being stopped')

    def go_on(self):
        if self.is_alive():
            self.process.send_signal(signal.SIGCONT)

    def is_paused(self):
        tasks, states = '/proc/%d/task' % self.pid, set()
        for task in os.listdir(tasks):
            with open('%s/%s/stat' % (tasks, task)) as stat:
                states.add(stat.read().rsplit(')', 1)[1].split()[0])
        return states == {'T'}

    def stop(self, seconds=30):
        """SIGTERM; returns the exit status. A server that does not end is killed, and that is an error."""
        if not self.is_alive():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError('%s did not end within %s seconds of SIGTERM:\n%s' % (
                self.kind, seconds, self.log_tail()))

    def restart(self, kill=False, **directives):
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start(**directives)

    def remove(self):
        """Ends the process and removes a directory that this object made."""
        self.kill()
        if self.taken:
            self.taken.give_back()
            self.taken = None
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.path.exists(self.log_path):
            print('---- log of %s ----\n%s' % (self.kind, self.log_tail()))
        self.remove()

    def log_tail(self, bytes_max=4000):
        try:
            with open(self.log_path, 'rb') as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - bytes_max))
                return log.read().decode('utf-8', 'replace')
        except FileNotFoundError:
            return '(no log)'

    def state(self):
        """What a failed test should tell: a running process's memory and time, and the end of its log."""
        alive = ', %d MB resident, %.2f s of CPU' % (self.rss() >> 20, self.cpu_seconds()) if self.is_alive() else ', ended'
        return '%s%s\n%s' % (' '.join(self.argv()), alive, self.log_tail())

    def rss(self):
        """Resident bytes."""
        with open('/proc/%d/smaps_rollup' % self.pid) as rollup:
            for line in rollup:
                if line.startswith('Rss:'):
                    return int(line.split()[1]) * 1024
        return 0

    def rss_about(self):
        """Resident bytes as the kernel counts them, which costs the process nothing: rss() has all its pages walked."""
        with open('/proc/%d/statm' % self.pid) as statm:
            return int(statm.read().split()[1]) * PAGE_BYTES

    def rss_peak(self):
        """The most resident bytes since the process began."""
        with open('/proc/%d/status' % self.pid) as status:
            for line in status:
                if line.startswith('VmHWM:'):
                    return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        """User and system time of all threads, ended ones too."""
        with open('/proc/%d/stat' % self.pid) as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def start(kind='forebay', **options):
    """A running server; use as a context, which removes it."""
    server = Server(kind, **options)
    try:
        return server.start()
    except BaseException:
        server.remove()
        raise
