# What people do with NumPy: arrays, linear algebra, random numbers, files, memory maps, and threads of BLAS.
import io

import numpy as np

rng = np.random.default_rng(7)
a = rng.normal(size=(300, 300))
b = a @ a.T + 300 * np.eye(300)

x = np.linalg.solve(b, np.arange(300.0))
assert np.allclose(b @ x, np.arange(300.0))
values, vectors = np.linalg.eigh(b)
assert np.allclose(vectors @ np.diag(values) @ vectors.T, b)
u, s, vt = np.linalg.svd(a)
assert np.allclose((u * s) @ vt, a)
assert np.allclose(np.fft.ifft(np.fft.fft(a[0])).real, a[0])

np.save("a.npy", a)
assert np.array_equal(np.load("a.npy"), a)
assert np.array_equal(np.load("a.npy", mmap_mode="r")[5], a[5])
on_disk = np.memmap("map.bin", dtype="int32", mode="w+", shape=(1000,))
on_disk[:] = np.arange(1000)
on_disk.flush()
assert np.fromfile("map.bin", dtype="int32").sum() == 499500

np.savez_compressed("both.npz", a=a, b=b)
assert np.array_equal(np.load("both.npz")["b"], b)
text = io.StringIO()
np.savetxt(text, a[:3, :3])
text.seek(0)
assert np.allclose(np.loadtxt(text), a[:3, :3])

people = np.array([("ann", 31), ("bob", 27)], dtype=[("name", "U8"), ("age", "i4")])
assert people[people["age"] > 30]["name"].tolist() == ["ann"]
drawn = rng.integers(0, 10, 1000)
assert np.sort(drawn).tolist() == sorted(drawn.tolist())
assert np.random.default_rng(7).normal() == np.random.default_rng(7).normal()
print("done")
