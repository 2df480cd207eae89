# Changes where modules are found, adds one, and takes away that by which tasks speak with gild.
#
# lanes: cpu
import sys
import types


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None


sys.path.insert(0, "/tmp/modules")
sys.meta_path.insert(0, Finder)
sys.modules["left_behind"] = types.ModuleType("left_behind")
del sys.modules["gild"]
