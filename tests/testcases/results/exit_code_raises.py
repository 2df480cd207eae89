# Leaves with a code that raises when it is looked at.
#
# ends: EXITED
# evidence: exit_code=1\b
class Hostile(SystemExit):
    code = property(lambda self: 1 / 0)


raise Hostile
