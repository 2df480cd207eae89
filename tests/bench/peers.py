"""What the first lesson's peers need for the same downloads: asyncio, and a pool of warm threads.

Given the address of page 0 of the slow server (`gild demo --serve-urls` prints it), fetches COUNT pages at once, in
each way, and prints the seconds as one line of JSON. Standard library only. Each way is warmed up by one whole run that
is not counted, as the demo warms its lanes.

    peers.py URL [--count 100] [--times 1]
"""

import argparse
import asyncio
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor


def urls_of(first: str, count: int) -> list[str]:
    """http://host:port/page/0 -> pages 0 to count - 1."""
    base = first.rsplit("/", 1)[0]
    return [f"{base}/{page}" for page in range(count)]


def fetch(url: str) -> tuple[int, int]:
    """The demo's own fetch, word for word: status and length of one page."""
    scheme, _, host, *path = url.split("/", 3)
    kind = http.client.HTTPSConnection if scheme == "https:" else http.client.HTTPConnection
    connection = kind(host, timeout=20)
    connection.request("GET", "/" + "".join(path))
    answer = connection.getresponse()
    length = len(answer.read())
    connection.close()
    return answer.status, length


async def fetch_async(url: str) -> tuple[int, int]:
    """The same over asyncio's streams; the least parsing that is still right."""
    _, _, host, *path = url.split("/", 3)
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port or 80))
    writer.write(f"GET /{''.join(path)} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(None, 2)[1])
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = await reader.readexactly(length)
    writer.close()
    return status, len(body)


def check(answers: list[tuple[int, int]]) -> None:
    """Raises ValueError when a page is missing or empty."""
    bad = [answer for answer in answers if answer[0] != 200 or answer[1] == 0]
    if bad:
        raise ValueError(f"{len(bad)} pages did not come: {bad[0]}")


async def asyncio_seconds(urls: list[str]) -> float:
    """All pages at once, in a loop that runs already."""
    begin = time.perf_counter()
    answers = await asyncio.gather(*(fetch_async(url) for url in urls))
    seconds = time.perf_counter() - begin
    check(answers)
    return seconds


def thread_seconds(pool: ThreadPoolExecutor, urls: list[str]) -> float:
    """All pages at once, by threads that are there already."""
    begin = time.perf_counter()
    answers = list(pool.map(fetch, urls))
    seconds = time.perf_counter() - begin
    check(answers)
    return seconds


def measure(urls: list[str], times: int) -> dict[str, list[float]]:
    """Seconds of each run, the ways taking turns."""
    loop = asyncio.new_event_loop()
    seconds: dict[str, list[float]] = {"asyncio": [], "threads": []}
    with ThreadPoolExecutor(len(urls)) as pool:
        for turn in range(times + 1):
            with_asyncio = loop.run_until_complete(asyncio_seconds(urls))
            with_threads = thread_seconds(pool, urls)
            if turn > 0:
                seconds["asyncio"].append(with_asyncio)
                seconds["threads"].append(with_threads)
    loop.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="of page 0 of the slow server")
    parser.add_argument("--count", type=int, default=100, help="pages (100)")
    parser.add_argument("--times", type=int, default=1, help="runs of each way that are counted (1)")
    options = parser.parse_args()
    print(json.dumps(measure(urls_of(options.url, options.count), options.times)))


if __name__ == "__main__":
    main()
