# Writes capabilities and other privileged attributes to a file of its own.
#
# refused: setxattr lsetxattr fsetxattr removexattr
import os
import tempfile

CAPABILITIES = bytes.fromhex("0000000200002000000000000000000000000000")
with tempfile.NamedTemporaryFile() as file:
    attempts = {
        "by name": lambda: os.setxattr(file.name, "security.capability", CAPABILITIES),
        "of the name itself": lambda: os.setxattr(file.name, "trusted.overlay.opaque", b"y", follow_symlinks=False),
        "by descriptor": lambda: os.setxattr(file.fileno(), "security.capability", CAPABILITIES),
        "remove": lambda: os.removexattr(file.name, "security.capability"),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        raise AssertionError(f"{name}: it was allowed")
