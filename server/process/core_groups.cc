#include "server/process/core_groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/cgroup.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/base/log.h"
#include "server/base/unique_fd.h"
#include "server/process/slot_groups.h"

namespace gild {
namespace {

constexpr char kPrefix[] = "gild-server-";

absl::StatusOr<std::map<int, int64_t>> ReadUsage(const std::string& folder, const std::vector<int>& cores) {
  const absl::StatusOr<std::string> text = ReadFile(folder + "/cpuacct.usage_percpu");
  if (!text.ok()) return text.status();
  return ParseUsagePerCpu(*text, cores);
}

absl::Status MakeGroup(const std::string& folder) {
  return mkdir(folder.c_str(), 0755) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "make " + folder);
}

}  // namespace

absl::StatusOr<std::string> CpuacctFolder(const std::string& mountinfo, const std::string& cgroup) {
  absl::StatusOr<std::string> folder = GroupFolder(mountinfo, cgroup, "cpuacct");
  const absl::StatusOr<std::string> cpu = GroupFolder(mountinfo, cgroup, "cpu");
  if (folder.ok() && cpu.ok() && *cpu == *folder) {
    return absl::FailedPreconditionError(
        "cpuacct is mounted together with cpu: groups would change who is given the cores, too");
  }
  return folder;
}

absl::StatusOr<std::map<int, int64_t>> ParseUsagePerCpu(absl::string_view text, const std::vector<int>& cores) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  std::map<int, int64_t> usage;
  for (const int core : cores) {
    int64_t ns;
    if (core >= static_cast<int>(words.size()) || !absl::SimpleAtoi(words[core], &ns) || ns < 0) {
      return absl::InternalError(absl::StrCat("cpuacct.usage_percpu says nothing of core ", core));
    }
    usage[core] = ns;
  }
  return usage;
}

void RemoveAbandonedCoreGroups(const std::string& outer) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(outer.c_str()), closedir);
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    if (!absl::StartsWith(entry->d_name, kPrefix)) continue;
    const std::string abandoned = absl::StrCat(outer, "/", entry->d_name);
    // A server that lives is in its group, which then cannot be removed; so this one goes first.
    if (rmdir((abandoned + "/server").c_str()) != 0 && errno != ENOENT) continue;
    for (const char* lane : {"/io", "/cpu", ""}) rmdir((abandoned + lane).c_str());
  }
}

absl::StatusOr<std::unique_ptr<CoreGroups>> CoreGroups::Make() {
  const absl::StatusOr<std::string> mountinfo = ReadFile("/proc/self/mountinfo");
  const absl::StatusOr<std::string> cgroup = ReadFile("/proc/self/cgroup");
  if (!mountinfo.ok()) return mountinfo.status();
  if (!cgroup.ok()) return cgroup.status();
  const absl::StatusOr<std::string> outer = CpuacctFolder(*mountinfo, *cgroup);
  if (!outer.ok()) return outer.status();

  // Held until this process is in its group: until then, another server that starts would take it for abandoned.
  const UniqueFd turn(open(outer->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!turn.valid() || flock(turn.get(), LOCK_EX) != 0) return ErrnoStatus(errno, "lock " + *outer);
  RemoveAbandonedCoreGroups(*outer);
  std::string folder = absl::StrCat(*outer, "/", kPrefix, "XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return ErrnoStatus(errno, "make " + folder);
  std::unique_ptr<CoreGroups> groups(new CoreGroups(*outer, folder));
  for (const std::string& group : {groups->server_, groups->io_, groups->cpu_}) {
    GILD_RETURN_IF_ERROR(MakeGroup(group));
  }
  GILD_RETURN_IF_ERROR(JoinCgroup(groups->server_));
  return groups;
}

CoreGroups::CoreGroups(std::string outer, std::string folder)
    : outer_(std::move(outer)),
      folder_(std::move(folder)),
      server_(folder_ + "/server"),
      io_(folder_ + "/io"),
      cpu_(folder_ + "/cpu") {}

CoreGroups::~CoreGroups() {
  (void)JoinCgroup(outer_);  // where it fails, the server's group cannot be removed
  bool removed = true;
  for (const std::string& group : {server_, io_, cpu_, folder_}) removed = removed && RemoveCgroup(group);
  if (!removed) LogWarning("control groups are left behind", {{"folder", folder_}});
}

absl::StatusOr<std::map<int, OwnTime>> CoreGroups::Read(const std::vector<int>& cores) const {
  const auto server = ReadUsage(server_, cores);
  if (!server.ok()) return server.status();
  const auto io = ReadUsage(io_, cores);
  if (!io.ok()) return io.status();
  const auto cpu = ReadUsage(cpu_, cores);
  if (!cpu.ok()) return cpu.status();
  std::map<int, OwnTime> own;
  for (const int core : cores) {
    own[core] = {.io_ns = io->at(core), .cpu_ns = cpu->at(core), .server_ns = server->at(core)};
  }
  return own;
}

}  // namespace gild
