// What a slot sees of the machine, from within: in a forked child that is the first of a pid namespace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_join.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/identity.h"
#include "server/sandbox/slot_files.h"
#include "tests/server/sandbox/in_child.h"

namespace gild {
namespace {

constexpr uid_t kUid = 1'999'999'999;

class SlotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!IsRoot()) GTEST_SKIP() << "only root can make slots by itself; an ordinary user's are made by the zygote";
  }

  static SlotWalls Walls() {
    return {.own_pid_namespace = true, .uid = kUid, .scratch = {.bytes = 1 << 20, .inodes = 32}};
  }

  // `wrong` in a slot that has every layer asked for.
  static std::string Within(const SlotWalls& walls, const std::function<std::string()>& wrong) {
    return InChild(
        [&]() -> std::string {
          const absl::StatusOr<EnteredSlot> entered = EnterSlot(walls);
          if (!entered.ok()) return std::string(entered.status().message());
          for (const MissingLayer& missing : entered->isolation.missing) {
            if (walls.without.empty()) return absl::StrCat(Name(missing.layer), " is missing: ", missing.why);
          }
          return wrong();
        },
        /*pid_namespace=*/true);
  }

  static std::string Listed(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return error ? error.message() : absl::StrJoin(names, " ");
  }

  static std::string ReadLine(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }
};

TEST_F(SlotTest, SeesOfTheMachinesFilesWhatPythonNeeds) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     std::string wrong;
                     for (const char* there : {"/usr/lib", "/lib64/ld-linux-x86-64.so.2", "/etc/passwd", "/dev/null"}) {
                       if (access(there, R_OK) != 0) absl::StrAppend(&wrong, "no ", there, " ");
                     }
                     for (const char* gone : {"/root", "/home", "/var", "/etc/shadow", "/boot", "/sys", "/run", "/.old",
                                              "/proc/sys", "/proc/kcore", "/dev/mem", "/dev/tty", "/dev/pts"}) {
                       if (access(gone, F_OK) == 0) absl::StrAppend(&wrong, gone, " ");
                     }
                     return wrong;
                   }),
            "");
  EXPECT_EQ(Within(Walls(), [] { return Listed("/"); }), "bin dev etc lib lib32 lib64 proc sbin tmp usr");
  EXPECT_EQ(Within(Walls(), [] { return Listed("/dev"); }), "fd full null random shm stderr stdin stdout urandom zero");
  EXPECT_EQ(Within(Walls(), [] { return ReadLine("/etc/passwd"); }), "task:x:1000:1000::/tmp:/usr/sbin/nologin");
}

TEST_F(SlotTest, WhatAlsoIsToBeSeenIsSeenWhereverItLies) {
  // Also where the way to it is closed to others.
  char folder[] = "/var/tmp/seen-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  SlotWalls walls = Walls();
  const std::string inside = std::string(folder) + "/inside";
  std::filesystem::create_directory(inside);
  std::ofstream(inside + "/module.py") << "x = 1\n";
  walls.seen = {inside, "/not/there"};
  EXPECT_EQ(Within(walls, [&] { return ReadLine(inside + "/module.py"); }), "x = 1");
  std::filesystem::remove_all(folder);
}

TEST_F(SlotTest, NothingOfItCanBeWrittenButTheScratchWhichHasABound) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     std::string wrong;
                     for (const char* path : {"/new", "/usr/lib/new", "/etc/new", "/dev/new"}) {
                       if (UniqueFd(open(path, O_WRONLY | O_CREAT, 0600)).valid()) absl::StrAppend(&wrong, path, " ");
                     }
                     UniqueFd file(open("/tmp/file", O_WRONLY | O_CREAT, 0600));
                     const std::string block(64 << 10, 'x');
                     size_t bytes = 0;
                     while (write(file.get(), block.data(), block.size()) == static_cast<ssize_t>(block.size())) {
                       bytes += block.size();
                     }
                     if (errno != ENOSPC || bytes > 1 << 20)
                       absl::StrAppend(&wrong, bytes, " bytes, ", strerror(errno));
                     int files = 0;
                     while (mknod(absl::StrCat("/tmp/", files).c_str(), S_IFREG | 0600, 0) == 0) ++files;
                     if (errno != ENOSPC || files > 32) absl::StrAppend(&wrong, files, " files, ", strerror(errno));
                     return wrong;
                   }),
            "");
}

