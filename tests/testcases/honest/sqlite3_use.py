# What people do with sqlite3, whose own tests Debian does not ship: databases in memory and in the task's folder, with a
# journal, a write-ahead log (shared memory) and locks between connections; transactions, functions, full-text search,
# backup, blobs, and several threads.
import sqlite3
import threading

for database in (":memory:", "a.db"):
    with sqlite3.connect(database) as db:
        db.execute("create table people (name text primary key, age int)")
        db.executemany("insert into people values (?, ?)", [("ann", 31), ("bob", 27)])
    assert db.execute("select name from people where age > ?", (30,)).fetchall() == [("ann",)]
    try:
        with db:
            db.execute("insert into people values ('cy', 1)")
            db.execute("insert into people values ('ann', 1)")
        raise AssertionError("a key twice")
    except sqlite3.IntegrityError:
        pass
    assert db.execute("select count(*) from people").fetchone() == (2,)
    db.create_function("double", 1, lambda x: 2 * x)
    assert db.execute("select sum(double(age)) from people").fetchone() == (116,)
    db.close()

db = sqlite3.connect("wal.db", isolation_level=None)
assert db.execute("pragma journal_mode = wal").fetchone() == ("wal",)
db.execute("create table n (i int)")


def add(first):
    own = sqlite3.connect("wal.db", timeout=30, isolation_level=None)
    for i in range(first, first + 50):
        own.execute("insert into n values (?)", (i,))
    own.close()


threads = [threading.Thread(target=add, args=(100 * k,)) for k in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert db.execute("select count(*), count(distinct i) from n").fetchone() == (200, 200)
other = sqlite3.connect("wal.db", timeout=0, isolation_level=None)
db.execute("begin immediate")
try:
    other.execute("insert into n values (0)")
    raise AssertionError("two writers")
except sqlite3.OperationalError as error:
    assert "locked" in str(error), error
db.execute("rollback")

copy = sqlite3.connect(":memory:")
db.backup(copy)
assert copy.execute("select count(*) from n").fetchone() == (200,)
copy.execute("create virtual table notes using fts5(text)")
copy.execute("insert into notes values ('the interpreter lock'), ('a core each')")
assert copy.execute("select text from notes where notes match 'lock'").fetchall() == [("the interpreter lock",)]
copy.execute("create table blobs (b blob)")
row = copy.execute("insert into blobs values (zeroblob(1000))").lastrowid
with copy.blobopen("blobs", "b", row) as blob:
    blob.write(b"x" * 1000)
assert copy.execute("select b from blobs").fetchone()[0] == b"x" * 1000
print("done")
