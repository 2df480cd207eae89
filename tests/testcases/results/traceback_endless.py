# Raises an exception with a traceback that leads back to itself, and whose frames pretend to be gild's.
#
# ends: TIMED_OUT
# wall: 300
# evidence: limit=wall
import types


class Hostile(Exception):
    __traceback__ = property(lambda self: circle)


code = types.SimpleNamespace(co_filename="<gild>")
circle = types.SimpleNamespace(tb_frame=types.SimpleNamespace(f_code=code))
circle.tb_next = circle
raise Hostile("what it says")
