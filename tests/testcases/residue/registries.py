# Replaces what text cannot encode is replaced by, and how a type is pickled.
#
# lanes: cpu
import codecs
import copyreg

codecs.register_error("backslashreplace", codecs.ignore_errors)
copyreg.pickle(complex, lambda number: (complex, ()))
