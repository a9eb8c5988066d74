/* The session's matrix: what every message means in every phase. session_lines.c compiles it into a table; tests/states
 * walks through all of it. A phase without its row does not compile.
 *
 *   take  the handler of that tag looks at it
 *   skip  nothing to do with it
 *   odd   not expected here, harmless: told once, counted
 *   break not possible in a sane session: the session is ended and made anew
 *
 * Phases:
 *   STOPPED, REFUSED  nothing is tried (until connect; until retry_refused_ms)
 *   WAITING           back-off before a new session
 *   ASKING            the credentials for it are being read
 *   OPENING           the stream is being opened, to create or to bind
 *   GREETING          WebSocket: wsok sent
 *   CREATING          create_session sent
 *   BOUND             the stream brings data
 *   LOOPED            LOOP came: unbound, waits for the time to bind again
 *   BINDING           bind_session sent
 *   RECOVERY_WAIT     the stream was lost: back-off before a recovery
 *   RECOVERING        bind_session with LS_recovery_from sent
 *   COUNTING          its CONOK came, its PROG not yet
 *   CATCHING_UP       what was missed comes, until LOOP
 *   CONTROL           not a phase: the responses to HTTP control requests */
#pragma once

/* clang-format off */
/*                    CONOK  CONERR END    REQOK  REQERR ERROR  PROBE LOOP   PROG   SUBxx  CONF   U      EOSCSOV UNSUB MSGxx  WSOK  info  other bad */
#define SESSION_MATRIX(X)                                                                                                                        \
    X(STOPPED,        skip,  skip,  skip,  skip,  skip,  skip,  skip, skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip, skip, skip)  \
    X(REFUSED,        skip,  skip,  skip,  skip,  skip,  skip,  skip, skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip, skip, skip)  \
    X(WAITING,        skip,  skip,  skip,  skip,  skip,  skip,  skip, skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip, skip, skip)  \
    X(ASKING,         skip,  skip,  skip,  skip,  skip,  skip,  skip, skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip, skip, skip)  \
    X(OPENING,        brk,   take,  take,  odd,   odd,   take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(GREETING,       brk,   take,  take,  take,  take,  take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   take, skip, odd,  brk)   \
    X(CREATING,       take,  take,  take,  odd,   odd,   take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(BOUND,          brk,   take,  take,  take,  take,  take,  skip, take,  take,  take,  take,  take,  take,  take,  take,  odd,  take, odd,  brk)   \
    X(LOOPED,         brk,   take,  take,  take,  take,  take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(BINDING,        take,  take,  take,  take,  take,  take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(RECOVERY_WAIT,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip,  skip, skip, skip, skip)  \
    X(RECOVERING,     take,  take,  take,  odd,   odd,   take,  skip, brk,   brk,   brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(COUNTING,       brk,   take,  take,  odd,   odd,   take,  skip, brk,   take,  brk,   brk,   brk,   brk,   brk,   brk,   odd,  skip, odd,  brk)   \
    X(CATCHING_UP,    brk,   take,  take,  take,  take,  take,  skip, take,  brk,   take,  take,  take,  take,  take,  take,  odd,  skip, odd,  brk)   \
    X(CONTROL,        odd,   odd,   odd,   take,  take,  take,  skip, odd,   odd,   odd,   odd,   odd,   odd,   odd,   odd,   odd,  skip, odd,  odd)
/* clang-format on */

enum session_phase {
#define X(phase, ...) SESSION_PHASE_##phase,
    SESSION_MATRIX(X)
#undef X
        SESSION_N_PHASES,
};
