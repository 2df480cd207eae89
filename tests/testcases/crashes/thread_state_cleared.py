# Clears the thread state that it runs on, and goes on running.
#
# ends: SUCCEEDED RAISED CRASHED
import ctypes

api = ctypes.pythonapi
api.PyThreadState_Get.restype = ctypes.c_void_p
api.PyThreadState_Clear(ctypes.c_void_p(api.PyThreadState_Get()))
