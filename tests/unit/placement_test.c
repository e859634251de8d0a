/* Where slots go: how many move when servers come and go, how loads follow weights, that failure
 * domains hold. Images are drawn from a counter, so every run sees the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "system/placement.h"

enum { IMAGES = 4000, SERVERS = 64 };

/* A description of its own memory; only what placement reads is set. */
struct world {
    Myelin__System system;
    struct description description;
    size_t made; /* servers, those that went included */
    char names[SERVERS][24], domains[SERVERS][24];
    Myelin__Server servers[SERVERS];
    Myelin__Server *storage[SERVERS];
    Myelin__Seat seat[SERVERS];
    Myelin__Seat *seats[SERVERS];
};

static char nobody[] = "";

static void world_sit(struct world *world, size_t i) {
    size_t at = world->system.n_seat++;
    myelin__seat__init(&world->seat[at]);
    world->seat[at].label = world->seat[at].server = world->names[i];
    world->seat[at].domain = world->servers[i].domain;
    world->seat[at].weight = world->servers[i].weight;
    world->seat[at].came = world->system.version;
    world->seats[at] = &world->seat[at];
}

static void world_add(struct world *world, const char *name, uint32_t weight, const char *domain) {
    size_t i = world->made++;
    myelin__server__init(&world->servers[i]);
    snprintf(world->names[i], sizeof world->names[i], "%s", name);
    snprintf(world->domains[i], sizeof world->domains[i], "%s", domain);
    world->servers[i].name = world->names[i];
    world->servers[i].domain = world->domains[i];
    world->servers[i].weight = weight;
    world->storage[world->system.n_storage++] = &world->servers[i];
    world_sit(world, i);
}

static void world_leave_seat(struct world *world, const char *name) {
    for (size_t i = 0; i < world->system.n_seat; i++)
        if (strcmp(world->seat[i].server, name) == 0) {
            world->seat[i].server = nobody;
            world->seat[i].left = world->system.version;
        }
}

static void world_remove(struct world *world, const char *name) {
    size_t at = 0;
    while (strcmp(world->storage[at]->name, name) != 0)
        at++;
    for (world->system.n_storage--; at < world->system.n_storage; at++)
        world->storage[at] = world->storage[at + 1];
    world_leave_seat(world, name);
}

static void world_start(struct world *world, unsigned n, unsigned count) {
    char name[24];
    memset(world, 0, sizeof *world);
    myelin__system__init(&world->system);
    world->system.n = n;
    world->system.version = 1;
    world->system.k = 1;
    world->system.storage = world->storage;
    world->system.seat = world->seats;
    world->description.system = &world->system;
    for (unsigned i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "storage-%u", i);
        world_add(world, name, 0, "");
    }
}

static void image_of(unsigned number, uint8_t out_tau[FORMAT_TAU_BYTES]) {
    memset(out_tau, 0, FORMAT_TAU_BYTES);
    store_be32(out_tau, number);
}

/* By image and slot, the servers' names, copied: worlds change. */
typedef char layout[IMAGES][16][24];

static void lay_out(const struct world *world, layout out) {
    const char *servers[FORMAT_SERVERS_MAX];
    uint8_t tau[FORMAT_TAU_BYTES];
    memset(out, 0, sizeof(layout));
    for (unsigned image = 0; image < IMAGES; image++) {
        image_of(image, tau);
        unsigned n = placement_slots(&world->description, tau, servers);
        assert_int_equal(n, world->system.n);
        for (unsigned slot = 0; slot < n; slot++)
            snprintf(out[image][slot], 24, "%s", servers[slot]);
    }
}

/* The part of all slots that another server has. */
static double moved(const struct world *world, layout before, layout after) {
    unsigned long count = 0;
    for (unsigned image = 0; image < IMAGES; image++)
        for (unsigned slot = 0; slot < world->system.n; slot++)
            count += strcmp(before[image][slot], after[image][slot]) != 0;
    return (double)count / ((double)IMAGES * world->system.n);
}

