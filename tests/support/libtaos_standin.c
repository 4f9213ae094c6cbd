/* A scripted libtaos: the calls that taospy makes, playing what a statement's text or the host's name says.
 *
 *   host  fail-0x0357        the connection fails with that number
 *   user  (any)              a password other than "taosdata" fails with 0x0357
 *   SQL   ... PLAY rows N             N affected rows
 *         ... PLAY error 0xNNNN       refused with 0x8000NNNN, as the real library counts
 *         ... PLAY block MS [0xNNNN]  the call blocks, then succeeds or fails with that number
 *         ... PLAY peak               as affected rows: most calls that were ever inside at once
 *         ... PLAY connections        as affected rows: connections made so far
 *         ... PLAY violations         as affected rows: handles that were closed under a call
 *         CREATE DATABASE late        from now on the database "late" exists
 *         SELECT / DESCRIBE           one row: name VARCHAR 'db', n INT 42
 * After a 0x061D every later refusal with 0x060B answers 0x061D, as a real server does.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILED 0x80000000u

typedef struct {
    char name[65];
    uint8_t type;
    uint32_t bytes;
} Field;

typedef struct {
    int32_t code;
    char message[160];
    int affected;
    int columns;
    int fetched;
    char text[8];
    int32_t number;
    int32_t offset;
    void *block[2];
} Answer;

typedef struct {
    char database[65];
    atomic_int busy;
} Connection;

static Field fields[2] = {{"name", 8, 64}, {"n", 4, 4}};
static atomic_int inside, peak, connections, late_exists, stale, violations;
static _Thread_local Answer last;

static int missing(const char *database) {
    return database && (!strcmp(database, "missing") || (!strcmp(database, "late") && !late_exists));
}

static int32_t refuse(Answer *answer, uint32_t number, const char *message) {
    answer->code = (int32_t)(FAILED | number);
    snprintf(answer->message, sizeof answer->message, "%s", message);
    return answer->code;
}

const char *taos_get_client_info(void) { return "3.3.0.1"; }
const char *taos_get_server_info(void *connection) { (void)connection; return "3.3.0.1"; }
int taos_options(int option, const void *value, ...) { (void)option; (void)value; return 0; }

void *taos_connect(const char *host, const char *user, const char *password, const char *database, uint16_t port) {
    (void)user;
    (void)port;
    memset(&last, 0, sizeof last);
    if (host && !strncmp(host, "fail-", 5)) {
        refuse(&last, (uint32_t)strtoul(host + 5, NULL, 16), "Scripted connection failure");
        return NULL;
    }
    if (strcmp(password, "taosdata")) {
        refuse(&last, 0x0357, "Authentication failure");
        return NULL;
    }
    if (missing(database)) {
        refuse(&last, 0x0388, "Database not exist");
        return NULL;
    }
    connections++;
    Connection *made = calloc(1, sizeof *made);
    if (database) snprintf(made->database, sizeof made->database, "%s", database);
    return made;
}

void taos_close(void *connection) {
    if (connection && ((Connection *)connection)->busy) violations++;
    else free(connection);
}

int taos_select_db(void *connection, const char *database) {
    if (missing(database)) return (int)(FAILED | 0x0388);
    snprintf(((Connection *)connection)->database, 65, "%s", database);
    return 0;
}

static void play(Answer *answer, const char *script) {
    unsigned number = 0;
    int amount = 0;
    if (sscanf(script, "rows %d", &amount) == 1) {
        answer->affected = amount;
    } else if (sscanf(script, "error %x", &number) == 1) {
        if (number == 0x061D) stale = 1;
        if (number == 0x060B && stale) number = 0x061D;
        refuse(answer, number, "Scripted refusal");
    } else if (sscanf(script, "block %d %x", &amount, &number) >= 1) {
        usleep((useconds_t)amount * 1000);
        if (number) refuse(answer, number, "Vgroup could not be connected");
    } else if (!strncmp(script, "peak", 4)) {
        answer->affected = peak;
    } else if (!strncmp(script, "connections", 11)) {
        answer->affected = connections;
    } else if (!strncmp(script, "violations", 10)) {
        answer->affected = violations;
    }
}

void *taos_query(void *connection, const char *sql) {
    Answer *answer = calloc(1, sizeof *answer);
    if (connection) ((Connection *)connection)->busy++;
    int now = ++inside;
    int most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {}
    const char *script = strstr(sql, "PLAY ");
    if (!connection) {
        refuse(answer, 0x020B, "Invalid connection");
    } else if (script) {
        play(answer, script + 5);
    } else if (!strncmp(sql, "CREATE DATABASE late", 20)) {
        late_exists = 1;
    } else if (!strncmp(sql, "UNQUALIFIED", 11)) {
        if (!((Connection *)connection)->database[0]) refuse(answer, 0x0200, "db is not specified");
    } else if (!strncmp(sql, "SELECT", 6) || !strncmp(sql, "DESCRIBE", 8)) {
        answer->columns = 2;
    }
    inside--;
    if (connection) ((Connection *)connection)->busy--;
    return answer;
}

int taos_errno(void *result) { return result ? ((Answer *)result)->code : last.code; }
const char *taos_errstr(void *result) { return result ? ((Answer *)result)->message : last.message; }
int taos_affected_rows(void *result) { return ((Answer *)result)->affected; }
int taos_field_count(void *result) { return ((Answer *)result)->columns; }
void *taos_fetch_fields(void *result) { (void)result; return fields; }
int taos_result_precision(void *result) { (void)result; return 0; }
void taos_free_result(void *result) { free(result); }

int taos_fetch_block(void *result, void **rows) {
    Answer *answer = result;
    if (!answer->columns || answer->fetched) return 0;
    answer->fetched = 1;
    memcpy(answer->text, "\2\0db", 4);
    answer->number = 42;
    answer->block[0] = answer->text;
    answer->block[1] = &answer->number;
    *rows = answer->block;
    return 1;
}

int *taos_get_column_data_offset(void *result, int column) {
    (void)column;
    return &((Answer *)result)->offset;
}

int taos_is_null_by_column(void *result, int column, _Bool nulls[], int *rows) {
    (void)result;
    (void)column;
    memset(nulls, 0, (size_t)*rows);
    return 0;
}
