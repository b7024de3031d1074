/* SPDX-License-Identifier: BSD-3-Clause */
/* A generator of load on numbered keys whose values can be checked, for sizes that an interpreter is too slow for.
 *
 *   key_load PORT fill FIRST COUNT                  SET of keys FIRST .. FIRST + COUNT - 1, pipelined
 *   key_load PORT verify FIRST COUNT                GET of the same, pipelined, in shuffled order; every value is checked
 *   key_load PORT read DRAW KEYS REQUESTS CLIENTS   GET, one at a time on each connection; DRAW is 'uniform' or 'zipf'
 *   key_load PORT open SECONDS HOT_RATE HOT_KEYS COLD_RATE KEYS
 *                                                   GET at fixed rates of the first HOT_KEYS and, on other connections,
 *                                                   of all; latency counts from when a request was due
 *
 * Prints 'name value' lines; a wrong reply ends it with 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VALUE_BYTES 100
#define REPLY_BYTES (6 + VALUE_BYTES + 2) /* $100 CRLF value CRLF */
#define BATCH 500
#define WINDOW 4096 /* requests on their way on one connection */
#define CONNECTIONS_MAX 256
#define HOT_CONNECTIONS 50
#define COLD_CONNECTIONS 16

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

static uint64_t random_state = 88172645463325252u;

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t random_next(void)
{
    return mix(random_state += 0x9e3779b97f4a7c15u);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what, uint64_t key)
{
    fprintf(stderr, "%s, key %llu: %s\n", what, (unsigned long long)key, strerror(errno));
    exit(1);
}

/* ---- keys, values, requests ---- */

static void value_write(uint64_t key, char *value)
{
    uint64_t word = 0;
    for (int i = 0; i < VALUE_BYTES; i++) {
        if (i % 10 == 0)
            word = mix(key * 16 + (uint64_t)i);
        value[i] = alphabet[word & 63];
        word >>= 6;
    }
}

