# Leaves another environment: where programs, libraries and modules are looked for, and no language.
#
# lanes: cpu
import os

os.environ.update(PATH="/tmp", LD_PRELOAD="/tmp/none.so", LD_LIBRARY_PATH="/tmp", PYTHONPATH="/tmp", OMP_NUM_THREADS="64")
del os.environ["LANG"]
