# SPDX-License-Identifier: GPL-2.0-only
# The tests write boards and run abusectl.  Included by the top Makefile.
$(patsubst tests/tools/%.c,$(B)/guest/tests/tools/%,$(wildcard tests/tools/*.c)): \
		$(wildcard tests/tools/lib/*.[ch]) swapserver/board.h swapserver/protect.h
