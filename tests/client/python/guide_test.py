"""Each example of client/python/README.md is a whole program that runs."""

import os
import re
import subprocess
import sys
import unittest

import serving

GUIDE = serving.ROOT / "client" / "python" / "README.md"
EXAMPLES = re.findall(r"^## (.*?)$|^```python\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)


class GuideTest(unittest.TestCase):
    def test_the_examples_run(self):
        server = serving.Server()
        self.addCleanup(server.stop)
        environment = {**os.environ, "GILD_SERVER": server.target, "PYTHONPATH": os.pathsep.join(sys.path)}
        heading, ran = "", 0
        for next_heading, program in EXAMPLES:
            heading = next_heading or heading
            if not program:
                continue
            with self.subTest(heading):
                program = program.replace("127.0.0.1:50051", server.target)
                ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                ran += 1
        self.assertEqual(ran, 6)


if __name__ == "__main__":
    unittest.main()
