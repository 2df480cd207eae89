# Uses up its processor time when its code has ended, in a finalizer.
#
# lanes: cpu
# ends: CPU_LIMIT
# cpu: 200
# evidence: limit=cpu
class Endless:
    def __del__(self):
        while True:
            pass


thing = Endless()
