"""The standard library's own tests, run by a task (Debian: libpython3.11-testsuite)."""

import io
import unittest


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def run(module, left_out, only):
    """Runs a module's tests, or only those whose ids begin so, but for those left out, as many as there are of each.

    Returns how many ran, which did not pass with the last line of why, and which of those named there are not.
    """
    from test import support

    support.use_resources = []  # no network beyond loopback, nothing that takes minutes
    tests = list(flat(unittest.defaultTestLoader.loadTestsFromName(module)))

    def begins(test, names):
        return any(test.id().startswith(f"{module}.{name}") for name in names)

    suite = unittest.TestSuite(t for t in tests if begins(t, only or [""]) and not begins(t, left_out))
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    failed = [f"{test.id()}: {why.strip().splitlines()[-1]}" for test, why in result.failures + result.errors]
    failed += [f"{test.id()}: passed, and should not" for test in result.unexpectedSuccesses]
    missing = [name for name in left_out + only if not any(begins(t, [name]) for t in tests)]
    return {"run": result.testsRun - len(result.skipped), "failed": failed, "missing": missing}
