#include "proto/dialect.h"

const struct dialect dialect_tlcp = {
    .syntax = DELTA_TLCP,
    .sub_id = "LS_subId",
    .group = "LS_group",
    .message = "msg",
    .unlimited = "unlimited",
    .has_versions = true,
    .numbers_requests = true,
    .repeats_id = true,
    .tells_idle = true,
    .confirms = true,
    .recovers = true,
    .has_sync = true,
    .promises = true,
};

const struct dialect dialect_text = {
    .syntax = DELTA_TEXT,
    .text_lines = true,
    .create_op = "create",
    .sub_id = "LS_table",
    .group = "LS_id",
    .message = "send_message",
    .unlimited = "0",
    .asks_for_report = true,
    .silences_on_the_server = true,
    .answers_messages = true,
};
