# SPDX-License-Identifier: BSD-3-Clause
"""The links of replication as clients: CLIENT LIST shows them, and CLIENT KILL ends them."""
import pytest

from tests.lib.proxy import Proxy
from tests.lib.server import wait_until
from tests.replication.story import follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


def lines(client, *words):
    """Each client as a dict."""
    text = client('CLIENT', 'LIST', *words).decode()
    return [dict(word.split('=', 1) for word in line.split(' ')) for line in text.splitlines()]


def events(server, event):
    with open(server.log_path) as log:
        return log.read().count('event="%s"' % event)


@pytest.fixture
def pair(own_server):
    server, other = own_server(threads=3), own_server(threads=3)
    follow(other.client(), server.port)
    server.client().ok('SET', 'k', 1)
    wait_caught_up(server.client(), other.client())
    return server, other


def test_the_link_is_a_client_of_both_nodes(pair):
    server, other = pair
    primary, replica = server.client(), other.client()
    # Those that the story has closed already are clients until it is noticed.
    wait_until(lambda: [line['flags'] for line in lines(primary, 'TYPE', 'normal')] == ['N'], what='the others to be gone')
    (above,), (below,) = lines(primary, 'TYPE', 'replica'), lines(replica, 'TYPE', 'master')
    assert above['flags'] == 'S' and below['flags'].startswith('M')
    assert (above['addr'], above['laddr']) == (below['laddr'], below['addr']) or below['addr'] == '127.0.0.1:%d' % server.port
    assert above['laddr'] == '127.0.0.1:%d' % server.port
    assert int(below['idle']) < 60 and int(above['idle']) < 60
    assert lines(primary, 'TYPE', 'slave') == lines(primary, 'ID', above['id']) == [above]
    assert lines(primary, 'TYPE', 'master') == lines(replica, 'TYPE', 'replica') == []
    assert above['id'] in [line['id'] for line in lines(primary)] and below['id'] in [line['id'] for line in lines(replica)]
    assert set(lines(primary)[0]) == set(above) == set(below)
    assert 'connected_clients:1\r\n' in primary('INFO', 'clients').decode()


def test_what_info_role_and_list_say_is_the_same(own_server):
    server, others = own_server(), [own_server() for _ in range(2)]
    primary = server.client()

    def said():
        told = info(primary)
        listed = [told['slave%d' % i] for i in range(int(told['connected_slaves']))]
        assert told['role'] == 'master' and primary('ROLE')[0] == b'master'
        return len(listed), len([line for line in listed if 'state=online' in line]) == len(primary('ROLE')[2]), len(lines(primary, 'TYPE', 'replica'))

    assert said() == (0, True, 0)
    for count, other in enumerate(others, 1):
        follow(other.client(), server.port)
        wait_until(lambda: said() == (count, True, count), what='all saying %d' % count)
    assert other.client()('ROLE')[0] == b'slave' and info(other.client())['role'] == 'slave'
    others[0].client().ok('REPLICAOF', 'NO', 'ONE')
    wait_until(lambda: said() == (1, True, 1), what='all saying one')
    others[1].kill()
    wait_until(lambda: said() == (0, True, 0), what='all saying none')


@pytest.mark.parametrize('words', [('TYPE', 'replica'), ('TYPE', 'slave'), ('ID',), ('ADDR',), ('TYPE', 'replica', 'MAXAGE', 1000000)])
def test_a_primary_ends_the_link_and_the_replica_comes_back(pair, words):
    server, other = pair
    primary = server.client()
    (link,) = lines(primary, 'TYPE', 'replica')
    if len(words) == 1:
        words += (link[words[0].lower()],)
    if 'MAXAGE' in words:
        assert primary('CLIENT', 'KILL', *words) == 0
        assert primary('CLIENT', 'KILL', 'TYPE', 'normal') == primary('CLIENT', 'KILL', 'TYPE', 'pubsub') == 0
        assert lines(primary, 'TYPE', 'replica')[0]['id'] == link['id']
        return
    assert primary('CLIENT', 'KILL', *words) == 1
    wait_until(lambda: [line['id'] for line in lines(primary, 'TYPE', 'replica')] not in ([], [link['id']]), what='another link')
    primary.ok('SET', 'k', 2)
    wait_caught_up(primary, other.client())
    assert other.client()('GET', 'k') == b'2'
    assert events(server, 'full resync') == 1 and events(server, 'partial resync') == 1


@pytest.mark.parametrize('by_id', [False, True])
def test_a_replica_ends_the_link_to_its_primary_and_comes_back(pair, by_id):
    server, other = pair
    primary, replica = server.client(), other.client()
    (link,) = lines(replica, 'TYPE', 'master')
    assert replica('CLIENT', 'KILL', *(('ID', link['id']) if by_id else ('TYPE', 'master'))) == 1
    wait_until(lambda: events(other, 'following') == 2, what='another link')
    wait_up(replica)
    primary.ok('SET', 'k', 2)
    wait_caught_up(primary, replica)
    assert replica('GET', 'k') == b'2' and lines(replica, 'TYPE', 'master')[0]['id'] != link['id']
    assert events(server, 'full resync') == 1


def test_a_copy_under_way_is_listed_and_can_be_ended(own_server):
    server, other = own_server(), own_server()
    primary = server.client()
    primary.pipeline([('SET', 'k:%d' % i, b'x' * 10000) for i in range(1000)])
    with Proxy(server.address) as proxy:
        proxy.bytes_per_second = 1000000
        follow(other.client(), proxy.port, wait=False)
        wait_until(lambda: info(other.client())['master_sync_in_progress'] == '1', what='a copy')
        (link,), (above,) = lines(primary, 'TYPE', 'replica'), lines(other.client(), 'TYPE', 'master')
        assert link['flags'] == 'S' and above['flags'].startswith('M')
        assert primary('CLIENT', 'KILL', 'ID', link['id']) == 1
        wait_until(lambda: events(server, 'full resync failed') == 1, what='the end of the copy')
        proxy.bytes_per_second = None
        wait_caught_up(primary, other.client())
        assert other.client()('DBSIZE') == 1000


def test_inside_of_a_transaction_the_links_are_listed_as_well(pair):
    primary = pair[0].client()
    primary.ok('MULTI')
    primary('CLIENT', 'LIST')
    (text,) = primary('EXEC')
    assert ' flags=S ' in text.decode()
