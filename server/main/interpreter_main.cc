// gild-interpreter: started by gild-server as the zygote; never by hand.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "server/interpreter/zygote.h"
#include "server/sandbox/identity.h"

#if defined(__SANITIZE_ADDRESS__)
// CPython frees little at its end, by design; faults are ours to note; a memory limit must show as a failed malloc.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:use_sigaltstack=0:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill="
         "0:"
         "allocator_may_return_null=1";
}
#endif

int main(int argc, char** argv) {
  // Debian's abseil is built without NDEBUG: every lock is entered into a graph to find cycles.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  int conversation = -1;
  std::string preload;
  std::string without;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--zygote-fd") == 0) conversation = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--preload") == 0) preload = argv[i + 1];
    if (std::strcmp(argv[i], "--without-layers") == 0) without = argv[i + 1];
  }
  if (conversation < 3) {
    std::fputs("gild-interpreter: started by gild-server, not by hand\nhint: start a server with `./run server`\n",
               stderr);
    return 2;
  }
  const std::vector<std::string> modules = absl::StrSplit(preload, ',', absl::SkipEmpty());
  std::vector<gild::Layer> switched_off;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(without, ',', absl::SkipEmpty()))) {
    if (const auto layer = gild::LayerNamed(name)) switched_off.push_back(*layer);
  }
  if (geteuid() != 0 && !IsIn(gild::Layer::kUserNamespace, switched_off)) gild::GoOnAsRootOfOwnNamespace(conversation);
  return gild::RunZygote(gild::UniqueFd(conversation), modules, std::move(switched_off));
}
