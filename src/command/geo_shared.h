/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/geohash.h"

/* What the commands of places share. */

/* A unit's name to metres; false: an error is replied. */
bool geo_read_unit(struct execution *x, struct bytes word, double *unit);
/* Two words, longitude and latitude; false: an error is replied. */
bool geo_read_point(struct execution *x, const struct bytes *words, struct geo_point *point);

/* With four digits behind the point. */
void geo_reply_distance(struct reply *reply, double distance);
void geo_reply_point(struct reply *reply, struct geo_point point);
