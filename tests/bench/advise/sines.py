"""Integrates a sine with NumPy, in small blocks: each is a moment off the lock."""

import numpy

POINTS = 100_000


def integrate(blocks):
    width = numpy.pi / blocks
    step = width / POINTS
    offsets = (numpy.arange(POINTS) + 0.5) * step
    values = numpy.empty(POINTS)
    total = 0.0
    for block in range(blocks):
        numpy.add(offsets, block * width, out=values)
        numpy.sin(values, out=values)
        total += float(values.sum()) * step
    return total
