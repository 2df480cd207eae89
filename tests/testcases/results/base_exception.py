# Raises what is no Exception, so that hardly anybody catches it.
#
# ends: RAISED
# error: ^Outsider: what it says
class Outsider(BaseException):
    pass


raise Outsider("what it says")
