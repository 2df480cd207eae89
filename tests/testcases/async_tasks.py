"""Tasks whose entry is an `async def`: steps on an event loop."""

import asyncio
import contextvars
import os
import socket
import sys
import threading
import time

label = contextvars.ContextVar("label", default="none")


def burn(seconds):
    """Computes for so much processor time of its thread. Returns how much it was (where the machine is a guest, its host's doings may
    be counted in the last turn), and how long it took: longer, where the core was taken away meanwhile."""
    began = time.perf_counter()
    begin = now = time.thread_time()
    while now < begin + seconds:
        now = time.thread_time()
    return now - begin, time.perf_counter() - began


def total(burns):
    """[processor time, time] of them all."""
    return [sum(times) for times in zip(*burns)]


async def nap(seconds=0.01):
    await asyncio.sleep(seconds)


async def echo(value):
    await asyncio.sleep(0)
    return value


async def pair():
    return 1, 2


async def raw():
    await asyncio.sleep(0)
    return b"\x00\xff"


async def say(text):
    for _ in range(3):
        print(text)
        await asyncio.sleep(0)


async def inner():
    await asyncio.sleep(0)
    raise ValueError("from a child")


async def fail():
    await asyncio.create_task(inner())


async def leave(code):
    await asyncio.sleep(0)
    sys.exit(code)


async def leave_from_child(code):
    asyncio.create_task(leave(code))
    await asyncio.sleep(60)


async def unencodable():
    return {1, 2}


async def steps(burns):
    """Burns each, and lets the others have a turn in between."""
    burnt = []
    for seconds in burns:
        burnt.append(burn(seconds))
        await asyncio.sleep(0)
    return total(burnt)


async def children(count, seconds):
    """As many asyncio tasks, each of which burns."""

    async def child():
        await asyncio.sleep(0)
        return burn(seconds)

    return total(await asyncio.gather(*(child() for _ in range(count))))


async def callback(seconds):
    """Burns in a plain callback."""
    done = asyncio.get_running_loop().create_future()

    def run():
        done.set_result(total([burn(seconds)]))

    asyncio.get_running_loop().call_later(0.001, run)
    return await done


async def pool(seconds):
    """Burns in a thread of the loop's pool; returns whether it printed from there."""

    def run():
        print("from the pool")
        burn(seconds)
        return threading.current_thread().name

    return await asyncio.to_thread(run)


async def forget_child():
    """Returns although a child of its goes on."""

    async def child():
        try:
            await asyncio.sleep(60)
        finally:
            print("the child was cancelled")

    asyncio.create_task(child())
    await asyncio.sleep(0)
    return "returned"


async def set_label(value):
    seen = label.get()
    label.set(value)
    await asyncio.sleep(0)
    return [seen, label.get()]


async def ring(port):
    """Rings, and waits until it is let in; returns what the door said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def ring_then(port, what):
    """Rings; once it is let in, does `what` to the loop."""
    await ring(port)
    if what == "sleep":
        time.sleep(60)
    elif what == "spin":
        while True:
            pass
    elif what == "recv":
        ours, _theirs = socket.socketpair()
        ours.recv(1)
    elif what == "await":
        await asyncio.sleep(60)
    elif what == "pool":
        await asyncio.to_thread(time.sleep, 60)
    elif what == "clean up":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("cleaned up")
            raise
    elif what == "swallow":
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass


async def break_loop():
    os.close(asyncio.get_running_loop()._selector.fileno())
    await asyncio.sleep(0.01)


async def stop_loop():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return "still here"


def not_always(how):
    """Returns a coroutine, or does not."""
    return echo("awaited") if how == "async" else "called"
