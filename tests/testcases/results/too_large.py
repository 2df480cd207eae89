# Returns more bytes than a result may have.
#
# entry: main
# ends: RESULT_LIMIT
# evidence: limit=result
def main():
    return b"x" * (40 << 20)
