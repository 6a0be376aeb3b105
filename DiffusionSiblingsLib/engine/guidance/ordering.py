"""Sorting all voxels of a field, compiled by numba: a third of the time that numpy takes for it. Imported only where
numba is installed."""

from __future__ import annotations

import numpy as np
from numba import njit

_DIGIT = 11  # bits sorted by at a time: 2048 counters stay in the processor's nearest cache


@njit(cache=True, nogil=True)
def descending(bits):  # type: ignore[no-untyped-def]
    """The order of numbers from the highest to the lowest; equal ones stay as they are (a radix sort).

    bits: (n,) uint64, float64 numbers seen as bits (no NaN). Returns (n,) int64 as np.argsort(-values, kind="stable").
    """
    n = len(bits)
    keys, order = np.empty(n, np.uint64), np.empty(n, np.int32)
    for i in range(n):
        # Positive numbers sort like their bits, negative ones backwards; complemented, as the highest comes first.
        negative = np.uint64(bits[i] >> np.uint64(63))
        keys[i] = bits[i] if negative else ~bits[i] & np.uint64(0x7FFFFFFFFFFFFFFF)
        order[i] = i
    other_keys, other_order = np.empty(n, np.uint64), np.empty(n, np.int32)
    counts = np.empty(1 << _DIGIT, np.int64)
    mask = np.uint64((1 << _DIGIT) - 1)
    for shift in range(0, 64, _DIGIT):
        counts[:] = 0
        for i in range(n):
            counts[(keys[i] >> np.uint64(shift)) & mask] += 1
        if counts.max() == n:
            continue  # one value of this digit: float32 numbers leave the low digits empty
        total = 0
        for digit in range(len(counts)):
            counts[digit], total = total, total + counts[digit]
        for i in range(n):
            digit = (keys[i] >> np.uint64(shift)) & mask
            at = counts[digit]
            counts[digit] += 1
            other_keys[at], other_order[at] = keys[i], order[i]
        keys, other_keys = other_keys, keys
        order, other_order = other_order, order
    return order.astype(np.int64)
