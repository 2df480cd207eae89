# Leaves values in its thread and in its context, under names that others can find.
import contextvars
import threading

threading.left_behind_local = threading.local()
threading.left_behind_local.value = "left behind"
threading.left_behind_variable = contextvars.ContextVar("left_behind", default="nothing")
threading.left_behind_variable.set("left behind")
