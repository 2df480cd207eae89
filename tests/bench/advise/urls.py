"""Downloads one page: what it does is wait for it."""

import http.client


def fetch(url):
    scheme, _, host, *path = url.split("/", 3)
    kind = http.client.HTTPSConnection if scheme == "https:" else http.client.HTTPConnection
    connection = kind(host, timeout=20)
    connection.request("GET", "/" + "".join(path))
    answer = connection.getresponse()
    length = len(answer.read())
    connection.close()
    return answer.status, length
