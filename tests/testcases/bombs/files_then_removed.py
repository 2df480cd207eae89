# Makes files until no more can be made, and removes them all.
#
# ends: SUCCEEDED
import errno
import itertools
import shutil
import tempfile

folder = tempfile.mkdtemp()
try:
    for number in itertools.count():
        open(f"{folder}/{number}", "wb").close()
except OSError as error:
    assert error.errno == errno.ENOSPC, error
shutil.rmtree(folder)
