# Returns a small text that is six times as large when it is encoded, and too large then.
#
# entry: main
# ends: RESULT_LIMIT
# result: 4
# evidence: limit=result
def main():
    return "\x00" * (1 << 20)
