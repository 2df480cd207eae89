#include "server/sandbox/enter.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/cgroup.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/sandbox/identity.h"
#include "server/sandbox/landlock.h"

namespace gild {
namespace {

absl::Status CloseAllBut(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned int first = 3;
  for (const int fd : keep) {
    if (static_cast<unsigned int>(fd) > first && syscall(SYS_close_range, first, fd - 1, 0) != 0) {
      return ErrnoStatus(errno, "close descriptors");
    }
    first = std::max(first, static_cast<unsigned int>(fd) + 1);
  }
  if (syscall(SYS_close_range, first, ~0U, 0) != 0) return ErrnoStatus(errno, "close descriptors");
  return absl::OkStatus();
}

// A pid namespace does not bound a process group: kill(0, …) in a task would reach zygote and inits. Not a session of
// its own, which the scheduler may weigh as a whole (sched(7), autogroups) and so make nothing of our nice values.
absl::Status OwnProcessGroup() {
  return setpgid(0, 0) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "make a process group");
}

absl::Status StandardDescriptorsToNull() {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus(errno, "open /dev/null");
  for (const int fd : {0, 1, 2}) {
    if (dup2(null.get(), fd) < 0) return ErrnoStatus(errno, "dup2 /dev/null");
  }
  return absl::OkStatus();
}

absl::Status SetLimits() {
  for (const ResourceLimit& limit : kInterpreterLimits) {
    rlimit value;
    if (getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      return ErrnoStatus(errno, std::string("read limit ") + limit.name);
    }
    // Never above what we were given: raising would need a privilege.
    value.rlim_cur = value.rlim_max = std::min<rlim_t>(value.rlim_max, limit.value);
    if (setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      return ErrnoStatus(errno, std::string("set limit ") + limit.name);
    }
  }
  return absl::OkStatus();
}

void Note(Layer layer, const absl::Status& applied, const std::vector<Layer>& without, Isolation* isolation) {
  if (IsIn(layer, without)) {
    isolation->missing.push_back({layer, "switched off"});
  } else if (applied.ok()) {
    isolation->in_force.push_back(layer);
  } else {
    isolation->missing.push_back({layer, std::string(applied.message())});
  }
}

absl::Status Unshare(int what, const char* name) {
  return unshare(what) == 0 ? absl::OkStatus() : ErrnoStatus(errno, std::string("unshare ") + name);
}

// The steps of EnterSlot, each layer with what became of it.
class SlotEntry {
 public:
  explicit SlotEntry(const SlotWalls& walls) : walls_(walls), scratch_(walls.host_scratch) {}

  // First, while it may: a group counts what happens in it from then on.
  void JoinGroups() {
    if (!walls_.group.empty()) group_error_ = std::string(JoinCgroup(walls_.group).message());
    for (const auto& [layer, group] : walls_.groups) {
      Try(layer, [&group = group]() -> absl::Status {
        if (!group.folder.empty()) GILD_RETURN_IF_ERROR(JoinCgroup(group.folder));
        const bool there = !group.folder.empty() && group.why_none.empty();
        return there ? absl::OkStatus() : absl::UnavailableError(group.why_none);
      });
    }
  }

