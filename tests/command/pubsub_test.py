# SPDX-License-Identifier: BSD-3-Clause
"""Channels, events of keys, and invalidations: what the server says to clients that did not ask just now."""
import pytest

from tests.lib.resp import Error


# ---- notify-keyspace-events ----

@pytest.mark.parametrize('given, shown', [
    ('A', 'A'), ('KEA', 'AKE'), ('g$lshzxetdKE', 'AKE'), ('mn', 'nm'), ('Eln', 'lnE'), ('KEx', 'xKE'),
    ('eKKKg', 'geK'), ('', '')])
def test_event_classes_are_shown_in_one_order(client, given, shown):
    assert client('CONFIG', 'SET', 'notify-keyspace-events', given) == 'OK'
    assert client('CONFIG', 'GET', 'notify-keyspace-events')[1] == shown.encode()
    client('CONFIG', 'SET', 'notify-keyspace-events', '')


def test_an_unknown_event_class_changes_nothing(client):
    client('CONFIG', 'SET', 'notify-keyspace-events', 'Kg')
    assert client('CONFIG', 'SET', 'notify-keyspace-events', 'Kq') == Error(
        "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - "
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    assert client('CONFIG', 'GET', 'notify-keyspace-events')[1] == b'gK'
    client('CONFIG', 'SET', 'notify-keyspace-events', '')
