# Leaves no standard streams: they are closed, replaced and gone.
import io
import sys

sys.stdout.close()
sys.stdout = sys.__stdout__ = None
sys.stderr = sys.__stderr__ = io.StringIO()
sys.stderr.close()
