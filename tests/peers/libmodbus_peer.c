/* A Modbus device, or a master, made with libmodbus, which knows nothing of Dynamo's code.
 *
 * usage: libmodbus_peer device rtu PATH BAUD UNIT
 *        libmodbus_peer device tcp PORT
 *        libmodbus_peer master tcp PORT UNIT POLLS TABLE:ADDRESS:COUNT ...
 *
 * A device prints `READY`, then a line for each write: `WROTE unit address value ...`. Lines on
 * standard input set registers: `unit address value ...` in both tables. Ends when standard input
 * does. A master reads all that is named so many times, back to back, and prints `CPU nanoseconds`. */

#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { REGISTERS = 0x10000, LINE = 1 << 20, READS = 64 };

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

/* `unit address value ...` */
static void set_registers(modbus_mapping_t *tables, char *line) {
    char *rest = line;
    (void)strtoul(rest, &rest, 10);
    unsigned long address = strtoul(rest, &rest, 10);
    for (char *end; ; rest = end, address++) {
        unsigned long value = strtoul(rest, &end, 10);
        if (end == rest || address >= REGISTERS) return;
        tables->tab_registers[address] = (uint16_t)value;
        tables->tab_input_registers[address] = (uint16_t)value;
    }
}

/* A write, once it has been carried out: what the device's own registers hold now. */
static void tell_write(modbus_t *context, const uint8_t *request, modbus_mapping_t *tables) {
    int header = modbus_get_header_length(context);
    int function = request[header];
    if (function != 6 && function != 16) return;
    int address = request[header + 1] << 8 | request[header + 2];
    int count = function == 6 ? 1 : request[header + 3] << 8 | request[header + 4];
    printf("WROTE %d %d", request[header - 1], address);
    for (int offset = 0; offset < count; offset++) {
        /* Who reads back finds the value in both tables, as with one register space. */
        uint16_t value = tables->tab_registers[address + offset];
        tables->tab_input_registers[address + offset] = value;
        printf(" %u", value);
    }
    printf("\n");
    fflush(stdout);
}

static void serve(modbus_t *context, int listening, modbus_mapping_t *tables) {
    static char lines[LINE];
    size_t held = 0;
    int line = listening < 0 ? modbus_get_socket(context) : -1;
    for (;;) {
        fd_set wanted;
        FD_ZERO(&wanted);
        FD_SET(STDIN_FILENO, &wanted);
        int waiting = line >= 0 ? line : listening;
        FD_SET(waiting, &wanted);
        if (select(waiting + 1, &wanted, NULL, NULL, NULL) < 0) die("select");
        if (FD_ISSET(STDIN_FILENO, &wanted)) {
            ssize_t count = read(STDIN_FILENO, lines + held, LINE - 1 - held);
            if (count <= 0) return;
            held += (size_t)count;
            lines[held] = 0;
            char *end, *start = lines;
            for (; (end = strchr(start, '\n')); start = end + 1) {
                *end = 0;
                set_registers(tables, start);
            }
            held -= (size_t)(start - lines);
            memmove(lines, start, held);
        }
        if (!FD_ISSET(waiting, &wanted)) continue;
        if (line < 0) {
            line = modbus_tcp_accept(context, &listening);
            if (line < 0) die("accept");
            continue;
        }
        uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
        int length = modbus_receive(context, request);
        if (length > 0) {
            if (modbus_reply(context, request, length, tables) > 0) tell_write(context, request, tables);
        } else if (length < 0 && listening >= 0) {
            modbus_close(context);
            line = -1;
        }
    }
}

static int device(int count, char **words) {
    modbus_mapping_t *tables = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    if (!tables) die("tables");
    modbus_t *context;
    int listening = -1;
    if (count == 4 && !strcmp(words[0], "rtu")) {
        context = modbus_new_rtu(words[1], atoi(words[2]), 'N', 8, 1);
        if (!context || modbus_set_slave(context, atoi(words[3])) || modbus_connect(context)) die(words[1]);
    } else if (count == 2 && !strcmp(words[0], "tcp")) {
        context = modbus_new_tcp("127.0.0.1", atoi(words[1]));
        listening = context ? modbus_tcp_listen(context, 4) : -1;
        if (listening < 0) die(words[1]);
    } else {
        fprintf(stderr, "usage: see the head of libmodbus_peer.c\n");
        return 2;
    }
    printf("READY\n");
    fflush(stdout);
    serve(context, listening, tables);
    modbus_close(context);
    modbus_free(context);
    modbus_mapping_free(tables);
    return 0;
}

static int master(int count, char **words) {
    struct { char table; int address, count; } reads[READS];
    int named = count - 4;
    if (named < 1 || named > READS || strcmp(words[0], "tcp")) {
        fprintf(stderr, "usage: see the head of libmodbus_peer.c\n");
        return 2;
    }
    for (int i = 0; i < named; i++) {
        if (sscanf(words[4 + i], "%c%*[a-z]:%d:%d", &reads[i].table, &reads[i].address, &reads[i].count) != 3) {
            fprintf(stderr, "%s: not TABLE:ADDRESS:COUNT\n", words[4 + i]);
            return 2;
        }
    }
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(words[1]));
    if (!context || modbus_set_slave(context, atoi(words[2])) || modbus_connect(context)) die("connect");
    long polls = atol(words[3]);
    uint16_t registers[MODBUS_MAX_READ_REGISTERS];
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (long poll = 0; poll < polls; poll++) {
        for (int i = 0; i < named; i++) {
            int read = reads[i].table == 'h'
                ? modbus_read_registers(context, reads[i].address, reads[i].count, registers)
                : modbus_read_input_registers(context, reads[i].address, reads[i].count, registers);
            if (read != reads[i].count) die("read");
        }
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    printf("CPU %lld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec));
    modbus_close(context);
    modbus_free(context);
    return 0;
}

int main(int count, char **words) {
    if (count > 2 && !strcmp(words[1], "device")) return device(count - 2, words + 2);
    if (count > 2 && !strcmp(words[1], "master")) return master(count - 2, words + 2);
    fprintf(stderr, "usage: see the head of libmodbus_peer.c\n");
    return 2;
}
