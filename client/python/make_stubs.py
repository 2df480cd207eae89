"""Makes gild/v1 and gild/rpc from proto/: protoc's Python, as part of this package.

google.rpc becomes gild.rpc on the way: two files of one name cannot be in one process, and googleapis-common-protos has one of that
name. What travels is the same.

    make_stubs.py [FOLDER OF protos [FOLDER FOR THE STUBS]]
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def main(protos=HERE.parents[1] / "proto", out=HERE):
    protos = pathlib.Path(protos)
    with tempfile.TemporaryDirectory() as folder:
        renamed = []
        for path in sorted([*protos.glob("gild/v1/*.proto"), *protos.glob("google/rpc/*.proto")]):
            name = path.relative_to(protos).as_posix().replace("google/rpc", "gild/rpc")
            copy = pathlib.Path(folder) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text().replace("google/rpc/", "gild/rpc/").replace("google.rpc", "gild.rpc"))
            renamed.append(name)
        subprocess.run(["protoc", "-I", folder, "--python_out", out, *renamed], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
