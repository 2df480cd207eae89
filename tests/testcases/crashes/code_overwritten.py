# Calls a function whose bytecode loads a constant that is not there.
#
# ends: CRASHED
# evidence: signal=11\b
import dis


def function():
    pass


more, load, leave = (dis.opmap[name] for name in ("EXTENDED_ARG", "LOAD_CONST", "RETURN_VALUE"))
code = bytes([more, 0x7F, more, 0xFF, more, 0xFF, load, 0xFF, leave, 0])
function.__code__ = function.__code__.replace(co_code=code)
function()