  // No new privileges ever, adopts orphans, ends with its parent.
  absl::Status StandApart() {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "set no_new_privs");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "become subreaper");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return ErrnoStatus(errno, "set parent death signal");
    return OwnProcessGroup();
  }

  void LeaveNamespaces() {
    const absl::Status no_pid_namespace = absl::PermissionDeniedError("the kernel refuses a pid namespace");
    Try(Layer::kPidNamespace, [&] { return walls_.own_pid_namespace ? absl::OkStatus() : no_pid_namespace; });
    Try(Layer::kIpcNamespace, [] { return Unshare(CLONE_NEWIPC, "IPC"); });
    Try(Layer::kUtsNamespace, [] {
      GILD_RETURN_IF_ERROR(Unshare(CLONE_NEWUTS, "the machine's name"));
      return sethostname("gild", 4) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "set the host's name");
    });
    Try(Layer::kCgroupNamespace, [] { return Unshare(CLONE_NEWCGROUP, "control groups"); });
    if (!walls_.network) Try(Layer::kNetworkNamespace, [] { return Unshare(CLONE_NEWNET, "the network"); });
    // Of this pid namespace alone (sysctl vm.memfd_noexec, 6.3).
    Try(Layer::kNoExecMemory, [&]() -> absl::Status {
      if (!walls_.own_pid_namespace) return no_pid_namespace;
      return WriteFile("/proc/sys/vm/memfd_noexec", "2");
    });
  }

  absl::Status TakeFiles() {
    absl::Status stuck;
    const bool taken = Try(Layer::kMountNamespace, [&]() -> absl::Status {
      if (!walls_.own_pid_namespace) return absl::FailedPreconditionError("without a pid namespace there is no /proc");
      const UniqueFd before(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
      GILD_RETURN_IF_ERROR(Unshare(CLONE_NEWNS, "mounts"));
      absl::Status entered = EnterOwnRoot(walls_.seen);
      // Half a root is none.
      if (!entered.ok() && setns(before.get(), CLONE_NEWNS) != 0) stuck = entered;
      return entered;
    });
    if (!taken) return stuck;
    scratch_ = kScratchFolder;
    // Where there will be no user namespace, this is the only one.
    return RenewScratch(walls_.scratch, walls_.uid == 0 ? geteuid() : walls_.uid);
  }

  absl::Status TakeIdentity() {
    // Here, once for all interpreters: it takes a system call for each. While it may: another user has no right to.
    const bool bound = !IsIn(Layer::kNoCapabilities, walls_.without);
    absl::Status bounded = bound ? DropBoundingSet() : absl::OkStatus();
    const bool own_uid =
        walls_.uid != 0 && Try(Layer::kOwnUid, [&]() -> absl::Status {
          // What was mounted is its own already.
          const std::string& scratch = walls_.host_scratch;
          if (!scratch.empty() && scratch_ == scratch && chown(scratch.c_str(), walls_.uid, walls_.uid) != 0) {
            return ErrnoStatus(errno, "give away " + scratch);
          }
          return TakeUid(walls_.uid);
        });
    if (walls_.uid == 0) {
      Note(Layer::kOwnUid, absl::PermissionDeniedError("only root can become another user"), walls_.without,
           &isolation_);
    }
    const bool own_users = Try(Layer::kUserNamespace, [] { return EnterUserNamespace(); });
    // It came with all of them.
    if (bound && own_users) bounded = DropBoundingSet();
    if (!bounded.ok()) isolation_.missing.push_back({Layer::kNoCapabilities, std::string(bounded.message())});
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ErrnoStatus(errno, "clear dumpable");
    // Again: who becomes another user loses it (prctl(2)).
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return ErrnoStatus(errno, "set parent death signal");
    // Whoever we have become may have no right to mount: then it has the first one.
    const bool may_mount = own_users || !own_uid;
    if (!isolation_.Has(Layer::kMountNamespace) || !may_mount) return absl::OkStatus();
    return RenewScratch(walls_.scratch, geteuid());
  }

  EnteredSlot Done() && {
    return {.isolation = std::move(isolation_), .scratch = std::move(scratch_), .group_error = std::move(group_error_)};
  }

 private:
  template <typename Step>
  bool Try(Layer layer, const Step& step) {
    const bool on = !IsIn(layer, walls_.without);
    const absl::Status applied = on ? step() : absl::OkStatus();
    Note(layer, applied, walls_.without, &isolation_);
    return on && applied.ok();
  }

  const SlotWalls& walls_;
  Isolation isolation_;
  std::string scratch_;
  std::string group_error_;
};

struct InterpreterLayer {
  Layer layer;
  absl::Status (*apply)(const InterpreterWalls& walls);
};

// In this order: Landlock forbids to write to /proc, and so locks the score.
constexpr InterpreterLayer kSealing[] = {
    {Layer::kOomScore, [](const InterpreterWalls&) { return WriteFile("/proc/self/oom_score_adj", "1000"); }},
    {Layer::kNoCapabilities, [](const InterpreterWalls&) { return DropCapabilities(); }},
    {Layer::kLandlock,
     [](const InterpreterWalls& walls) {
       if (walls.rules != nullptr) return walls.rules->Apply();
       const absl::StatusOr<LandlockRules> rules = LandlockRules::Make(walls.profile, walls.seen, walls.scratch);
       return rules.ok() ? rules->Apply() : rules.status();
     }},
};

absl::Status NoFilter() { return absl::FailedPreconditionError("system call filter: there is none"); }

absl::StatusOr<UniqueFd> InstallFilter(const InterpreterWalls& walls) {
  if (walls.filter == nullptr) return NoFilter();
  return walls.filter->ok() ? (*walls.filter)->Install() : walls.filter->status();
}