static double load_of(const struct world *world, layout all, const char *name) {
    unsigned long count = 0;
    for (unsigned image = 0; image < IMAGES; image++)
        for (unsigned slot = 0; slot < world->system.n; slot++)
            count += strcmp(all[image][slot], name) == 0;
    return (double)count / ((double)IMAGES * world->system.n);
}

static layout before, after;
static struct world world;

/* ------------------------------------------------------------------ one description */

static void slots_are_different_servers(void **state) {
    (void)state;
    world_start(&world, 6, 9);
    lay_out(&world, before);
    for (unsigned image = 0; image < IMAGES; image++)
        for (unsigned slot = 0; slot < 6; slot++)
            for (unsigned other = 0; other < slot; other++)
                assert_string_not_equal(before[image][slot], before[image][other]);
    lay_out(&world, after);
    assert_memory_equal(before, after, sizeof before);
}

/* Where n is N every server has a slot, and it is not always the same one. */
static void as_many_slots_as_servers_are_a_permutation(void **state) {
    (void)state;
    world_start(&world, 6, 6);
    lay_out(&world, before);
    for (unsigned slot = 0; slot < 6; slot++) {
        unsigned count = 0;
        for (unsigned image = 0; image < IMAGES; image++)
            count += strcmp(before[image][slot], "storage-1") == 0;
        assert_in_range(count, IMAGES / 6 * 8 / 10, IMAGES / 6 * 12 / 10);
    }
    assert_true(load_of(&world, before, "storage-4") == 1. / 6);
}

/* A description from before there were seats means a seat for each server. */
static void no_seats_are_a_seat_each(void **state) {
    (void)state;
    world_start(&world, 4, 7);
    lay_out(&world, before);
    world.system.n_seat = 0;
    lay_out(&world, after);
    assert_memory_equal(before, after, sizeof before);
    world_start(&world, 7, 7);
    lay_out(&world, before);
    world.system.n_seat = 0;
    world.system.n = 0;
    const char *servers[FORMAT_SERVERS_MAX];
    uint8_t tau[FORMAT_TAU_BYTES];
    image_of(3, tau);
    assert_int_equal(placement_slots(&world.description, tau, servers), 7);
    assert_string_equal(servers[5], before[3][5]);
}

/* So that no change of the code moves what is stored: these were written down when it was made. */
static void placement_is_what_it_was(void **state) {
    (void)state;
    world_start(&world, 3, 5);
    world.system.version++;
    world_add(&world, "big", 300, "north");
    world.system.version++;
    world_remove(&world, "storage-2");
    lay_out(&world, before);
    char text[512] = "";
    for (unsigned image = 0; image < 6; image++)
        for (unsigned slot = 0; slot < 3; slot++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", before[image][slot]);
    assert_string_equal(text, "storage-1 storage-4 big storage-5 storage-4 storage-1 "
                              "storage-5 storage-4 big storage-1 storage-4 big storage-1 "
                              "storage-4 big storage-5 storage-1 big ");
}

static void previous_is_of_the_version_before(void **state) {
    (void)state;
    static struct world old;
    Myelin__Placement placement = MYELIN__PLACEMENT__INIT;
    const char *servers[FORMAT_SERVERS_MAX];
    uint8_t tau[FORMAT_TAU_BYTES];
    world_start(&old, 4, 6);
    lay_out(&old, before);
    world_start(&world, 4, 8);
    image_of(11, tau);
    assert_int_equal(placement_previous(&world.description, tau, servers), 0);
    placement.storage = old.storage;
    placement.n_storage = 6;
    placement.seat = old.seats;
    placement.n_seat = 6;
    world.system.previous = &placement;
    for (unsigned image = 0; image < 50; image++) {
        image_of(image, tau);
        assert_int_equal(placement_previous(&world.description, tau, servers), 4);
        for (unsigned slot = 0; slot < 4; slot++)
            assert_string_equal(servers[slot], before[image][slot]);
    }
}

/* ------------------------------------------------------------------ servers come and go */

static const struct {
    unsigned n, servers;
} shapes[] = {{6, 6}, {6, 7}, {6, 12}, {3, 20}, {10, 10}, {14, 16}, {2, 2}, {1, 4}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static void a_new_server_takes_its_part_and_no_more(void **state) {
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        world_start(&world, shapes[i].n, shapes[i].servers);
        lay_out(&world, before);
        world.system.version++;
        world_add(&world, "newcomer", 0, "");
        lay_out(&world, after);
        double ideal = 1. / (shapes[i].servers + 1), part = moved(&world, before, after);
        print_message("n %u, N %u: a new server moves %.4f, 1/N is %.4f\n", shapes[i].n,
                      shapes[i].servers + 1, part, ideal);
        assert_true(part > 0.9 * ideal && part < 1.1 * ideal);
        assert_true(load_of(&world, after, "newcomer") == part); /* nothing else moved */
    }
}

static void a_server_that_leaves_moves_its_part_and_no_more(void **state) {
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        if (shapes[i].n == shapes[i].servers)
            continue;
        world_start(&world, shapes[i].n, shapes[i].servers);
        lay_out(&world, before);
        double load = load_of(&world, before, "storage-1");
        world.system.version++;
        world_leave_seat(&world, "storage-1"); /* as one that is draining */
        lay_out(&world, after);
        assert_true(moved(&world, before, after) == load);
        world_remove(&world, "storage-1");
        lay_out(&world, before);
        assert_memory_equal(before, after, sizeof before);
        world.system.version++;
        world_add(&world, "storage-1", 0, ""); /* and comes back */
        lay_out(&world, after);
        assert_true(moved(&world, before, after) == load);
    }
}

