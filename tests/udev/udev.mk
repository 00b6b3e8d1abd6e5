# SPDX-License-Identifier: GPL-2.0-only
# The rule is embedded in the test.  Included by the top Makefile.
$(B)/guest/tests/udev/stable-names: module/udev/60-abuse.rules
