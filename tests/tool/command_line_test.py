# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong with a command line is told in one line that names it, with status 2, before anything is read or connected."""
import pytest

from tests.lib.rdb import File, string
from tests.tool.story import run, write

pytestmark = pytest.mark.forebay_only


@pytest.mark.parametrize('words, why', [
    ('import', 'which file?'),
    ('export', 'which file?'),
    ('check -q', 'which file?'),
    ('import a b', 'b: one file is enough'),
    ('import a --what', '--what: there is no such option'),
    ('import a -x 7', '-x: there is no such option'),
    ('export -', 'export makes a file, which needs a name'),
    # without their value
    ('import a --port', '--port has no value behind it'),
    ('import a -p', '--port has no value behind it'),
    ('import a -h', '--host has no value behind it'),
    ('export a --tls --cacert', '--cacert has no value behind it'),
    # ports
    *[('import a --port ' + port, '--port is a number from 1 to 65535, not ' + port) for port in (
        '0', '65536', '65537', '4294973675', '-1', '+1', '6379x', '0x10', '1e3', 'redis', '999999999999999999999')],
    ('import a --port --tls', '--port is a number from 1 to 65535, not --tls'),
    # what needs something else
    ('import a --cacert c', '--cacert is of no use without --tls'),
    ('import a --cacertdir c', '--cacertdir is of no use without --tls'),
    ('export a --cert c --key k', '--cert is of no use without --tls'),
    ('export a --key k', '--key is of no use without --tls'),
    ('export a --tls', '--tls needs --cacert or --cacertdir'),
    ('export a --tls --cacert c --cert c', '--cert needs --key as well'),
    ('export a --tls --cacert c --key k', '--key needs --cert as well'),
    ('import a --user me', '--user needs a password'),
    # what does not go together
    ('import a --keep --replace', '--replace and --keep exclude each other'),
    ('import a --socket s --port 7', '--socket stands instead of --host and --port'),
    ('import a -h localhost -s s', '--socket stands instead of --host and --port'),
    # what belongs to another command
    *[('export a ' + option, option + ' is of no use to export') for option in ('--keep', '--replace', '--skip-modules', '--no-check')],
    *[('check a ' + option, option + ' is of no use to check') for option in ('--keep', '--tls', '--no-check')],
    ('check a -p 7', '--port is of no use to check'),
])
def test_one_line_tells_what_is_wrong(words, why):
    status, said, wrong = run(*words.split(' '), environment={'REDISCLI_AUTH': None})
    assert status == 2 and not said and wrong.count('\n') == 1, wrong
    assert wrong.startswith('forebay: ' + why), wrong


def test_without_a_command_or_with_one_that_is_none_the_usage_is_told():
    status, said, wrong = run()
    assert status == 2 and not said and wrong.startswith('forebay import FILE')
    status, said, wrong = run('fly', 'a')
    assert status == 2 and not said and wrong.startswith('forebay: "fly" is no command\n\nforebay import FILE')


@pytest.mark.parametrize('words', [['--help'], ['help'], ['import', '--help'], ['export', '--help'], ['check', '--help'],
                                   ['import', 'none', '--keep', '--help']])
def test_help_is_told_wherever_it_is_asked_for(words):
    status, said, wrong = run(*words)
    assert status == 0 and not wrong and said.startswith('forebay import FILE') and '--skip-modules' in said


@pytest.mark.parametrize('port', ['1', '65535', '00001'])
def test_ports_at_the_ends_are_tried(tmp_path, port):
    path = write(tmp_path, File(10).db(0).key(b'k', 0, string(b'v')).end())
    status, _, wrong = run('import', path, '-p', port)
    assert status == 1 and '127.0.0.1:%s: Connection refused' % port in wrong
