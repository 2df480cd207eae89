// SlotGroups: control groups that bound what a slot takes of the machine (memory without swap, processes and threads,
// its share of the cores) and that can end at one stroke whoever is in it. One interface to both versions: what differs
// between them are the names of files.
//
//   version 1   a tree for each of memory, pids and cpu
//   version 2   one tree for all of them; where version 1 has them, the empty tree of version 2 beside it, for the kill
//
// In each tree the slots' groups lie in a folder of this server's (gild-slots-XXXXXX) beneath the group that the server
// is in, locked as long as it lives; those of servers that are gone are removed by the next one that starts there.
//
// Make before any child is started; the rest on one thread. The files that count and limit are the kernel's
// (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/base/unique_fd.h"
#include "server/process/network_fence.h"
#include "server/sandbox/layer.h"

namespace gild {

struct SlotLimits {
  int64_t memory_bytes = 0;
  int64_t pids = 0;
  bool background = false;  // its share of a core is what is left over, as for nice 19
  bool fenced = false;      // it has the machine's network, but for what is behind the fence
};

// The names of what differs.
struct GroupFiles {
  const char* memory_limit;
  const char* swap_limit;
  bool swap_counts_memory;  // the limit is for both together
  const char* memory_events;
  const char* memory_peak;
  const char* memory_now;
  const char* cpu_weight;
  int background_weight;
};

// One slot's. Outlives the processes in it.
class SlotGroup {
 public:
  // Removes it. REQUIRES: nobody is in it, or about to end; else it is left behind, with a warning.
  ~SlotGroup();
  SlotGroup(const SlotGroup&) = delete;
  SlotGroup& operator=(const SlotGroup&) = delete;

  // Folders that the slot's init joins, by layer.
  const std::map<Layer, std::string>& folders() const { return folders_; }
  // Layers that this slot lacks, and why. It may have a folder all the same, which does what it can.
  const std::map<Layer, std::string>& missing() const { return missing_; }

  // Since the group was made; empty: unavailable.
  std::optional<uint64_t> OomKills() const;
  std::optional<uint64_t> PidsRefused() const;
  std::optional<int64_t> PeakMemoryBytes() const;
  std::optional<int64_t> MemoryBytes() const;  // now
  std::optional<int64_t> CpuNs() const;        // user and system, of all processes that were ever in it

  // `swap`: whether the limit is on swap as well.
  absl::Status LimitMemory(int64_t bytes, absl::Status* swap = nullptr);
  // Any thread:
  // The limits are the slot's, and from now on narrowed for this interpreter alone.
  void BeginInterpreter(uint64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until Widen: so many processes and threads, and so much memory, more than there are now, but no more than the slot
  // may have; 0: that. An error is why processes are not bounded so; memory is, as far as it can be.
  absl::Status Narrow(uint64_t generation, int64_t pids, int64_t memory_bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Widen(uint64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);
  // Everybody in it, at once, and whoever they start meanwhile. False: it cannot be done here.
  bool Kill();
  // Somebody is in it, as far as that is known.
  bool Populated() const;

 private:
  friend class SlotGroups;
  SlotGroup(const GroupFiles* files, const SlotLimits& limits) : files_(files), limits_(limits) {}

  // As the slot is made. The kernel may count no swap, which does no harm where there is none.
  absl::Status LimitMemoryAndSwap(bool swap_is_on);
  absl::Status LimitPids(int64_t pids);
  void WidenNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Status Write(Layer layer, const char* file, const std::string& text) const;
  // The number behind a word in a file, or the only one (`word` empty).
  std::optional<int64_t> Read(Layer layer, const char* file, const char* word) const;

  const GroupFiles* const files_;
  const SlotLimits limits_;
  std::map<Layer, std::string> folders_;
  std::map<Layer, std::string> missing_;
  absl::Mutex mutex_;  // of the limits, once it is made
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  bool narrowed_ ABSL_GUARDED_BY(mutex_) = false;
};

class SlotGroups {
 public:
  using OnMade = std::function<void(const std::string& folder)>;

  // Where this process's groups lie, from its /proc/PID/mountinfo and /proc/PID/cgroup; `swaps`: /proc/swaps.
  // `on_made`: for tests, does to a new folder what the kernel does, which is to fill it.
  static std::unique_ptr<SlotGroups> Make(const std::string& mountinfo, const std::string& cgroup,
                                          const std::string& swaps, OnMade on_made = nullptr);
  // Of this process.
  static std::unique_ptr<SlotGroups> Make();
  ~SlotGroups();
  SlotGroups(const SlotGroups&) = delete;
  SlotGroups& operator=(const SlotGroups&) = delete;

  // Layers that cannot be had here, and why.
  const std::map<Layer, std::string>& missing() const { return missing_; }

  // From now on, around slots that are made fenced; an error is why there is none. Without: they have none.
  void SetFence(absl::StatusOr<std::unique_ptr<NetworkFence>> fence);

  absl::StatusOr<std::unique_ptr<SlotGroup>> MakeSlot(const std::string& name, const SlotLimits& limits) const;

 private:
  // A folder of ours in one tree.
  struct Tree {
    std::string outer;  // where this process is
    std::string folder;
    UniqueFd lock;
    bool moved = false;  // this process, into a group of its own, so that the tree may have limits (version 2)
  };

  SlotGroups(bool swap_is_on, OnMade on_made) : swap_is_on_(swap_is_on), on_made_(std::move(on_made)) {}
  void Made(const std::string& folder) const {
    if (on_made_) on_made_(folder);
  }
  absl::StatusOr<Tree> MakeTree(const std::string& outer) const;
  void FindTrees(const std::string& mountinfo, const std::string& cgroup);
  absl::Status Delegate(Tree* tree);

  const bool swap_is_on_;
  const OnMade on_made_;
  const GroupFiles* files_ = nullptr;
  std::map<std::string, Tree> trees_;     // by controller; "": version 2
  std::map<Layer, std::string> tree_of_;  // layer: controller
  std::map<Layer, std::string> missing_;
  absl::StatusOr<std::unique_ptr<NetworkFence>> fence_ = absl::UnavailableError("nobody has made one");
};

// The folder of the group that a process is in: of a version 1 controller, or (controller empty) in version 2's tree.
absl::StatusOr<std::string> GroupFolder(const std::string& mountinfo, const std::string& cgroup,
                                        const std::string& controller);

}  // namespace gild