// What a step says in a forked child.
absl::Status InChild(const std::function<absl::Status()>& step) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus(errno, "fork");
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const absl::Status status = step();
    const std::string text = status.ok() ? "" : absl::StrCat("!", status.message());
    (void)!write(writing.get(), text.data(), text.size());
    _exit(status.ok() ? 0 : 1);
  }
  writing.reset();
  std::string said;
  char bytes[256];
  ssize_t count;
  while ((count = read(reading.get(), bytes, sizeof bytes)) > 0) said.append(bytes, count);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (said.empty() && status == 0) return absl::OkStatus();
  return absl::UnavailableError(said.empty() ? absl::StrCat("it ended its process: wait status ", status)
                                             : said.substr(1));
}

}  // namespace

NewPidNamespace::NewPidNamespace() : own_(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) {
  entered_ = own_.valid() && unshare(CLONE_NEWPID) == 0;
}

NewPidNamespace::~NewPidNamespace() {
  // A process may unshare again only from its own namespace.
  if (entered_) GILD_CHECK(setns(own_.get(), CLONE_NEWPID) == 0);
}

// ---- a slot's init ----

absl::StatusOr<EnteredSlot> EnterSlot(const SlotWalls& walls) {
  SlotEntry entry(walls);
  entry.JoinGroups();
  GILD_RETURN_IF_ERROR(entry.StandApart());
  entry.LeaveNamespaces();
  GILD_RETURN_IF_ERROR(entry.TakeFiles());
  GILD_RETURN_IF_ERROR(entry.TakeIdentity());
  return std::move(entry).Done();
}

void KillAllAndReap(bool own_pid_namespace) {
  // Nobody escapes the first: a fork that is under way fails when a signal waits (fork in the kernel). But to send it
  // to all is dear where there are thousands, so not for each that is reaped.
  constexpr int kReapedPerKill = 256;
  for (int reaped = 0;; ++reaped) {
    if (!own_pid_namespace) {
      // Orphans have landed on us, the subreaper, so our children are all there is.
      std::ifstream children("/proc/thread-self/children");
      pid_t child;
      while (children >> child) kill(child, SIGKILL);
    } else if (reaped % kReapedPerKill == 0) {
      kill(-1, SIGKILL);
    }
    if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

// ---- an interpreter ----

absl::Status EnterInterpreter(const InterpreterPlace& place, std::initializer_list<int> keep,
                              const std::vector<Layer>& without) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return ErrnoStatus(errno, "set parent death signal");
  // Its files in /proc are its own, and debuggers and profilers may look at user code; its init stays closed to them.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "set dumpable");
  if (place.adopts && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "become subreaper");
  GILD_RETURN_IF_ERROR(OwnProcessGroup());
  GILD_RETURN_IF_ERROR(StandardDescriptorsToNull());
  if (!IsIn(Layer::kClosedDescriptors, without)) GILD_RETURN_IF_ERROR(CloseAllBut(std::vector<int>(keep)));
  if (chdir(place.scratch.c_str()) != 0) return ErrnoStatus(errno, "enter " + place.scratch);
  if (place.core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(place.core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) return ErrnoStatus(errno, "pin to a core");
  }
  if (place.nice != 0 && setpriority(PRIO_PROCESS, 0, place.nice) != 0) return ErrnoStatus(errno, "set nice");
  return IsIn(Layer::kRlimits, without) ? absl::OkStatus() : SetLimits();
}

absl::Status CheckFilter(const InterpreterWalls& walls) {
  if (IsIn(Layer::kSeccomp, walls.without)) return absl::OkStatus();
  return walls.filter != nullptr ? walls.filter->status() : NoFilter();
}

absl::StatusOr<UniqueFd> SealInterpreter(const InterpreterWalls& walls) {
  for (const InterpreterLayer& layer : kSealing) {
    if (!IsIn(layer.layer, walls.without)) GILD_RETURN_IF_ERROR(layer.apply(walls));
  }
  if (IsIn(Layer::kSeccomp, walls.without)) return UniqueFd();
  return InstallFilter(walls);
}

Isolation ProbeInterpreterLayers(const InterpreterWalls& walls) {
  Isolation isolation;
  // Where one of these fails, nothing starts.
  for (const Layer layer : {Layer::kNoNewPrivs, Layer::kRlimits, Layer::kClosedDescriptors, Layer::kCleanEnvironment}) {
    Note(layer, absl::OkStatus(), walls.without, &isolation);
  }
  for (const InterpreterLayer& layer : kSealing) {
    Note(layer.layer, InChild([&] { return layer.apply(walls); }), walls.without, &isolation);
  }
  Note(Layer::kSeccomp, InChild([&] { return InstallFilter(walls).status(); }), walls.without, &isolation);
  return isolation;
}

}  // namespace gild