TEST_F(SlotTest, TheScratchIsNewForEachInterpreter) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     std::ofstream("/tmp/left") << "behind";
                     std::ofstream("/dev/shm/left") << "behind";
                     const absl::Status renewed = RenewScratch({.bytes = 1 << 20, .inodes = 32}, geteuid());
                     return renewed.ok() ? Listed("/tmp") + Listed("/dev/shm") : std::string(renewed.message());
                   }),
            ".shm");
}

TEST_F(SlotTest, WhateverIsLeftInTheScratchShows) {
  EXPECT_EQ(
      Within(Walls(),
             [] {
               std::string wrong;
               const auto expect = [&wrong](const char* what, bool untouched, const std::function<bool()>& touch) {
                 if (!RenewScratch({.bytes = 1 << 20, .inodes = 32}, geteuid()).ok()) wrong += "cannot renew ";
                 const absl::StatusOr<ScratchMark> mark = ScratchMark::Take();
                 if (!mark.ok() || !touch() || mark->Untouched() != untouched) absl::StrAppend(&wrong, what, "; ");
               };
               UniqueFd nameless;
               const auto written = [](const char* path) {
                 return UniqueFd(open(path, O_WRONLY | O_CREAT, 0600)).valid();
               };
               expect("nothing", true, [] { return true; });
               expect("what was removed", true, [&] { return written("/tmp/x") && unlink("/tmp/x") == 0; });
               expect("a file", false, [&] { return written("/tmp/x"); });
               expect("shared memory", false, [&] { return written("/dev/shm/x"); });
               expect("a link", false, [] { return symlink("x", "/tmp/x") == 0; });
               expect("a file without a name", false, [&] {
                 nameless.reset(open("/tmp", O_TMPFILE | O_RDWR, 0600));
                 return nameless.valid();
               });
               nameless.reset();
               expect("a mode", false, [] { return chmod("/tmp", 0755) == 0; });
               expect("a mode of shared memory", false, [] { return chmod("/dev/shm", 0755) == 0; });
               // Where the kernel has any in memory (6.6).
               expect("an attribute", false, [] {
                 return setxattr("/tmp", "user.x", "y", 1, 0) == 0 || (errno == EOPNOTSUPP && chmod("/tmp", 0755) == 0);
               });
               expect("a time", true, [] {
                 const timespec times[] = {{1, 0}, {1, 0}};
                 return utimensat(AT_FDCWD, "/tmp", times, 0) == 0;
               });
               struct stat status;
               stat("/tmp", &status);
               if (status.st_mtime < 1000) wrong += "the time is still there";
               return wrong;
             }),
      "");
}

TEST_F(SlotTest, IsAUserOfItsOwnWhoIsNobodyElsewhere) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     struct stat of_root;
                     stat("/usr", &of_root);
                     // The kernel's name for users who are not in the namespace.
                     return absl::StrCat(getuid(), " ", getgid(), " ", getgroups(0, nullptr), " ", of_root.st_uid, " ",
                                         setuid(0), " ", ReadLine("/proc/self/setgroups"));
                   }),
            "1000 1000 0 65534 -1 deny");
}

TEST_F(SlotTest, MountsCannotBeUndone) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     std::string wrong;
                     if (umount2("/proc", MNT_DETACH) == 0) wrong += "proc ";
                     if (umount2("/usr/lib", MNT_DETACH) == 0) wrong += "lib ";
                     if (mount(nullptr, "/usr/lib", nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0) wrong += "remount ";
                     if (mount(nullptr, "/", nullptr, MS_REMOUNT, nullptr) == 0) wrong += "root ";
                     return wrong;
                   }),
            "");
}

