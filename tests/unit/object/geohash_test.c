/* SPDX-License-Identifier: BSD-3-Clause */
/* Places as scores: known ones, all over the earth and back, and shapes beside what a look at every place says. */
#include "object/geohash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static double between(struct random *random, double least, double most)
{
    return least + (most - least) * ((double)random_below(random, 1u << 30) / (1u << 30));
}

static struct geo_point any_point(struct random *random)
{
    return (struct geo_point){between(random, -GEO_LONGITUDE_MAX, GEO_LONGITUDE_MAX),
                              between(random, -GEO_LATITUDE_MAX, GEO_LATITUDE_MAX)};
}

/* Palermo and Catania, as GEOADD, ZSCORE, GEOHASH and GEODIST of Redis have them. */
static void known_places_have_their_known_scores(void **state)
{
    (void)state;
    const struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    char text[GEOHASH_TEXT_LENGTH];
    assert_true(geohash_score(palermo) == 3479099956230698.0);
    assert_true(geohash_score(catania) == 3479447370796909.0);
    geohash_text(3479099956230698.0, text);
    assert_memory_equal(text, "sqc8b49rny0", GEOHASH_TEXT_LENGTH);
    geohash_text(3479447370796909.0, text);
    assert_memory_equal(text, "sqdtr74hyu0", GEOHASH_TEXT_LENGTH);
    double distance = geo_distance(geohash_point(3479099956230698.0), geohash_point(3479447370796909.0));
    assert_true(fabs(distance - 166274.1516) < 0.001);
}

static void a_place_is_near_what_its_score_means(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        struct geo_point point = any_point(&random), back = geohash_point(geohash_score(point));
        assert_true(fabs(point.longitude - back.longitude) <= 360.0 / (1 << 26));
        assert_true(fabs(point.latitude - back.latitude) <= 2 * GEO_LATITUDE_MAX / (1 << 26));
        assert_true(geohash_score(back) == geohash_score(point));
    }
}

/* The ends of the scale take a bit more, as Redis has them. */
static void the_corners_of_the_earth_have_scores(void **state)
{
    (void)state;
    assert_true(geohash_score((struct geo_point){-180, -GEO_LATITUDE_MAX}) == 0);
    assert_true(geohash_score((struct geo_point){180, GEO_LATITUDE_MAX}) == 13510798882111488.0);
    assert_true(geohash_score((struct geo_point){180, 0}) == 10133099161583616.0);
    assert_true(geohash_score((struct geo_point){0, GEO_LATITUDE_MAX}) == 6755399441055744.0);
}

static void assert_ranges_hold(const struct geo_shape *shape, struct geo_point point)
{
    struct geo_range ranges[GEO_RANGES_MAX];
    size_t count = geo_shape_ranges(shape, ranges);
    double score = geohash_score(point), distance;
    if (!geo_shape_contains(shape, geohash_point(score), &distance))
        return;
    bool is_held = false;
    assert_in_range(count, 1, GEO_RANGES_MAX);
    for (size_t i = 0; i < count; i++)
        is_held = is_held || (score >= ranges[i].first && score < ranges[i].end);
    if (!is_held)
        fail_msg("%f %f is not in the ranges of a shape around %f %f", point.longitude, point.latitude,
                 shape->center.longitude, shape->center.latitude);
}

/* Shapes of all sizes, away from the poles and the date line, where Redis loses places too. */
static void the_ranges_of_a_shape_hold_all_that_is_inside(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 8);
    for (int i = 0; i < 2000; i++) {
        double size = exp(between(&random, log(1), log(500000)));
        struct geo_shape shape = {.center = {between(&random, -160, 160), between(&random, -65, 65)},
                                  .is_box = i % 2,
                                  .radius = size,
                                  .width = size,
                                  .height = size * between(&random, 0.1, 3)};
        double degrees = size / 111000 * 2;
        for (int j = 0; j < 20; j++)
            assert_ranges_hold(&shape, (struct geo_point){shape.center.longitude + between(&random, -degrees, degrees),
                                                          shape.center.latitude + between(&random, -degrees, degrees)});
    }
}

static void a_circle_ends_at_its_radius(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 9);
    for (int i = 0; i < 2000; i++) {
        struct geo_point center = any_point(&random), point = any_point(&random);
        double distance = geo_distance(center, point), told;
        struct geo_shape circle = {.center = center, .radius = distance * 1.000001};
        assert_true(geo_shape_contains(&circle, point, &told));
        assert_true(fabs(told - distance) < 0.01);
        circle.radius = distance * 0.999999;
        assert_false(geo_shape_contains(&circle, point, &told));
        assert_true(fabs(geo_distance(point, center) - distance) < 0.001);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_places_have_their_known_scores),
        cmocka_unit_test(a_place_is_near_what_its_score_means),
        cmocka_unit_test(the_corners_of_the_earth_have_scores),
        cmocka_unit_test(the_ranges_of_a_shape_hold_all_that_is_inside),
        cmocka_unit_test(a_circle_ends_at_its_radius),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
