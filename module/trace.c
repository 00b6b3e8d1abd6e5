// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - the bodies of the tracepoints in trace.h
 *
 * Beside the path; every stage of it calls one.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"
