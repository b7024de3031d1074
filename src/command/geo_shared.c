/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/geo_shared.h"

#include "command/args.h"
#include "resp/error_text.h"

#include <stdio.h>

bool geo_read_unit(struct execution *x, struct bytes word, double *unit)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (arg_is(word, units[i].name)) {
            *unit = units[i].metres;
            return true;
        }
    reply_error(x->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_read_point(struct execution *x, const struct bytes *words, struct geo_point *point)
{
    if (!arg_double(x, words[0], &point->longitude) || !arg_double(x, words[1], &point->latitude))
        return false;
    if (point->longitude >= -GEO_LONGITUDE_MAX && point->longitude <= GEO_LONGITUDE_MAX &&
        point->latitude >= -GEO_LATITUDE_MAX && point->latitude <= GEO_LATITUDE_MAX)
        return true;
    reply_error_format(x->reply, "ERR invalid longitude,latitude pair %f,%f", point->longitude, point->latitude);
    return false;
}

void geo_reply_distance(struct reply *reply, double distance)
{
    char text[400];
    int length = snprintf(text, sizeof(text), "%.4f", distance);
    reply_bulk(reply, bytes_of(text, (size_t)length));
}

/* Seventeen digits behind the point, without the zeros at the end. */
static void reply_coordinate(struct reply *reply, double value)
{
    char text[64];
    int length = snprintf(text, sizeof(text), "%.17Lf", (long double)value);
    while (length > 1 && text[length - 1] == '0')
        length--;
    length -= text[length - 1] == '.';
    if (reply->protocol < 3) {
        reply_bulk(reply, bytes_of(text, (size_t)length));
        return;
    }
    char line[80];
    int line_length = snprintf(line, sizeof(line), ",%.*s\r\n", length, text);
    reply_raw(reply, bytes_of(line, (size_t)line_length));
}

void geo_reply_point(struct reply *reply, struct geo_point point)
{
    reply_array(reply, 2);
    reply_coordinate(reply, point.longitude);
    reply_coordinate(reply, point.latitude);
}