/* Years of changes: each still moves little. */
static void a_long_history_stays_cheap(void **state) {
    (void)state;
    double worst = 0;
    world_start(&world, 6, 8);
    lay_out(&world, before);
    for (unsigned i = 0; i < 20; i++) {
        char name[24];
        bool is_early = i / 2 < 8; /* the first eight leave, then those that came */
        snprintf(name, sizeof name, "storage-%u",
                 i % 2 == 0 ? 100 + i / 2
                 : is_early ? i / 2 + 1
                            : 100 + i / 2 - 8);
        world.system.version++;
        if (i % 2 == 0)
            world_add(&world, name, 0, "");
        else
            world_remove(&world, name);
        lay_out(&world, after);
        double ideal = 1. / 9, part = moved(&world, before, after);
        worst = part / ideal > worst ? part / ideal : worst;
        memcpy(before, after, sizeof before);
    }
    print_message("20 changes of 8 or 9 servers, n 6: at most %.2f of 1/N each\n", worst);
    assert_true(worst < 1.5);
}

static void a_replacement_takes_exactly_the_slots_of_the_old(void **state) {
    (void)state;
    static char name[] = "storage-99";
    world_start(&world, 6, 9);
    lay_out(&world, before);
    world.storage[4]->name = name;
    world.seat[4].server = name; /* the label stays */
    lay_out(&world, after);
    for (unsigned image = 0; image < IMAGES; image++)
        for (unsigned slot = 0; slot < 6; slot++)
            assert_string_equal(after[image][slot], strcmp(before[image][slot], "storage-5") == 0
                                                        ? "storage-99"
                                                        : before[image][slot]);
}

/* ------------------------------------------------------------------ weights and domains */

/* One slot an image: the load is the weight's part. With more slots no server has two of one image,
 * so a heavy one gets less than its part; up to n weight / sum of 1/2 by no more than 15 %. */
static void loads_follow_weights(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 4; n += 3) {
        world_start(&world, n, 16);
        world_add(&world, "double", 200, "");
        world_add(&world, "half", 50, "");
        lay_out(&world, before);
        double sum = 16 * 100 + 200 + 50;
        double heavy = load_of(&world, before, "double") / (200 / sum);
        double light = load_of(&world, before, "half") / (50 / sum);
        double plain = load_of(&world, before, "storage-7") / (100 / sum);
        print_message("n %u of 18: double weight %.3f, half %.3f, plain %.3f of its part\n", n,
                      heavy, light, plain);
        double bound = n == 1 ? 0.1 : 0.15; /* 4000 images are a sample: sigma of 0.1 at `half` */
        assert_true(heavy > 1 - bound && heavy < 1 + bound);
        assert_true(light > 1 - bound && light < 1 + bound);
        assert_true(plain > 1 - bound && plain < 1 + bound);
    }
}

