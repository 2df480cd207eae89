# Has all threads that will be started traced, profiled, and on small stacks.
import threading

threading.settrace(lambda *_: None)
threading.setprofile(lambda *_: None)
threading.stack_size(256 << 10)
