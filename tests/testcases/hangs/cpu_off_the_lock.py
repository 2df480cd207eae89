# Computes in C without the lock.
#
# lanes: cpu
# ends: CPU_LIMIT
# cpu: 200
# evidence: limit=cpu
import hashlib

hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 10**9)
