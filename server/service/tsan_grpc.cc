// What the thread sanitizer must know about gRPC, whose libraries are built without it: what a completion queue orders it
// cannot see. Races with no frame of gRPC's in them are still reported. Empty in every other build; the linker is told to
// take it (server/CMakeLists.txt).
#ifdef GILD_THREAD_SANITIZER

extern "C" {

// What the linker is told to look for.
extern const int gild_tsan_grpc = 0;

const char* __tsan_default_options() {
  return "ignore_noninstrumented_modules=1:detect_deadlocks=0:report_mutex_bugs=0";
}

const char* __tsan_default_suppressions() {
  return "race:^grpc::\n"
         "race:libgrpc\n";
}

}  // extern "C"

#endif  // GILD_THREAD_SANITIZER
