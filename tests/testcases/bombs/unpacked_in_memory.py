# Unpacks one megabyte that was a gibibyte before it was packed.
#
# ends.cpu: MEMORY_LIMIT
# ends.io: INTERPRETER_LOST
# evidence.cpu: oom_kill
import zlib

packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
zlib.decompress(piece * 1024, wbits=-zlib.MAX_WBITS)
