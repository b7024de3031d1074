# SPDX-License-Identifier: BSD-3-Clause
"""The program `forebay`, as stories run it."""
import os
import subprocess

from tests.lib import server as servers

PROGRAM = os.path.join(os.path.dirname(servers.binary('forebay') or servers.ROOT), 'forebay')


def run(*words, port=None, stdin=None, environment=None):
    """Ends with (status, standard output, standard error). A variable that is None in the environment is not there."""
    variables = {name: value for name, value in {**os.environ, **(environment or {})}.items() if value is not None}
    where = ['--port', str(port)] if port else []
    done = subprocess.run([PROGRAM, *map(str, words), *where], input=stdin, capture_output=True, timeout=240, check=False,
                          env=variables)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def load(path, port, *options):
    """Imports a file that must be taken."""
    status, said, wrong = run('import', path, *options, port=port)
    assert status == 0, wrong
    return said


def write(directory, data, name='made.rdb'):
    path = os.path.join(directory, name)
    with open(path, 'wb') as file:
        file.write(data)
    return path
