/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/net/net_world.h"

#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LOOPS 3

static struct world worlds[LOOPS];
static struct loop *loops[LOOPS];
static int64_t clients_max, keepalive_seconds;
static char directory[64], path[96];
static const char *refusal;

static const char *refuse(bool is_local)
{
    return is_local ? refusal : "DENIED from afar";
}

static int all_setup(void **state)
{
    (void)state;
    for (int i = 0; i < LOOPS; i++) {
        world_begin(&worlds[i]);
        loops[i] = worlds[i].loop;
    }
    clients_max = 1000;
    keepalive_seconds = 300;
    refusal = NULL;
    strcpy(directory, "/tmp/listener_test.XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int all_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < LOOPS; i++)
        world_end(&worlds[i]);
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

/* A port that is free now, below those that the system gives to connections and those that stories choose from. */
#define PORTS_FIRST 5000
#define PORTS 5000

static int port_find(void)
{
    static unsigned tried;
    for (int i = 0; i < PORTS; i++) {
        int port = PORTS_FIRST + (int)(((unsigned)getpid() * 37 + tried++) % PORTS), on = 1;
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        int fd = socket(AF_INET6, SOCK_STREAM, 0), fd4 = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        bool is_free = bind(fd4, (struct sockaddr *)&address4, sizeof(address4)) == 0 &&
                       (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
        close(fd);
        close(fd4);
        if (is_free)
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

static struct listener_options options_make(const char *const *addresses, int port)
{
    return (struct listener_options){
        .addresses = addresses,
        .port = port,
        .unix_path = "",
        .unix_permission = 0700,
        .backlog = 128,
        .loops = loops,
        .loop_count = LOOPS,
        .clients_max = &clients_max,
        .keepalive_seconds = &keepalive_seconds,
        .refuse = refuse,
    };
}

static struct listener *listener_make(const struct listener_options *options)
{
    struct listener *listener = NULL;
    char error[256] = "";
    if (listener_start(&listener, options, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
    return listener;
}

static void expect_refusal(const struct listener_options *options, enum status status, const char *part)
{
    struct listener *listener = NULL;
    char error[256] = "";
    assert_int_equal(listener_start(&listener, options, error, sizeof(error)), status);
    assert_null(listener);
    if (!strstr(error, part))
        fail_msg("'%s' is not in '%s'", part, error);
}

static int tcp_client(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    client_setup(fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int tcp6_client(int port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons((uint16_t)port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    client_setup(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int unix_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    client_setup(fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void client_is_served(int fd)
{
    client_say(fd, "hello\n");
    client_hears(fd, "hello\n");
}

static const char *const LOOPBACK[] = {"127.0.0.1", NULL};

static void connections_are_spread_evenly(void **state)
{
    (void)state;
    int port = port_find(), clients[30];
    struct listener_options options = options_make(LOOPBACK, port);
    struct listener *listener = listener_make(&options);
    for (int i = 0; i < 30; i++)
        clients[i] = tcp_client(port);
    for (int i = 0; i < 30; i++)
        client_is_served(clients[i]);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(loop_connection_count(loops[i]), 10);
    for (int i = 0; i < 30; i++)
        close(clients[i]);
    listener_stop(&listener);
    assert_null(listener);
}

static char peer_name[128], local_name[128];
static void name_last(struct world *at)
{
    assert_true(at->last->local);
    connection_peer(at->last, peer_name, sizeof(peer_name));
    connection_local(at->last, local_name, sizeof(local_name));
}

static void both_sides_have_names(void **state)
{
    (void)state;
    int port = port_find();
    char expected[128];
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    struct listener_options options = options_make((const char *const[]){"127.0.0.1", "-::1", NULL}, port);
    options.unix_path = path;
    options.loop_count = 1;
    struct listener *listener = listener_make(&options);

    int client = tcp_client(port);
    client_is_served(client);
    world_run(&worlds[0], name_last);
    assert_int_equal(getsockname(client, (struct sockaddr *)&address, &length), 0);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&address)->sin_port));
    assert_string_equal(peer_name, expected);
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", port);
    assert_string_equal(local_name, expected);
    close(client);

    client = tcp6_client(port);
    if (client >= 0) {
        client_is_served(client);
        world_run(&worlds[0], name_last);
        snprintf(expected, sizeof(expected), "[::1]:%d", port);
        assert_string_equal(local_name, expected);
        assert_memory_equal(peer_name, "[::1]:", 6);
        close(client);
    }

    client = unix_client();
    client_is_served(client);
    world_run(&worlds[0], name_last);
    snprintf(expected, sizeof(expected), "%s:0", path);
    assert_string_equal(peer_name, expected);
    assert_string_equal(local_name, expected);
    assert_true(worlds[0].seen.last.unix_socket);
    close(client);
    listener_stop(&listener);
}

static void beyond_clients_max_one_is_told_and_closed(void **state)
{
    (void)state;
    int port = port_find();
    struct listener_options options = options_make(LOOPBACK, port);
    clients_max = 1;
    struct listener *listener = listener_make(&options);
    int first = tcp_client(port);
    client_is_served(first);
    int second = tcp_client(port);
    client_hears(second, "-ERR max number of clients reached\r\n");
    client_is_hung_up(second);
    client_is_served(first);
    close(first);
    close(second);
    listener_stop(&listener);
}

static void who_is_refused_hears_why(void **state)
{
    (void)state;
    int port = port_find();
    struct listener_options options = options_make(LOOPBACK, port);
    refusal = "DENIED not today";
    struct listener *listener = listener_make(&options);
    int client = tcp_client(port);
    client_hears(client, "-DENIED not today\r\n");
    client_is_hung_up(client);
    close(client);
    listener_stop(&listener);
}

static void no_address_is_everywhere_and_a_star_too(void **state)
{
    (void)state;
    const char *const stars[] = {"*", "-::*", NULL};
    const char *const *addresses[] = {NULL, stars};
    for (int i = 0; i < 2; i++) {
        int port = port_find();
        struct listener_options options = options_make(addresses[i], port);
        struct listener *listener = listener_make(&options);
        int client = tcp_client(port);
        client_is_served(client);
        close(client);
        client = tcp6_client(port);
        if (client >= 0) {
            client_is_served(client);
            close(client);
        }
        listener_stop(&listener);
    }
}

static void an_address_that_is_not_here_is_an_error_unless_optional(void **state)
{
    (void)state;
    int port = port_find();
    struct listener_options options = options_make((const char *const[]){"192.0.2.1", NULL}, port);
    expect_refusal(&options, status_from_errno(EADDRNOTAVAIL), "192.0.2.1");
    options = options_make((const char *const[]){"-192.0.2.1", NULL}, port);
    expect_refusal(&options, STATUS_NOT_FOUND, "none of the addresses");
    options = options_make((const char *const[]){"256.1.2.3.4", NULL}, port);
    expect_refusal(&options, STATUS_INVALID, "not an address");
    options = options_make((const char *const[]){"-192.0.2.1", "127.0.0.1", NULL}, port);
    struct listener *listener = listener_make(&options);
    expect_refusal(&options, status_from_errno(EADDRINUSE), "another server is listening");
    listener_stop(&listener);
}

static void a_unix_socket_has_its_permission_and_goes_with_the_listener(void **state)
{
    (void)state;
    struct stat file;
    mode_t umask_before = umask(0077);
    struct listener_options options = options_make(NULL, 0);
    options.unix_path = path;
    options.unix_permission = 0760;
    struct listener *listener = listener_make(&options);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0760);
    int client = unix_client();
    client_is_served(client);
    close(client);
    expect_refusal(&options, status_from_errno(EADDRINUSE), path);
    listener_stop(&listener);
    assert_int_equal(stat(path, &file), -1);
    umask(umask_before);
}

static void a_deserted_unix_socket_is_replaced_but_not_a_file(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int deserted = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(deserted, (struct sockaddr *)&address, sizeof(address)), 0);
    close(deserted);
    struct listener_options options = options_make(NULL, 0);
    options.unix_path = path;
    struct listener *listener = listener_make(&options);
    int client = unix_client();
    client_is_served(client);
    close(client);

    /* somebody puts a file of his own in its place */
    unlink(path);
    fclose(fopen(path, "w"));
    listener_stop(&listener);
    assert_int_equal(access(path, F_OK), 0);
    expect_refusal(&options, status_from_errno(EEXIST), path);
}

static void without_descriptors_peers_are_hung_up_on_and_later_served(void **state)
{
    (void)state;
    enum { FEW = 200 };
    int port = port_find(), filler[FEW], filled = 0;
    struct rlimit before, few;
    struct listener_options options = options_make(LOOPBACK, port);
    struct listener *listener = listener_make(&options);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    client_setup(client);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = FEW, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while ((filler[filled] = dup(client)) >= 0)
        filled++;

    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    client_is_hung_up(client);

    while (filled > 0)
        close(filler[--filled]);
    close(client);
    client = tcp_client(port);
    client_is_served(client);
    close(client);
    listener_stop(&listener);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, all_setup, all_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(connections_are_spread_evenly),
        STORY(both_sides_have_names),
        STORY(beyond_clients_max_one_is_told_and_closed),
        STORY(who_is_refused_hears_why),
        STORY(no_address_is_everywhere_and_a_star_too),
        STORY(an_address_that_is_not_here_is_an_error_unless_optional),
        STORY(a_unix_socket_has_its_permission_and_goes_with_the_listener),
        STORY(a_deserted_unix_socket_is_replaced_but_not_a_file),
        STORY(without_descriptors_peers_are_hung_up_on_and_later_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
