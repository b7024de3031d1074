# SPDX-License-Identifier: BSD-3-Clause
"""forebay export: a running node into a file."""
import os
import random
import shutil
import socket
import threading

import pytest

from tests.lib import server as servers
from tests.lib.certificates import Certificates
from tests.lib.rdb import File, string
from tests.replication.story import assert_same, contents, fill
from tests.tool.story import load, run

pytestmark = pytest.mark.forebay_only
needs_redis = pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server program')


@pytest.mark.parametrize('durability', ['behind', 'none'])
def test_what_is_exported_is_imported(durability, tmp_path):
    path = str(tmp_path / 'out.rdb')
    with servers.start(durability=durability) as one, servers.start() as other:
        fill(one.client(), random.Random(1))
        one.client()('HSET', 'times', 'f', 'v')
        one.client()('HPEXPIREAT', 'times', 4102444800000, 'FIELDS', 1, 'f')
        status, said, wrong = run('export', path, port=one.port)
        assert status == 0 and '1 function libraries exported' in said, wrong
        assert os.listdir(tmp_path) == ['out.rdb']
        load(path, other.port)
        assert_same(one.client(), other.client())
        assert other.client()('HPEXPIRETIME', 'times', 'FIELDS', 1, 'f') == [4102444800000]
        assert 'is whole' in run('check', path)[1]


@needs_redis
def test_redis_loads_an_export_and_is_exported(tmp_path):
    path = str(tmp_path / 'out.rdb')
    with servers.start() as node, servers.Server('redis') as redis:
        fill(node.client(), random.Random(2))
        assert run('export', path, port=node.port)[0] == 0
        shutil.copy(path, os.path.join(redis.directory, 'dump.rdb'))
        theirs = redis.start().client()
        assert_same(node.client(), theirs)
        theirs('CONFIG', 'SET', 'repl-diskless-sync-delay', 0)
        status, _, wrong = run('export', path, port=redis.port)
        assert status == 0, wrong
        node.client().ok('FLUSHALL')
        load(path, node.port, '--replace')
        assert_same(node.client(), theirs)


def test_nothing_is_left_of_an_export_that_fails(tmp_path):
    whole = File(10).db(0).key(b'k', 0, string(b'v')).end()
    told = [b'$%d\r\n' % len(whole) + whole[:-3], b'$%d\r\n' % len(whole) + whole[:20] + b'?' + whole[21:], b'-ERR no\r\n', b'hello\r\n',
            b'$%d\r\n' % (len(whole) + 5) + whole, b'$EOF:' + b'a' * 40 + b'\r\n' + whole + b'b' * 40]
    for told_last in told:
        with socket.create_server(('127.0.0.1', 0)) as listener:
            def answer():
                client, _ = listener.accept()
                with client:
                    file = client.makefile('rb')
                    for reply in (b'+OK\r\n', b'+OK\r\n', b'+FULLRESYNC ' + b'0' * 40 + b' 1\r\n' + told_last):
                        for _ in range(2 * int(file.readline()[1:])):
                            file.readline()
                        client.sendall(reply)
                    client.shutdown(socket.SHUT_WR)
                    file.read()
            thread = threading.Thread(target=answer)
            thread.start()
            status, said, wrong = run('export', tmp_path / 'out.rdb', port=listener.getsockname()[1])
            thread.join()
        assert status == 1 and wrong.count('\n') == 1 and not said, (told_last, wrong)
        assert os.listdir(tmp_path) == []


def test_the_file_that_is_there_stays_when_there_is_no_node(tmp_path):
    path = tmp_path / 'out.rdb'
    path.write_bytes(b'old')
    assert run('export', path, port=servers.free_port())[0] == 1
    assert path.read_bytes() == b'old'


def test_files_go_out_and_in_by_tls(tmp_path):
    (tmp_path / 'certificates').mkdir()
    certificates, path = Certificates(tmp_path / 'certificates'), str(tmp_path / 'out.rdb')
    trust = ['--tls', '--cacert', certificates.path('ca.crt')]
    own = ['--cert', certificates.path('client.crt'), '--key', certificates.path('client.key')]
    with servers.start(tls_port=servers.free_port(), requirepass='secret', **certificates.directives()) as node:
        port, client, secret = node.directives['tls-port'], node.client(), {'REDISCLI_AUTH': 'secret'}
        client.ok('AUTH', 'secret')
        fill(client, random.Random(3))
        client.ok('SET', 'large', 'v' * 3000000)
        before = contents(client)
        status, _, wrong = run('export', path, *trust, *own, port=port, environment=secret)
        assert status == 0, wrong
        client.ok('FLUSHALL')
        status, _, wrong = run('import', path, '--replace', *trust, *own, port=port, environment=secret)
        assert status == 0, wrong
        assert contents(client) == before
        status, _, wrong = run('import', path, *trust, *own, port=port, environment=secret)
        assert status == 1 and '--replace or --keep' in wrong and 'failed after 0 keys' in wrong, wrong
        assert contents(client) == before
        for words, why in [(trust, 'certificate required'),
                           (['--tls', '--cacert', certificates.path('client.crt'), *own], 'certificate verify failed'),
                           (['--tls', '--cacert', '/nowhere'], 'cannot load'), (['--tls', *trust, '--cert', '/nowhere', '--key', '/nowhere'], 'cannot load')]:
            status, _, wrong = run('export', path, *words, port=port, environment=secret)
            assert status == 1 and why in wrong and wrong.count('\n') == 1, (words, wrong)
        assert run('export', path, *trust, *own, port=node.port, environment=secret)[0] == 1
