#include "server/process/slot_groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/cgroup.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/base/log.h"

namespace gild {
namespace {

constexpr char kPrefix[] = "gild-slots-";
constexpr char kServerLeaf[] = "server";

// Weights: what nice 19 has, 15 of 1024, and the least there is of 100.
constexpr GroupFiles kVersion1 = {.memory_limit = "memory.limit_in_bytes",
                                  .swap_limit = "memory.memsw.limit_in_bytes",
                                  .swap_counts_memory = true,
                                  .memory_events = "memory.oom_control",
                                  .memory_peak = "memory.max_usage_in_bytes",
                                  .memory_now = "memory.usage_in_bytes",
                                  .cpu_weight = "cpu.shares",
                                  .background_weight = 15};
constexpr GroupFiles kVersion2 = {.memory_limit = "memory.max",
                                  .swap_limit = "memory.swap.max",
                                  .swap_counts_memory = false,
                                  .memory_events = "memory.events",
                                  .memory_peak = "memory.peak",
                                  .memory_now = "memory.current",
                                  .cpu_weight = "cpu.weight",
                                  .background_weight = 1};

struct Controlled {
  Layer layer;
  const char* controller;
};
constexpr Controlled kControlled[] = {
    {Layer::kMemoryGroup, "memory"}, {Layer::kPidsGroup, "pids"}, {Layer::kCpuGroup, "cpu"}};

std::vector<std::string> FoldersIn(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
  while (const dirent* entry = entries ? readdir(entries.get()) : nullptr) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  return names;
}

UniqueFd OpenFolder(const std::string& folder) {
  return UniqueFd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Of servers that are gone: nobody holds their lock.
void RemoveAbandoned(const std::string& outer) {
  for (const std::string& name : FoldersIn(outer)) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    const std::string folder = absl::StrCat(outer, "/", name);
    const UniqueFd lock = OpenFolder(folder);
    if (!lock.valid() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
    for (const std::string& slot : FoldersIn(folder)) rmdir(absl::StrCat(folder, "/", slot).c_str());
    rmdir(folder.c_str());
  }
}

}  // namespace

absl::StatusOr<std::string> GroupFolder(const std::string& mountinfo, const std::string& cgroup,
                                        const std::string& controller) {
  // proc(5): id parent device root mount-point options [fields] - type source super-options
  std::string root;
  std::string mount_point;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<std::string> kind = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 6 || kind.size() < 3 || kind[0] != (controller.empty() ? "cgroup2" : "cgroup")) continue;
    const std::vector<std::string> controllers = absl::StrSplit(kind[2], ',');
    if (!controller.empty() && std::find(controllers.begin(), controllers.end(), controller) == controllers.end()) {
      continue;
    }
    root = std::string(mount[3]);
    mount_point = std::string(mount[4]);
    break;
  }
  const std::string what = controller.empty() ? "cgroup v2" : absl::StrCat("cgroup v1's ", controller);
  if (mount_point.empty()) return absl::NotFoundError(absl::StrCat(what, " is not mounted"));

