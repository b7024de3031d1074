/* SPDX-License-Identifier: BSD-3-Clause */
/* A search covers its shape with a cell that is large enough and its eight neighbours: nine ranges of scores, of which
 * those that cannot touch the shape are left out. */
#include "object/geohash.h"

#include <math.h>

#define EARTH_RADIUS 6372797.560856
#define MERCATOR_MAX 20037726.37
#define RADIANS (M_PI / 180.0)

struct cell {
    uint64_t longitude, latitude; /* counted from the southwest */
    unsigned steps;
};

struct area {
    struct geo_point low, high;
};

static uint64_t cell_index(double value, double most, unsigned steps)
{
    double offset = (value + most) / (most * 2);
    return (uint64_t)(offset * (double)(UINT64_C(1) << steps));
}

static struct cell cell_of_point(struct geo_point point, unsigned steps)
{
    return (struct cell){cell_index(point.longitude, GEO_LONGITUDE_MAX, steps),
                         cell_index(point.latitude, GEO_LATITUDE_MAX, steps), steps};
}

static uint64_t cell_bits(const struct cell *cell)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 32; i++)
        bits |= (cell->latitude >> i & 1) << (2 * i) | (cell->longitude >> i & 1) << (2 * i + 1);
    return bits;
}

static struct cell cell_of_score(double score)
{
    uint64_t bits = score >= 0 && score < 0x1p63 ? (uint64_t)score : 0;
    struct cell cell = {.steps = GEOHASH_STEPS_MAX};
    for (unsigned i = 0; i < 32; i++) {
        cell.latitude |= (bits >> (2 * i) & 1) << i;
        cell.longitude |= (bits >> (2 * i + 1) & 1) << i;
    }
    return cell;
}

static struct area cell_area(const struct cell *cell)
{
    double cells = (double)(UINT64_C(1) << cell->steps);
    double width = GEO_LONGITUDE_MAX * 2, height = GEO_LATITUDE_MAX * 2;
    return (struct area){{-GEO_LONGITUDE_MAX + ((double)cell->longitude / cells) * width,
                          -GEO_LATITUDE_MAX + ((double)cell->latitude / cells) * height},
                         {-GEO_LONGITUDE_MAX + ((double)(cell->longitude + 1) / cells) * width,
                          -GEO_LATITUDE_MAX + ((double)(cell->latitude + 1) / cells) * height}};
}

static double within(double value, double most)
{
    return value > most ? most : value < -most ? -most : value;
}

double geohash_score(struct geo_point point)
{
    struct cell cell = cell_of_point(point, GEOHASH_STEPS_MAX);
    return (double)cell_bits(&cell);
}

struct geo_point geohash_point(double score)
{
    struct cell cell = cell_of_score(score);
    struct area area = cell_area(&cell);
    return (struct geo_point){within((area.low.longitude + area.high.longitude) / 2, GEO_LONGITUDE_MAX),
                              within((area.low.latitude + area.high.latitude) / 2, GEO_LATITUDE_MAX)};
}

/* The text goes to the poles, and so has latitudes of its own; of its last digit there are no bits. */
void geohash_text(double score, char text[GEOHASH_TEXT_LENGTH])
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    struct geo_point point = geohash_point(score);
    struct cell cell = {cell_index(point.longitude, 180, GEOHASH_STEPS_MAX),
                        cell_index(point.latitude, 90, GEOHASH_STEPS_MAX), GEOHASH_STEPS_MAX};
    uint64_t bits = cell_bits(&cell);
    for (int i = 0; i < GEOHASH_TEXT_LENGTH; i++)
        text[i] = i == GEOHASH_TEXT_LENGTH - 1 ? '0' : digits[bits >> (52 - (i + 1) * 5) & 0x1f];
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double latitude_a = a.latitude * RADIANS, longitude_a = a.longitude * RADIANS;
    double latitude_b = b.latitude * RADIANS, longitude_b = b.longitude * RADIANS;
    double u = sin((latitude_b - latitude_a) / 2), v = sin((longitude_b - longitude_a) / 2);
    return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cos(latitude_a) * cos(latitude_b) * v * v));
}

bool geo_shape_contains(const struct geo_shape *shape, struct geo_point point, double *distance)
{
    struct geo_point center = shape->center;
    if (shape->is_box) {
        const struct geo_point east = {center.longitude, point.latitude}, north = {point.longitude, center.latitude};
        if (geo_distance(point, east) > shape->width / 2 || geo_distance(point, north) > shape->height / 2)
            return false;
    }
    *distance = geo_distance(center, point);
    return shape->is_box || *distance <= shape->radius;
}