static void more_weight_moves_slots_there_only(void **state) {
    (void)state;
    world_start(&world, 4, 12);
    lay_out(&world, before);
    world.system.version++;
    world_leave_seat(&world, "storage-6");
    world.servers[5].weight = 200;
    world_sit(&world, 5);
    lay_out(&world, after);
    double gained = load_of(&world, after, "storage-6") - load_of(&world, before, "storage-6");
    double part = moved(&world, before, after);
    assert_true(gained > 0.04);
    assert_true(part > gained - 1e-9 && part < gained + 1e-9);
}

static unsigned most_in_one_domain(char slots[16][24], unsigned n, unsigned per_domain) {
    unsigned count[SERVERS] = {0}, most = 0;
    for (unsigned slot = 0; slot < n; slot++) {
        unsigned server = (unsigned)atoi(slots[slot] + strlen("storage-")) - 1;
        unsigned now = ++count[server / per_domain];
        most = now > most ? now : most;
    }
    return most;
}

static void start_with_domains(unsigned n, unsigned count, unsigned per_domain) {
    world_start(&world, n, 0);
    for (unsigned i = 0; i < count; i++) {
        char name[24], domain[24];
        snprintf(name, sizeof name, "storage-%u", i + 1);
        snprintf(domain, sizeof domain, "site-%u", i / per_domain);
        world_add(&world, name, 0, domain);
    }
}

static void no_domain_has_more_than_its_part(void **state) {
    (void)state;
    static const struct {
        unsigned n, servers, per_domain, most;
    } cases[] = {{6, 12, 4, 2}, {6, 9, 3, 2}, {5, 12, 4, 2}, {4, 12, 3, 1}, {6, 6, 2, 2}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        start_with_domains(cases[i].n, cases[i].servers, cases[i].per_domain);
        lay_out(&world, before);
        for (unsigned image = 0; image < IMAGES; image++)
            assert_int_equal(most_in_one_domain(before[image], cases[i].n, cases[i].per_domain),
                             cases[i].most);
    }
}

/* 1 + 1 + 5 servers and 5 slots: the small sites are full, the large one takes the rest. */
static void domains_that_are_too_small_leave_the_rest_to_others(void **state) {
    (void)state;
    start_with_domains(5, 7, 1);
    for (unsigned i = 2; i < 7; i++) {
        snprintf(world.domains[i], sizeof world.domains[i], "large");
    }
    lay_out(&world, before);
    assert_true(load_of(&world, before, "storage-1") == 0.2);
    assert_true(load_of(&world, before, "storage-2") == 0.2);
}

static void a_new_server_in_a_domain_moves_its_part(void **state) {
    (void)state;
    start_with_domains(6, 12, 4);
    lay_out(&world, before);
    world.system.version++;
    world_add(&world, "storage-13", 0, "site-1");
    lay_out(&world, after);
    double part = moved(&world, before, after);
    assert_true(part < 1.5 / 13);
    assert_true(part == load_of(&world, after, "storage-13"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_different_servers),
        cmocka_unit_test(as_many_slots_as_servers_are_a_permutation),
        cmocka_unit_test(no_seats_are_a_seat_each),
        cmocka_unit_test(placement_is_what_it_was),
        cmocka_unit_test(previous_is_of_the_version_before),
        cmocka_unit_test(a_new_server_takes_its_part_and_no_more),
        cmocka_unit_test(a_server_that_leaves_moves_its_part_and_no_more),
        cmocka_unit_test(a_long_history_stays_cheap),
        cmocka_unit_test(a_replacement_takes_exactly_the_slots_of_the_old),
        cmocka_unit_test(loads_follow_weights),
        cmocka_unit_test(more_weight_moves_slots_there_only),
        cmocka_unit_test(no_domain_has_more_than_its_part),
        cmocka_unit_test(domains_that_are_too_small_leave_the_rest_to_others),
        cmocka_unit_test(a_new_server_in_a_domain_moves_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
