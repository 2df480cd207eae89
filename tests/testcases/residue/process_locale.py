# Leaves its process in another locale.
#
# lanes: cpu
import locale

locale.setlocale(locale.LC_ALL, "C.UTF-8")
locale.setlocale(locale.LC_CTYPE, "C")
