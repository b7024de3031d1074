/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Places on the earth as numbers whose neighbours are near each other: bits of latitude and longitude by turns. With 26
 * steps, a bit of each per step, a hash has 52 bits and is exact as a sorted set's score. */
#define GEOHASH_STEPS_MAX 26
#define GEO_LONGITUDE_MAX 180.0
#define GEO_LATITUDE_MAX 85.05112878

struct geo_point {
    double longitude, latitude;
};

/* A circle, or a box along the meridians; metres. */
struct geo_shape {
    struct geo_point center;
    bool is_box;
    double radius, width, height;
};

/* Scores from 'first' up to but not including 'end'. */
struct geo_range {
    double first, end;
};
#define GEO_RANGES_MAX 9

/* The point must be within the limits above. */
double geohash_score(struct geo_point point);
/* The middle of the cell that the score means. */
struct geo_point geohash_point(double score);
/* The usual base-32 text of eleven digits; no NUL. */
#define GEOHASH_TEXT_LENGTH 11
void geohash_text(double score, char text[GEOHASH_TEXT_LENGTH]);

/* Metres along a great circle. */
double geo_distance(struct geo_point a, struct geo_point b);
/* Whether the point is inside, and how far from the center. */
bool geo_shape_contains(const struct geo_shape *shape, struct geo_point point, double *distance);
/* Ranges of scores that together hold all of the shape. */
size_t geo_shape_ranges(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES_MAX]);
