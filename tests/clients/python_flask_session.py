# SPDX-License-Identifier: BSD-3-Clause
"""Flask-Session: sessions of a web application, kept in the server."""
import sys

from flask import Flask, session
from flask_session import Session
from redis import Redis


def application(client):
    app = Flask('story')
    app.config.update(SESSION_TYPE='redis', SESSION_REDIS=client, SESSION_KEY_PREFIX='web:', SESSION_USE_SIGNER=False,
                      PERMANENT_SESSION_LIFETIME=1000)
    Session(app)

    @app.route('/visit')
    def visit():
        session['visits'] = session.get('visits', 0) + 1
        return str(session['visits'])

    @app.route('/leave')
    def leave():
        session.clear()
        return 'left'
    return app


def main(port):
    client = Redis(port=port)
    app = application(client)
    one, other = app.test_client(), app.test_client()
    assert [one.get('/visit').text for _ in range(3)] == ['1', '2', '3']
    assert other.get('/visit').text == '1'
    keys = client.keys('web:*')
    assert len(keys) == 2 and all(900 < client.ttl(key) <= 1000 for key in keys)
    assert one.get('/leave').text == 'left'
    assert len(client.keys('web:*')) == 1
    assert one.get('/visit').text == '1' and other.get('/visit').text == '2'
    client.flushall()
    assert other.get('/visit').text == '1'


main(int(sys.argv[1]))
print('ok')
