# Brings code of its own into the kernel, as a module or as another kernel, and starts the machine anew.
#
# refused: init_module finit_module delete_module kexec_load kexec_file_load reboot
import ctypes
import errno

LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2 = 0xFEE1DEAD, 0x28121969
CAD_OFF = 0
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "init_module": (175, b"\x7fELF", 4, b""),
    "finit_module": (313, 0, b"", 0),
    "delete_module": (176, b"none", 0),
    "kexec_load": (246, 0, 0, None, 0),
    "kexec_file_load": (320, -1, -1, 0, None, 0),
    "reboot": (169, ctypes.c_uint(LINUX_REBOOT_MAGIC1), LINUX_REBOOT_MAGIC2, CAD_OFF, None),
}
for name, arguments in calls.items():
    assert libc.syscall(*arguments) == -1 and ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
