# SPDX-License-Identifier: GPL-2.0-only
"""The host side of tests/run: headers > schedule > boot > judge > report."""
