// The child's side of the sandbox: the steps that a slot's init and an interpreter take, once, before any user code.
//
// Each step fails as an absl::Status that names it and the error. Single-threaded callers only; nothing here is undone.
//
//   the init of a slot          EnterSlot          its namespaces, files and uid
//   an interpreter, at once     EnterInterpreter   its place: descriptors, limits, core
//   an interpreter, at last     SealInterpreter    capabilities, Landlock, system calls: what is left is what a task
//   gets
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/landlock.h"
#include "server/sandbox/layer.h"
#include "server/sandbox/policy.h"
#include "server/sandbox/slot_files.h"
#include "server/sandbox/syscall_filter.h"

namespace gild {

// Lets the next fork() make the first process of a new pid namespace, when the kernel allows it. Restores the caller's
// own on destruction, so that it can be done again. `entered()` false: not allowed here; a fork is then an ordinary
// one.
class NewPidNamespace {
 public:
  NewPidNamespace();
  ~NewPidNamespace();
  NewPidNamespace(const NewPidNamespace&) = delete;
  NewPidNamespace& operator=(const NewPidNamespace&) = delete;

  bool entered() const { return entered_; }

 private:
  UniqueFd own_;
  bool entered_ = false;
};

// ---- a slot's init ----

struct SlotWalls {
  bool network = false;            // it keeps the machine's
  bool own_pid_namespace = false;  // it is the first process of one
  uid_t uid = 0;                   // 0: it stays who it is
  std::string group;               // control group of its lane; empty: that of the zygote
  std::map<Layer, OwnGroup> groups;
  std::vector<std::string> seen;  // of the machine's files, beside SeenPaths()
  ScratchBounds scratch;
  std::string host_scratch;    // an existing folder: tasks' working directory where there is no mount namespace
  std::vector<Layer> without;  // switched off
};

struct EnteredSlot {
  Isolation isolation;
  std::string scratch;      // the working directory of its tasks
  std::string group_error;  // why it is not in its lane's group; empty: it is, or need not be
};

// What the kernel refuses is missing, and said so. An error: the slot is of no use.
absl::StatusOr<EnteredSlot> EnterSlot(const SlotWalls& walls);

// Kills and reaps every process that is left in this pid namespace but the caller, or (without one) every descendant.
void KillAllAndReap(bool own_pid_namespace);

// ---- an interpreter ----

struct InterpreterPlace {
  std::string scratch;  // becomes the working directory
  int core = -1;        // -1: any
  int nice = 0;
  bool adopts = false;  // processes whose parents have ended are its own, so that it knows of them
};

// Resource limits (policy.h), place, standard descriptors on /dev/null, and no descriptor left open but `keep`.
// `without`: switched off.
absl::Status EnterInterpreter(const InterpreterPlace& place, std::initializer_list<int> keep,
                              const std::vector<Layer>& without = {});

struct InterpreterWalls {
  Profile profile;
  std::vector<std::string> seen;  // as in SlotWalls
  std::string scratch;
  // Both outlive the call.
  const absl::StatusOr<SyscallFilter>* filter = nullptr;  // or why there is none; null: nobody tried
  const LandlockRules* rules = nullptr;                   // null: they are made then
  std::vector<Layer> without;                             // switched off, or known to be missing here
};

// Whether an interpreter with these walls has the filter that it needs.
absl::Status CheckFilter(const InterpreterWalls& walls);

// The last step before user code: every layer, or an error. What comes back is as from SyscallFilter::Install.
absl::StatusOr<UniqueFd> SealInterpreter(const InterpreterWalls& walls);

// Which of an interpreter's layers this machine has. In a child of its own, which is gone afterwards.
Isolation ProbeInterpreterLayers(const InterpreterWalls& walls);

}  // namespace gild