TEST_F(SlotTest, SeesNoOtherProcessesNetworkOrName) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     char host[64];
                     gethostname(host, sizeof host);
                     std::string interfaces;
                     struct if_nameindex* const all = if_nameindex();
                     for (int i = 0; all != nullptr && all[i].if_name != nullptr; ++i) interfaces += all[i].if_name;
                     return absl::StrCat(getpid(), " ", host, " ", interfaces);
                   }),
            "1 gild lo");
  SlotWalls with_network = Walls();
  with_network.network = true;
  const std::string own = std::filesystem::read_symlink("/proc/self/ns/net");
  EXPECT_EQ(Within(with_network, [] { return std::filesystem::read_symlink("/proc/self/ns/net").string(); }), own);
}

TEST_F(SlotTest, TheInitIsUnseen) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     const pid_t child = fork();
                     if (child == 0) {
                       const bool sealed = DropCapabilities().ok();
                       _exit(sealed && access("/proc/1", F_OK) != 0 && access("/proc/self/status", R_OK) == 0 ? 0 : 1);
                     }
                     int status = 0;
                     waitpid(child, &status, 0);
                     return status == 0 ? "" : std::string("seen");
                   }),
            "");
}

TEST_F(SlotTest, MemoryFilesAreNotExecuted) {
  EXPECT_EQ(Within(Walls(),
                   [] {
                     constexpr unsigned kMfdExec = 0x10;
                     const UniqueFd asked(static_cast<int>(syscall(SYS_memfd_create, "x", kMfdExec)));
                     const UniqueFd silent(memfd_create("x", 0));
                     struct stat status;
                     fstat(silent.get(), &status);
                     return absl::StrCat(asked.valid() ? "made " : "", status.st_mode & 0111 ? "executable" : "");
                   }),
            "");
}

TEST_F(SlotTest, TheScratchIsWritableWhoeverItIs) {
  for (const std::vector<Layer>& without : std::vector<std::vector<Layer>>{
           {}, {Layer::kUserNamespace}, {Layer::kOwnUid}, {Layer::kOwnUid, Layer::kUserNamespace}}) {
    SlotWalls walls = Walls();
    walls.without = without;
    EXPECT_EQ(Within(walls,
                     [] {
                       std::string wrong = DropCapabilities().ok() ? "" : "capabilities ";
                       for (const char* const path : {"/tmp/file", "/dev/shm/file"}) {
                         if (!UniqueFd(open(path, O_WRONLY | O_CREAT, 0600)).valid()) wrong += path;
                       }
                       return wrong;
                     }),
              "")
        << without.size();
  }
}

TEST_F(SlotTest, WithoutFilesOfItsOwnAFolderOfTheMachinesIsIts) {
  char folder[] = "/tmp/scratch-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  SlotWalls walls = Walls();
  walls.without = {Layer::kMountNamespace};
  walls.host_scratch = folder;
  EXPECT_EQ(Within(walls,
                   [&folder] {
                     const bool sealed = DropCapabilities().ok();
                     const UniqueFd file(open(absl::StrCat(folder, "/file").c_str(), O_WRONLY | O_CREAT, 0600));
                     return std::string(sealed && file.valid() ? "" : "closed");
                   }),
            "");
  std::filesystem::remove_all(folder);
}

TEST_F(SlotTest, ALayerThatIsSwitchedOffIsMissingAndTheRestIsThere) {
  for (const Layer layer : {Layer::kIpcNamespace, Layer::kMountNamespace, Layer::kUserNamespace, Layer::kOwnUid}) {
    SlotWalls walls = Walls();
    walls.without = {layer};
    EXPECT_EQ(InChild(
                  [&]() -> std::string {
                    const absl::StatusOr<EnteredSlot> entered = EnterSlot(walls);
                    if (!entered.ok()) return std::string(entered.status().message());
                    std::string missing;
                    for (const MissingLayer& one : entered->isolation.missing) {
                      absl::StrAppend(&missing, Name(one.layer), ": ", one.why);
                    }
                    return missing;
                  },
                  /*pid_namespace=*/true),
              absl::StrCat(Name(layer), ": switched off"));
  }
}

}  // namespace
}  // namespace gild
