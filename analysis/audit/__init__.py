# SPDX-License-Identifier: GPL-2.0-only
"""The allocation audit: what chosen tasks asked the kernel's memory management for while they served.

Where it stands: guest/allocaudit > record > [guarantees > table] > analysis/alloc-audit, README.
"""