/* ---- covering a shape ---- */

static struct area shape_bounds(const struct geo_shape *shape)
{
    struct geo_point center = shape->center;
    double height = shape->is_box ? shape->height / 2 : shape->radius;
    double width = shape->is_box ? shape->width / 2 : shape->radius;
    double latitude_delta = height / EARTH_RADIUS / RADIANS;
    /* The side that is nearer to the pole is the one with the wider angle. */
    double far = center.latitude < 0 ? center.latitude - latitude_delta : center.latitude + latitude_delta;
    /* Around a pole are all longitudes. */
    double longitude_delta = fabs(far) < 90 ? width / EARTH_RADIUS / cos(far * RADIANS) / RADIANS : 360;
    return (struct area){{center.longitude - longitude_delta, center.latitude - latitude_delta},
                         {center.longitude + longitude_delta, center.latitude + latitude_delta}};
}

static double shape_reach(const struct geo_shape *shape)
{
    double width = shape->width / 2, height = shape->height / 2;
    return shape->is_box ? sqrt(width * width + height * height) : shape->radius;
}

static unsigned steps_for(double reach, double latitude)
{
    int steps = 1;
    if (reach == 0)
        return GEOHASH_STEPS_MAX;
    while (reach < MERCATOR_MAX) {
        reach *= 2;
        steps++;
    }
    steps -= 2;
    /* Cells are narrow near the poles. */
    steps -= (latitude > 66 || latitude < -66) + (latitude > 80 || latitude < -80);
    return steps < 1 ? 1 : steps > GEOHASH_STEPS_MAX ? GEOHASH_STEPS_MAX : (unsigned)steps;
}

/* The world is round: beyond the last cell is the first. */
static struct cell cell_moved(const struct cell *cell, int east, int north)
{
    uint64_t mask = (UINT64_C(1) << cell->steps) - 1;
    return (struct cell){(cell->longitude + (uint64_t)(int64_t)east) & mask,
                         (cell->latitude + (uint64_t)(int64_t)north) & mask, cell->steps};
}

static struct area area_moved(const struct cell *cell, int east, int north)
{
    struct cell moved = cell_moved(cell, east, north);
    return cell_area(&moved);
}

/* Whether the neighbours of the center's cell do not reach as far as the shape. */
static bool is_too_small(const struct cell *cell, struct geo_point center, double reach)
{
    struct geo_point north = {center.longitude, area_moved(cell, 0, 1).high.latitude};
    struct geo_point south = {center.longitude, area_moved(cell, 0, -1).low.latitude};
    struct geo_point east = {area_moved(cell, 1, 0).high.longitude, center.latitude};
    struct geo_point west = {area_moved(cell, -1, 0).low.longitude, center.latitude};
    return geo_distance(center, north) < reach || geo_distance(center, south) < reach ||
           geo_distance(center, east) < reach || geo_distance(center, west) < reach;
}

static bool is_useless(const struct area *area, const struct area *bounds, int east, int north)
{
    return (north < 0 && area->low.latitude < bounds->low.latitude) ||
           (north > 0 && area->high.latitude > bounds->high.latitude) ||
           (east < 0 && area->low.longitude < bounds->low.longitude) ||
           (east > 0 && area->high.longitude > bounds->high.longitude);
}

size_t geo_shape_ranges(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES_MAX])
{
    static const signed char order[GEO_RANGES_MAX][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                                         {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct area bounds = shape_bounds(shape);
    double reach = shape_reach(shape);
    unsigned steps = steps_for(reach, shape->center.latitude);
    struct cell cell = cell_of_point(shape->center, steps);
    if (steps > 1 && is_too_small(&cell, shape->center, reach))
        cell = cell_of_point(shape->center, --steps);
    struct area area = cell_area(&cell);
    size_t count = 0;
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < GEO_RANGES_MAX; i++) {
        struct cell moved = i == 0 ? cell : cell_moved(&cell, order[i][0], order[i][1]);
        uint64_t bits = cell_bits(&moved);
        if ((steps >= 2 && is_useless(&area, &bounds, order[i][0], order[i][1])) || bits == last)
            continue;
        unsigned shift = 2 * (GEOHASH_STEPS_MAX - steps);
        ranges[count++] = (struct geo_range){(double)(bits << shift), (double)((bits + 1) << shift)};
        last = bits;
    }
    return count;
}
