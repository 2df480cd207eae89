# Takes out of sys what prints and imports find there, and says so.
#
# ends: RAISED
# error: ^RuntimeError
import sys

for name in ("stdout", "__stdout__", "stderr", "__stderr__", "path", "meta_path"):
    vars(sys).pop(name)
print("nowhere")
