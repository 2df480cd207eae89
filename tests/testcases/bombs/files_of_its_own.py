# Makes more files than its own limit, and goes on as if nothing had happened.
#
# lanes: cpu
# files: 5
# ends: SCRATCH_LIMIT
# evidence: limit=scratch_files allowed=5 
made = 0
try:
    while made < 100:
        open(f"file{made}", "x").close()
        made += 1
except OSError:
    pass
assert made == 5, made
