"""Counts primes by trial division: bytecode and nothing else."""


def count(limit):
    found = 1
    for candidate in range(3, limit + 1, 2):
        divisor = 3
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 2
        else:
            found += 1
    return found
