// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_kinds.c - which operations a hostile server, a guest and a configurator
 * do, and how often
 *
 * Where it stands: bio > queue > ioctl > [hostile server].
 */
#include "fz_server.h"

static const struct fz_op hostile_ops[] = {
	{ "serve", 60, fz_op_serve },
	{ "give back", 10, fz_op_give_back },
	{ "get", 12, fz_op_get },
	{ "put", 12, fz_op_put },
	{ "poll", 6, fz_op_poll },
	{ "get status", 3, fz_op_get_status },
	{ "set status", 6, fz_op_set_status },
	{ "reconnect", 3, fz_op_reconnect },
	{ "reset", 4, fz_op_reset },
	{ "set poll", 3, fz_op_set_poll },
	{ "scope", 3, fz_op_scope },
	{ "counters", 3, fz_op_counters },
	{ "backing", 2, fz_op_backing },
	{ "store", 2, fz_op_store },
	{ "unknown", 2, fz_op_unknown },
	{ "file", 1, fz_op_file },
	{ "open", 3, fz_op_open },
	{ "close", 4, fz_op_close },
	{ "dup", 3, fz_op_dup },
	{ "memory", 4, fz_op_memory },
	{ "wait", 2, fz_op_wait },
	{ "fork", 1, fz_op_fork },
	{ "die", 1, fz_op_die },
	{ "close in wait", 1, fz_op_close_in_wait },
	{ "reset in copy", 2, fz_op_reset_in_copy },
	{ "own I/O", 1, fz_op_own_io },
	{ 0 }
};

const struct fz_kind fz_hostile = {
	.name = "hostile server",
	.ops = hostile_ops,
	.start = fz_server_start,
	.patience_ms = 3 * T_PATIENCE_MS,
};

/* The same, on the device whose data is verified: see fz_is_guest(). */
const struct fz_kind fz_guest = {
	.name = "guest",
	.ops = hostile_ops,
	.start = fz_server_start,
	.patience_ms = 3 * T_PATIENCE_MS,
};

static const struct fz_op configurator_ops[] = {
	{ "set status", 30, fz_op_set_status },
	{ "reset", 20, fz_op_reset },
	{ "backing", 20, fz_op_backing },
	{ "store", 20, fz_op_store },
	{ "reconnect", 10, fz_op_reconnect },
	{ "set poll", 4, fz_op_set_poll },
	{ "scope", 4, fz_op_scope },
	{ "serve", 10, fz_op_serve },
	{ "get", 4, fz_op_get },
	{ "poll", 2, fz_op_poll },
	{ "give back", 10, fz_op_give_back },
	{ "close", 4, fz_op_close },
	{ "wait", 4, fz_op_wait },
	{ "die", 1, fz_op_die },
	{ 0 }
};

const struct fz_kind fz_configurator = {
	.name = "configurator",
	.ops = configurator_ops,
	.start = fz_server_start,
	.patience_ms = 3 * T_PATIENCE_MS,
};