static size_t get_write(uint64_t key, char *to)
{
    return (size_t)sprintf(to, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012llu\r\n", (unsigned long long)key);
}

static size_t set_write(uint64_t key, char *to)
{
    size_t length = (size_t)sprintf(to, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012llu\r\n$100\r\n", (unsigned long long)key);
    value_write(key, to + length);
    memcpy(to + length + VALUE_BYTES, "\r\n", 2);
    return length + VALUE_BYTES + 2;
}

static void reply_check(const char *reply, uint64_t key)
{
    char wanted[REPLY_BYTES + 1] = "$100\r\n";
    value_write(key, wanted + 6);
    memcpy(wanted + 6 + VALUE_BYTES, "\r\n", 2);
    if (memcmp(reply, wanted, REPLY_BYTES) != 0) {
        fprintf(stderr, "wrong reply for key %llu: %.60s\n", (unsigned long long)key, reply);
        exit(1);
    }
}

/* ---- sockets ---- */

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int file = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(file, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("connect", 0);
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return file;
}

static void write_all(int file, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(file, data, length, 0);
        if (sent <= 0)
            fail("send", 0);
        data += sent;
        length -= (size_t)sent;
    }
}

static void read_all(int file, char *data, size_t length, uint64_t key)
{
    while (length > 0) {
        ssize_t got = recv(file, data, length, 0);
        if (got <= 0)
            fail("the server closed or answered too little", key);
        /* An error is shorter than a value: without this it would be waited for. */
        if (*data == '-')
            fail(data, key);
        data += got;
        length -= (size_t)got;
    }
}

/* ---- fill and verify ---- */

static void fill(int port, uint64_t first, uint64_t count)
{
    static char requests[BATCH * 200], replies[BATCH * 5];
    int file = dial(port);
    double began = now_s();
    for (uint64_t at = 0; at < count; at += BATCH) {
        uint64_t batch = count - at < BATCH ? count - at : BATCH;
        size_t length = 0;
        for (uint64_t i = 0; i < batch; i++)
            length += set_write(first + at + i, requests + length);
        write_all(file, requests, length);
        read_all(file, replies, batch * 5, first + at);
        for (uint64_t i = 0; i < batch; i++)
            if (memcmp(replies + i * 5, "+OK\r\n", 5) != 0)
                fail("SET was refused", first + at + i);
    }
    printf("keys_per_s %.0f\n", (double)count / (now_s() - began));
}

static void verify(int port, uint64_t first, uint64_t count)
{
    static char requests[BATCH * 50], replies[BATCH * REPLY_BYTES];
    uint64_t keys[BATCH];
    int file = dial(port);
    double began = now_s();
    /* A step that is coprime to any count in use visits every key once, in no order of the server's. */
    uint64_t step = 2654435761u % count, position = 0;
    for (uint64_t a = step, b = count; b > 0;) {
        uint64_t rest = a % b;
        a = b, b = rest;
        if (b == 0 && a != 1)
            a = ++step, b = count;
    }
    for (uint64_t at = 0; at < count; at += BATCH) {
        uint64_t batch = count - at < BATCH ? count - at : BATCH;
        size_t length = 0;
        for (uint64_t i = 0; i < batch; i++, position = (position + step) % count)
            length += get_write(keys[i] = first + position, requests + length);
        write_all(file, requests, length);
        read_all(file, replies, batch * REPLY_BYTES, first + at);
        for (uint64_t i = 0; i < batch; i++)
            reply_check(replies + i * REPLY_BYTES, keys[i]);
    }
    printf("verified %llu\nkeys_per_s %.0f\n", (unsigned long long)count, (double)count / (now_s() - began));
}

/* ---- many connections ---- */

struct latencies {
    double *seconds;
    size_t count, capacity;
};

struct flow {
    bool zipf;
    uint64_t keys;
    double zipf_total;
    double rate; /* 0: the next request follows a reply */
    double due;
    unsigned first, connections, next;
    uint64_t left;
    struct latencies latencies;
};

struct connection {
    int file;
    struct flow *flow;
    struct wanted {
        uint64_t key;
        double since;
    } wanted[WINDOW];
    unsigned head, count;
    char input[REPLY_BYTES * 64];
    size_t length;
};

static struct connection connections[CONNECTIONS_MAX];

static uint64_t draw(const struct flow *flow)
{
    if (!flow->zipf)
        return random_next() % flow->keys;
    double unit = (double)(random_next() >> 11) / 9007199254740992.0;
    double rank = pow(unit * flow->zipf_total * 0.01 + 1, 100);
    return (uint64_t)rank * 2654435761u % flow->keys;
}

static void flow_init(struct flow *flow, uint64_t keys, double rate, unsigned first, unsigned count)
{
    flow->keys = keys;
    flow->zipf_total = (pow((double)keys, 0.01) - 1) / 0.01;
    flow->rate = rate;
    flow->first = first;
    flow->connections = count;
}

static void ask(struct connection *connection, double since)
{
    char request[64];
    struct flow *flow = connection->flow;
    if (connection->count == WINDOW)
        fail("the server is too slow for the rate", 0);
    uint64_t key = draw(flow);
    connection->wanted[(connection->head + connection->count++) % WINDOW] = (struct wanted){key, since};
    write_all(connection->file, request, get_write(key, request));
    flow->left--;
}

static void latency_note(struct latencies *latencies, double seconds)
{
    if (latencies->count == latencies->capacity) {
        latencies->capacity = latencies->capacity ? latencies->capacity * 2 : 1 << 16;
        latencies->seconds = realloc(latencies->seconds, latencies->capacity * sizeof(double));
    }
    latencies->seconds[latencies->count++] = seconds;
}

static void answered(struct connection *connection)
{
    ssize_t got = recv(connection->file, connection->input + connection->length,
                       sizeof(connection->input) - connection->length, MSG_DONTWAIT);
    if (got <= 0)
        fail("recv", 0);
    double now = now_s();
    size_t at = 0;
    connection->length += (size_t)got;
    for (; connection->length - at >= REPLY_BYTES; at += REPLY_BYTES) {
        struct wanted wanted = connection->wanted[connection->head++ % WINDOW];
        connection->head %= WINDOW;
        connection->count--;
        reply_check(connection->input + at, wanted.key);
        latency_note(&connection->flow->latencies, now - wanted.since);
        if (connection->flow->rate == 0 && connection->flow->left > 0)
            ask(connection, now_s());
    }
    if (connection->length > at && connection->input[at] == '-')
        fail(connection->input + at, 0);
    connection->length -= at;
    memmove(connection->input, connection->input + at, connection->length);
}

static void flow_ask_due(struct flow *flow, double now)
{
    for (; flow->rate > 0 && flow->left > 0 && flow->due <= now; flow->due += 1 / flow->rate)
        ask(&connections[flow->first + flow->next++ % flow->connections], flow->due);
}

static bool flows_go_on(struct flow *flows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (flows[i].left > 0)
            return true;
        for (unsigned c = 0; c < flows[i].connections; c++)
            if (connections[flows[i].first + c].count > 0)
                return true;
    }
    return false;
}

