# Returns a text with halves of characters, in its keys as well.
#
# entry: main
# ends: SUCCEEDED
def main():
    return {"\udfff": "\ud800", "": "\x00"}
