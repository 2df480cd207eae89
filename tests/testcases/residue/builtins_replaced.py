# Replaces functions that every program calls by objects of its own that do the same.
#
# lanes: cpu
import builtins
import functools
import json

for name in ("print", "open", "compile", "exec", "sorted"):
    setattr(builtins, name, functools.partial(getattr(builtins, name)))
json.loads = functools.partial(json.loads)