static void flows_run(int port, struct flow *flows, unsigned count)
{
    int epoll = epoll_create1(0);
    bool is_open = false;
    for (unsigned i = 0; i < count; i++) {
        is_open = is_open || flows[i].rate > 0;
        for (unsigned c = flows[i].first; c < flows[i].first + flows[i].connections; c++) {
            struct epoll_event event = {.events = EPOLLIN, .data.u32 = c};
            connections[c].file = dial(port);
            connections[c].flow = &flows[i];
            epoll_ctl(epoll, EPOLL_CTL_ADD, connections[c].file, &event);
        }
    }
    double now = now_s();
    for (unsigned i = 0; i < count; i++) {
        flows[i].due = now;
        for (unsigned c = 0; flows[i].rate == 0 && c < flows[i].connections && flows[i].left > 0; c++)
            ask(&connections[flows[i].first + c], now);
    }
    while (flows_go_on(flows, count)) {
        struct epoll_event events[64];
        struct timespec pause = {.tv_nsec = is_open ? 50000 : 100000000};
        int ready = epoll_pwait2(epoll, events, 64, &pause, NULL);
        for (int i = 0; i < ready; i++)
            answered(&connections[events[i].data.u32]);
        for (unsigned i = 0; i < count; i++)
            flow_ask_due(&flows[i], now_s());
    }
    close(epoll);
}

static int seconds_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void latencies_print(const char *name, struct latencies *latencies)
{
    static const struct {
        const char *name;
        double part;
    } parts[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    if (latencies->count == 0)
        return;
    qsort(latencies->seconds, latencies->count, sizeof(double), seconds_compare);
    for (int i = 0; i < 3; i++)
        printf("%s%s_ms %.3f\n", name, parts[i].name,
               latencies->seconds[(size_t)((double)latencies->count * parts[i].part)] * 1000);
}

static void read_closed(int port, char **arguments)
{
    struct flow flow = {.zipf = strcmp(arguments[0], "zipf") == 0, .left = strtoull(arguments[2], NULL, 10)};
    flow_init(&flow, strtoull(arguments[1], NULL, 10), 0, 0, (unsigned)atoi(arguments[3]));
    double began = now_s();
    flows_run(port, &flow, 1);
    printf("requests_per_s %.0f\n", (double)flow.latencies.count / (now_s() - began));
    latencies_print("", &flow.latencies);
}

static void read_open(int port, char **arguments)
{
    double seconds = atof(arguments[0]), hot_rate = atof(arguments[1]), cold_rate = atof(arguments[3]);
    struct flow flows[2] = {{.left = (uint64_t)(seconds * hot_rate)}, {.left = (uint64_t)(seconds * cold_rate)}};
    flow_init(&flows[0], strtoull(arguments[2], NULL, 10), hot_rate, 0, HOT_CONNECTIONS);
    flow_init(&flows[1], strtoull(arguments[4], NULL, 10), cold_rate, HOT_CONNECTIONS, COLD_CONNECTIONS);
    double began = now_s();
    flows_run(port, flows, cold_rate > 0 ? 2 : 1);
    printf("hot_requests_per_s %.0f\n", (double)flows[0].latencies.count / (now_s() - began));
    latencies_print("hot_", &flows[0].latencies);
    latencies_print("cold_", &flows[1].latencies);
}

int main(int argc, char **argv)
{
    int port = argc > 2 ? atoi(argv[1]) : 0;
    const char *what = argc > 2 ? argv[2] : "";
    random_state ^= (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
    if (strcmp(what, "fill") == 0 && argc == 5)
        fill(port, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    else if (strcmp(what, "verify") == 0 && argc == 5)
        verify(port, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    else if (strcmp(what, "read") == 0 && argc == 7)
        read_closed(port, argv + 3);
    else if (strcmp(what, "open") == 0 && argc == 8)
        read_open(port, argv + 3);
    else
        fprintf(stderr, "see the head of key_load.c\n");
    return 0;
}
