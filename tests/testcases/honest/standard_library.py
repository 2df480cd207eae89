"""The standard library's own tests, run by a task (Debian: libpython3.11-testsuite)."""

import io
import unittest


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def run(module, left_out):
    """Runs a module's tests but for those whose ids begin so, as many as there are of each.

    Returns how many ran, which did not pass with the last line of why, and which of `left_out` there are not.
    """
    from test import support

    support.use_resources = []  # no network beyond loopback, nothing that takes minutes
    tests = list(flat(unittest.defaultTestLoader.loadTestsFromName(module)))
    begins = [f"{module}.{name}" for name in left_out]
    suite = unittest.TestSuite(t for t in tests if not any(t.id().startswith(b) for b in begins))
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    failed = [f"{test.id()}: {why.strip().splitlines()[-1]}" for test, why in result.failures + result.errors]
    failed += [f"{test.id()}: passed, and should not" for test in result.unexpectedSuccesses]
    missing = [b for b in begins if not any(t.id().startswith(b) for t in tests)]
    return {"run": result.testsRun - len(result.skipped), "failed": failed, "missing": missing}
