# Prints for ever, and has asked to be ended for it.
#
# ends: OUTPUT_LIMIT
# evidence: limit=output
# overflow: end
while True:
    print("x" * 99)