  // cgroups(7): id:controllers:path, the path as seen from the root of the hierarchy, as the mount's root is.
  for (const absl::string_view line : absl::StrSplit(cgroup, '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    if (std::find(controllers.begin(), controllers.end(), controller) == controllers.end()) continue;
    absl::string_view path = fields[2];
    if (root != "/" && !absl::ConsumePrefix(&path, root)) break;
    if (!path.empty() && path[0] != '/') break;
    return std::string(absl::StripSuffix(absl::StrCat(mount_point, path), "/"));
  }
  return absl::NotFoundError(absl::StrCat("the group of this process is not in what is mounted of ", what));
}

// ---- one slot's ----

SlotGroup::~SlotGroup() {
  folders_.erase(Layer::kNetworkFence);  // another name for one of these
  for (const auto& [layer, folder] : folders_) {
    if (!RemoveCgroup(folder)) LogWarning("a control group is left behind", {{"folder", folder}});
  }
}

std::optional<uint64_t> SlotGroup::OomKills() const {
  return Read(Layer::kMemoryGroup, files_->memory_events, "oom_kill");
}

std::optional<uint64_t> SlotGroup::PidsRefused() const { return Read(Layer::kPidsGroup, "pids.events", "max"); }

std::optional<int64_t> SlotGroup::MemoryBytes() const { return Read(Layer::kMemoryGroup, files_->memory_now, ""); }

std::optional<int64_t> SlotGroup::PeakMemoryBytes() const { return Read(Layer::kMemoryGroup, files_->memory_peak, ""); }

absl::Status SlotGroup::LimitMemory(int64_t bytes, absl::Status* swap) {
  const std::string text = absl::StrCat(bytes);
  // The sum of memory and swap is never below the memory: so it is raised first, and lowered last.
  const bool lifted = files_->swap_counts_memory && Write(Layer::kMemoryGroup, files_->swap_limit, text).ok();
  GILD_RETURN_IF_ERROR(Write(Layer::kMemoryGroup, files_->memory_limit, text));
  const std::string beside = files_->swap_counts_memory ? text : "0";
  const absl::Status limited = lifted ? absl::OkStatus() : Write(Layer::kMemoryGroup, files_->swap_limit, beside);
  if (swap != nullptr) *swap = limited;
  return absl::OkStatus();
}

absl::Status SlotGroup::LimitMemoryAndSwap(bool swap_is_on) {
  absl::Status swap;
  GILD_RETURN_IF_ERROR(LimitMemory(limits_.memory_bytes, &swap));
  const std::string file = absl::StrCat(folders_.at(Layer::kMemoryGroup), "/", files_->swap_limit);
  const bool counted = access(file.c_str(), F_OK) == 0;
  if (!swap.ok() && (counted || swap_is_on)) {
    missing_[Layer::kMemoryGroup] = absl::StrCat("swap is not limited: ", swap.message());
  }
  return absl::OkStatus();
}

absl::Status SlotGroup::LimitPids(int64_t pids) { return Write(Layer::kPidsGroup, "pids.max", absl::StrCat(pids)); }

void SlotGroup::BeginInterpreter(uint64_t generation) {
  absl::MutexLock lock(&mutex_);
  generation_ = generation;
  WidenNow();
}

absl::Status SlotGroup::Narrow(uint64_t generation, int64_t pids, int64_t memory_bytes) {
  absl::MutexLock lock(&mutex_);
  // Its interpreter may be gone meanwhile, and another's tasks have nothing to do with these limits.
  if (generation != generation_) return absl::UnavailableError("its interpreter is gone");
  narrowed_ = true;
  if (memory_bytes > 0) {
    if (const std::optional<int64_t> now = MemoryBytes()) {
      (void)LimitMemory(std::min(limits_.memory_bytes, *now + memory_bytes));
    }
  }
  if (pids == 0) return absl::OkStatus();
  const std::optional<int64_t> now = Read(Layer::kPidsGroup, "pids.current", "");
  // Where nobody is in it, the slot's init could not join it.
  if (now.value_or(0) == 0) return absl::UnavailableError(absl::StrCat("there is no ", Name(Layer::kPidsGroup)));
  return LimitPids(std::min(limits_.pids, *now + pids));
}

void SlotGroup::Widen(uint64_t generation) {
  absl::MutexLock lock(&mutex_);
  if (generation == generation_) WidenNow();
}

void SlotGroup::WidenNow() {
  if (!std::exchange(narrowed_, false)) return;
  (void)LimitPids(limits_.pids);
  (void)LimitMemory(limits_.memory_bytes);
}

std::optional<int64_t> SlotGroup::CpuNs() const {
  // Every group of version 2 counts it, with a controller or without.
  const std::optional<int64_t> used_us = Read(Layer::kKillGroup, "cpu.stat", "usage_usec");
  return used_us ? std::optional(*used_us * kNsPerUs) : std::nullopt;
}

bool SlotGroup::Kill() { return Write(Layer::kKillGroup, "cgroup.kill", "1").ok(); }

bool SlotGroup::Populated() const { return Read(Layer::kKillGroup, "cgroup.events", "populated").value_or(0) != 0; }

absl::Status SlotGroup::Write(Layer layer, const char* file, const std::string& text) const {
  auto folder = folders_.find(layer);
  if (folder == folders_.end()) return absl::UnavailableError(absl::StrCat("there is no ", Name(layer)));
  return WriteFile(absl::StrCat(folder->second, "/", file), text);
}

std::optional<int64_t> SlotGroup::Read(Layer layer, const char* file, const char* word) const {
  auto folder = folders_.find(layer);
  if (folder == folders_.end()) return std::nullopt;
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(folder->second, "/", file));
  for (const absl::string_view line : absl::StrSplit(text.value_or(""), '\n')) {
    absl::string_view rest = line;
    int64_t number;
    if (*word != '\0' && !absl::ConsumePrefix(&rest, absl::StrCat(word, " "))) continue;
    if (absl::SimpleAtoi(rest, &number)) return number;
  }
  return std::nullopt;
}

// ---- all of them ----

std::unique_ptr<SlotGroups> SlotGroups::Make() {
  // What is not there has no groups, or no swap.
  return Make(ReadFile("/proc/self/mountinfo").value_or(""), ReadFile("/proc/self/cgroup").value_or(""),
              ReadFile("/proc/swaps").value_or(""));
}

std::unique_ptr<SlotGroups> SlotGroups::Make(const std::string& mountinfo, const std::string& cgroup,
                                             const std::string& swaps, OnMade on_made) {
  // proc(5): a line for each, after a line of titles.
  const bool swap_is_on = std::count(swaps.begin(), swaps.end(), '\n') > 1;
  std::unique_ptr<SlotGroups> groups(new SlotGroups(swap_is_on, std::move(on_made)));
  groups->FindTrees(mountinfo, cgroup);
  return groups;
}

