# Has the encoder of JSON give out numbers, and returns something to encode.
#
# entry: main
# ends: RAISED SUCCEEDED
import json


def main():
    json.JSONEncoder.iterencode = lambda *arguments, **named: [1, 2, 3]
    return {"key": "value"}
