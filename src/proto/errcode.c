#include "proto/errcode.h"

enum errcode_verdict errcode_session(enum errcode_context context, int code)
{
    /* Zero and below come from the metadata adapter (on create) or from whoever destroyed the session (END): meant, both. */
    if (code <= 0)
        return ERRCODE_REFUSED;
    switch (code) {
    case 4:  /* the recovery asked for is no longer possible */
    case 20: /* session not found */
    case 41: return ERRCODE_ANEW;
    case 48: /* the maximum length of a session is reached */ return ERRCODE_ANEW_NOW;
    case 32:
    case 33:
    case 34: return ERRCODE_ANEW;
    case 3:
    case 21: /* the request reached another node of the cluster */ return ERRCODE_AFFINITY;
    case 31: /* destroyed on request */
    case 35: /* another session of this user took over */
    case 40: /* somebody else rebound this session */
    case 1:
    case 2:
    case 11:
    case 64:
    case 65:
    case 66:
    case 67:
    case 70:
    case 71: return ERRCODE_REFUSED;
    default: /* 5 6 10, capacity (7 8 9 68), and whatever is not known */
        return context == ERRCODE_END ? ERRCODE_ANEW : ERRCODE_RETRY;
    }
}

bool errcode_is_version(int code)
{
    return code == 60 || code == 65 || code == 71;
}

enum errcode_add errcode_request(int code)
{
    switch (code) {
    case 20: return ERRCODE_ADD_SESSION_LOST;
    case 11: return ERRCODE_ADD_WRONG_NODE;
    case 66:
    case 68: return ERRCODE_ADD_AGAIN;
    default: return ERRCODE_ADD_FAILED;
    }
}

enum errcode_verdict errcode_http(int status)
{
    if (status == 408 || status == 429 || status >= 500 || status < 300)
        return ERRCODE_RETRY;
    return ERRCODE_REFUSED;
}