void SlotGroups::FindTrees(const std::string& mountinfo, const std::string& cgroup) {
  const auto find = [&](const std::string& controller) -> absl::Status {
    const absl::StatusOr<std::string> outer = GroupFolder(mountinfo, cgroup, controller);
    if (!outer.ok()) return outer.status();
    absl::StatusOr<Tree> tree = MakeTree(*outer);
    if (!tree.ok()) return tree.status();
    trees_.emplace(controller, *std::move(tree));
    return absl::OkStatus();
  };

  const absl::Status unified = find("");
  if (!unified.ok()) missing_[Layer::kKillGroup] = std::string(unified.message());
  if (unified.ok()) tree_of_[Layer::kKillGroup] = "";
  const bool version_1 = std::any_of(std::begin(kControlled), std::end(kControlled), [&](const Controlled& controlled) {
    return GroupFolder(mountinfo, cgroup, controlled.controller).ok();
  });
  files_ = version_1 ? &kVersion1 : &kVersion2;
  const absl::Status delegated = version_1 || !unified.ok() ? absl::OkStatus() : Delegate(&trees_.at(""));
  for (const Controlled& controlled : kControlled) {
    const absl::Status found = version_1 ? find(controlled.controller) : unified.ok() ? delegated : unified;
    if (found.ok()) {
      tree_of_[controlled.layer] = version_1 ? controlled.controller : "";
    } else {
      missing_[controlled.layer] = std::string(found.message());
    }
  }
}

absl::StatusOr<SlotGroups::Tree> SlotGroups::MakeTree(const std::string& outer) const {
  // Held until ours is locked: until then, another server that starts would take it for abandoned.
  const UniqueFd turn = OpenFolder(outer);
  if (!turn.valid() || flock(turn.get(), LOCK_EX) != 0) return ErrnoStatus(errno, "lock " + outer);
  RemoveAbandoned(outer);
  std::string folder = absl::StrCat(outer, "/", kPrefix, "XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return ErrnoStatus(errno, "make " + folder);
  Made(folder);
  Tree tree{.outer = outer, .folder = folder, .lock = OpenFolder(folder)};
  if (!tree.lock.valid() || flock(tree.lock.get(), LOCK_EX | LOCK_NB) != 0) return ErrnoStatus(errno, "lock " + folder);
  return tree;
}

// cgroup-v2.rst, "No Internal Process Constraint": where processes are, children get no controllers.
absl::Status SlotGroups::Delegate(Tree* tree) {
  const std::string leaf = absl::StrCat(tree->folder, "/", kServerLeaf);
  if (mkdir(leaf.c_str(), 0755) != 0) return ErrnoStatus(errno, "make " + leaf);
  Made(leaf);
  GILD_RETURN_IF_ERROR(JoinCgroup(leaf));
  tree->moved = true;
  for (const std::string& folder : {tree->outer, tree->folder}) {
    GILD_RETURN_IF_ERROR(WriteFile(folder + "/cgroup.subtree_control", "+memory +pids +cpu"));
  }
  return absl::OkStatus();
}

SlotGroups::~SlotGroups() {
  for (auto& [controller, tree] : trees_) {
    if (tree.moved) {
      for (const std::string& folder : {tree.folder, tree.outer}) {
        (void)WriteFile(folder + "/cgroup.subtree_control", "-memory -pids -cpu");
      }
      (void)JoinCgroup(tree.outer);
      (void)RemoveCgroup(absl::StrCat(tree.folder, "/", kServerLeaf));
    }
    if (!RemoveCgroup(tree.folder)) LogWarning("control groups are left behind", {{"folder", tree.folder}});
  }
}

absl::StatusOr<std::unique_ptr<SlotGroup>> SlotGroups::MakeSlot(const std::string& name,
                                                                const SlotLimits& limits) const {
  std::unique_ptr<SlotGroup> group(new SlotGroup(files_, limits));
  for (const auto& [layer, controller] : tree_of_) {
    const std::string folder = absl::StrCat(trees_.at(controller).folder, "/", name);
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, "make " + folder);
    Made(folder);
    group->folders_[layer] = folder;
  }
  if (tree_of_.contains(Layer::kMemoryGroup)) GILD_RETURN_IF_ERROR(group->LimitMemoryAndSwap(swap_is_on_));
  if (tree_of_.contains(Layer::kPidsGroup)) {
    GILD_RETURN_IF_ERROR(group->LimitPids(limits.pids));
  }
  if (limits.background && tree_of_.contains(Layer::kCpuGroup)) {
    GILD_RETURN_IF_ERROR(group->Write(Layer::kCpuGroup, files_->cpu_weight, absl::StrCat(files_->background_weight)));
  }
  if (limits.fenced) {
    // The programs are the group's, whatever else it is there for.
    const auto unified = group->folders_.find(Layer::kKillGroup);
    absl::Status put = fence_.status();
    if (put.ok() && unified == group->folders_.end()) put = absl::UnavailableError(missing_.at(Layer::kKillGroup));
    if (put.ok()) put = (*fence_)->PutAround(unified->second);
    if (put.ok()) {
      group->folders_[Layer::kNetworkFence] = unified->second;
    } else {
      group->missing_[Layer::kNetworkFence] = std::string(put.message());
    }
  }
  return group;
}

void SlotGroups::SetFence(absl::StatusOr<std::unique_ptr<NetworkFence>> fence) { fence_ = std::move(fence); }

}  // namespace gild
