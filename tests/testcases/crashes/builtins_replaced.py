# Puts nothing in the place of builtin functions.
#
# ends: SUCCEEDED
import builtins

for name in ("compile", "isinstance", "len", "print", "str", "type"):
    setattr(builtins, name, None)
