# SPDX-License-Identifier: BSD-3-Clause
"""Places: GEOADD and its family."""
import pytest

from tests.lib.resp import Error

PALERMO, CATANIA = ('13.361389', '38.115556', 'Palermo'), ('15.087269', '37.502669', 'Catania')


@pytest.fixture
def sicily(client):
    assert client('GEOADD', 'sicily', *PALERMO, *CATANIA) == 2
    return client


def test_a_place_is_a_score_of_a_sorted_set(sicily):
    assert sicily('ZSCORE', 'sicily', 'Palermo') == b'3479099956230698'
    assert sicily('GEOHASH', 'sicily', 'Palermo', 'Nowhere') == [b'sqc8b49rny0', None]
    assert sicily('GEOPOS', 'sicily', 'Palermo', 'Nowhere') == [[b'13.36138933897018433', b'38.11555639549629859'], None]


def test_distances_have_units(sicily):
    assert sicily('GEODIST', 'sicily', 'Palermo', 'Catania') == b'166274.1516'
    assert sicily('GEODIST', 'sicily', 'Palermo', 'Catania', 'KM') == b'166.2742'
    assert sicily('GEODIST', 'sicily', 'Palermo', 'Nowhere') is None
    assert sicily('GEODIST', 'sicily', 'Palermo', 'Catania', 'x') == \
        Error('ERR unsupported unit provided. please use M, KM, FT, MI')


def test_a_search_tells_what_it_is_asked_for(sicily):
    assert sicily('GEOSEARCH', 'sicily', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC') == [b'Catania', b'Palermo']
    assert sicily('GEOSEARCH', 'sicily', 'FROMMEMBER', 'Palermo', 'BYBOX', 400, 10, 'km') == [b'Palermo']
    assert sicily('GEORADIUS', 'sicily', 15, 37, 100, 'km', 'WITHDIST', 'WITHHASH') == [[b'Catania', b'56.4413', 3479447370796909]]
    assert sicily('GEORADIUSBYMEMBER', 'sicily', 'Palermo', 200, 'km', 'COUNT', 1) == [b'Palermo']


def test_a_search_can_be_stored(sicily):
    assert sicily('GEOSEARCHSTORE', 'near', 'sicily', 'FROMLONLAT', 15, 37, 'BYRADIUS', 100, 'km') == 1
    assert sicily('ZRANGE', 'near', 0, -1, 'WITHSCORES') == [b'Catania', b'3479447370796909']
    assert sicily('GEORADIUS', 'sicily', 15, 37, 1, 'km', 'STORE', 'near') == 0
    assert sicily('EXISTS', 'near') == 0


def test_points_outside_of_the_map_are_refused(client):
    assert client('GEOADD', 'g', 181, 0, 'x') == Error('ERR invalid longitude,latitude pair 181.000000,0.000000')
    assert client('GEOADD', 'g', 0, 86, 'x') == Error('ERR invalid longitude,latitude pair 0.000000,86.000000')
    assert client('EXISTS', 'g') == 0


@pytest.mark.forebay_only
def test_a_search_around_a_pole_finds_every_longitude(client):
    for longitude in range(-170, 180, 20):
        client('GEOADD', 'g', longitude, 84, longitude)
    assert len(client('GEOSEARCH', 'g', 'FROMLONLAT', 0, 85, 'BYRADIUS', 3000, 'km')) == 18
