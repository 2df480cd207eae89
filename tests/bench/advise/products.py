"""Multiplies matrices with NumPy, which lets go of the lock for as long as a product takes."""

import numpy

SIZE = 400


def multiply(times):
    left = numpy.arange(SIZE * SIZE, dtype=float).reshape(SIZE, SIZE) / SIZE**2
    product = numpy.empty((SIZE, SIZE))
    for _ in range(times):
        numpy.dot(left, left, out=product)
    return float(product.trace())
