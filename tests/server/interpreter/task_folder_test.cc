// Folders of tasks, as tasks leave them: nothing is followed, nothing waits, everything is bounded.
#include "server/interpreter/task_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/base/unique_fd.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// Rights mean nothing to root. Until the test's end.
void BeNobody() { ASSERT_TRUE(geteuid() != 0 || seteuid(65534) == 0); }

class TaskFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    const mode_t before = umask(022);
    umask(before);
    umask_ = before;
    start_ = fs::current_path();
    std::string root = testing::TempDir() + "/gild-folder-XXXXXX";
    ASSERT_NE(mkdtemp(root.data()), nullptr);
    ASSERT_EQ(chmod(root.c_str(), 0777), 0);
    root_ = fs::canonical(root);
    fs::current_path(root_);
    scratch_ = Scratch::Here(/*shared=*/false);
  }
  void TearDown() override {
    folder_.reset();
    umask(umask_);
    (void)seteuid(getuid());
    fs::current_path(start_);
    const UniqueFd parent(open(root_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(RemoveAll(parent.get(), root_.filename()));
  }

  // {path, content}
  using Files = std::vector<std::pair<std::string, std::string>>;

  absl::Status Enter(const Files& files = {}) {
    google::protobuf::RepeatedPtrField<internal::File> wire;
    for (const auto& [path, content] : files) {
      internal::File& file = *wire.Add();
      file.set_path(path);
      file.set_content(content);
    }
    folder_.emplace(&scratch_, 7);
    return folder_->Enter(wire);
  }

  Collected Collect(
      const std::vector<std::string>& patterns, uint64_t room = 1 << 20,
      const std::function<bool()>& give_up = [] { return false; }) {
    return folder_->Collect({patterns.begin(), patterns.end()}, room, give_up);
  }
  // What a task writes: a folder for each part.
  static void Write(const fs::path& path, const std::string& content = "") {
    if (path.has_parent_path()) fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    ASSERT_TRUE(fs::exists(path));
  }
  static Files Of(const Collected& collected) {
    Files files;
    for (const internal::File& file : collected.files) files.emplace_back(file.path(), file.content());
    return files;
  }
  // Folders within each other, far beyond what a path may name.
  static void MakeDeepTree(int depth) {
    UniqueFd folder(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(mkdirat(folder.get(), "d", 0700), 0);
      folder = UniqueFd(openat(folder.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(folder.valid());
      UniqueFd(openat(folder.get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
  }

  fs::path start_, root_;
  mode_t umask_ = 022;
  Scratch scratch_;
  std::optional<TaskFolder> folder_;
};

// ---- entering and leaving ----

TEST_F(TaskFolderTest, FilesArePlacedInAFolderOfItsOwn) {
  ASSERT_TRUE(Enter({{"a.csv", std::string("1,2\0", 4)}, {"in/deep/b", ""}, {"in/c", "c"}}).ok());
  EXPECT_EQ(fs::current_path(), root_ / "task-7");
  EXPECT_EQ(fs::status(".").permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::file_size("a.csv"), 4u);
  EXPECT_TRUE(fs::is_regular_file("in/deep/b"));
  EXPECT_EQ(fs::file_size("in/c"), 1u);
}

TEST_F(TaskFolderTest, NothingIsLeftOfIt) {
  ASSERT_TRUE(Enter({{"in/a", "a"}}).ok());
  umask(0);
  folder_->Leave();
  EXPECT_EQ(fs::current_path(), root_);
  EXPECT_EQ(umask(scratch_.umask), scratch_.umask);
  EXPECT_TRUE(fs::exists("task-7/in/a")) << "to be collected";
  folder_.reset();
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, OneThatIsNotLeftIsLeftAtItsEnd) {
  ASSERT_TRUE(Enter().ok());
  folder_.reset();
  EXPECT_EQ(fs::current_path(), root_);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, FileThatCannotBePlacedIsNamedAndNothingIsLeft) {
  const absl::Status placed = Enter({{"a", ""}, {"b", ""}, {"a/x", ""}});
  EXPECT_THAT(std::string(placed.message()), HasSubstr("'a/x': Not a directory"));
  EXPECT_EQ(fs::current_path(), root_);
  folder_.reset();
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, FolderThatCannotBeMadeIsSaidSo) {
  Write("task-7/kept");
  EXPECT_THAT(std::string(Enter().message()), HasSubstr("File exists"));
  folder_.reset();
  EXPECT_TRUE(fs::exists("task-7/kept")) << "not ours";
}

TEST_F(TaskFolderTest, ThreadHasAWorkingDirectoryOfItsOwn) {
  scratch_.shared = true;
  const mode_t before = umask(027);
  std::thread([this] {
    ASSERT_TRUE(Enter().ok());
    EXPECT_EQ(fs::current_path(), root_ / "task-7");
    umask(0);
    std::thread([this] { EXPECT_EQ(fs::current_path(), root_ / "task-7") << "its threads share it"; }).join();
    folder_->Leave();
    EXPECT_EQ(fs::current_path(), root_);
  }).join();
  EXPECT_EQ(fs::current_path(), root_);
  EXPECT_EQ(umask(before), 027u);
}

TEST_F(TaskFolderTest, ThreadThatIsLeftBehindDoesNotComeAlongToTheNextTask) {
  scratch_.shared = true;
  std::thread([this] {
    ASSERT_TRUE(Enter().ok());
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    std::thread left_behind([&] {
      char byte;
      ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
      EXPECT_EQ(chdir("/"), 0);
    });
    folder_.reset();
    ASSERT_TRUE(Enter().ok());
    ASSERT_EQ(write(pipe_ends[1], "x", 1), 1);
    left_behind.join();
    EXPECT_EQ(fs::current_path(), root_ / "task-7");
    folder_.reset();
  }).join();
}

TEST_F(TaskFolderTest, LeftFoldersAreRemovedAndNothingElse) {
  Write("task-1/a/b");
  fs::create_directory("task-22");
  for (const char* kept : {"task-", "task-1x", "task-x", "other/task-3"}) Write(kept);
  fs::create_symlink("other", "task-4");
  scratch_.RemoveLeftFolders();
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(".")) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("task-", "task-1x", "task-x", "other"));
  EXPECT_TRUE(fs::exists("other/task-3"));
}

// ---- collecting ----

TEST_F(TaskFolderTest, NamesAndPatternsFindFilesByPath) {
  ASSERT_TRUE(Enter({{"in.csv", "in"}}).ok());
  for (const char* path :
       {"out/b.png", "out/a.png", "out/a.txt", "out/deep/c.png", "top.png", "out/.hidden.png", "ö1"}) {
    Write(path, path);
  }
  const Collected collected = Collect({"out/*.png", "in.csv", "?1", "out/a.*"});
  EXPECT_THAT(Of(collected),
              ElementsAre(Pair("in.csv", "in"), Pair("out/a.png", "out/a.png"), Pair("out/a.txt", "out/a.txt"),
                          Pair("out/b.png", "out/b.png"), Pair("ö1", "ö1")));
  EXPECT_THAT(collected.warnings, IsEmpty());
  EXPECT_EQ(collected.bytes, 2u + 9 + 9 + 9 + 3);
  EXPECT_THAT(Of(Collect({"*/*/*.png"})), ElementsAre(Pair("out/deep/c.png", "out/deep/c.png")));
  EXPECT_THAT(Of(Collect({"out/.*"})), ElementsAre(Pair("out/.hidden.png", "out/.hidden.png")));
  EXPECT_THAT(Of(Collect({"[a-z]*/deep/[!x].png"})), SizeIs(1));
}

TEST_F(TaskFolderTest, PatternThatFindsNothingIsAWarning) {
  ASSERT_TRUE(Enter().ok());
  Write("out/a");
  const Collected collected = Collect({"*.png", "out", "out/a", "out/a/b"});
  EXPECT_THAT(Of(collected), SizeIs(1));
  EXPECT_THAT(collected.warnings, ElementsAre("collect: '*.png' matches no file",
                                              "collect: 'out' matches no file, but a folder: say which of its files",
                                              "collect: 'out/a/b' matches no file"));
}

TEST_F(TaskFolderTest, NoLinkIsFollowed) {
  Write(root_ / "secret/key", "secret");
  ASSERT_TRUE(Enter().ok());
  fs::create_symlink(root_ / "secret/key", "key");
  fs::create_symlink(root_ / "secret", "folder");
  fs::create_symlink("/no/where", "dangling");
  const Collected collected = Collect({"*", "folder/*"});
  EXPECT_THAT(Of(collected), IsEmpty());
  EXPECT_THAT(collected.warnings, testing::UnorderedElementsAre("collect: left out 'key': is a symbolic link",
                                                                "collect: left out 'folder': is a symbolic link",
                                                                "collect: left out 'dangling': is a symbolic link",
                                                                "collect: 'folder/*' matches no file"));
}

TEST_F(TaskFolderTest, WhatIsNoFileIsLeftOutAndNotWaitedFor) {
  ASSERT_TRUE(Enter({{"file", "x"}}).ok());
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  const UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "socket"};
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Collected collected = Collect({"*"});
  EXPECT_THAT(Of(collected), ElementsAre(Pair("file", "x")));
  EXPECT_THAT(collected.warnings, testing::UnorderedElementsAre("collect: left out 'fifo': is a fifo",
                                                                "collect: left out 'socket': is a socket"));
}

TEST_F(TaskFolderTest, WhatMayNotBeReadIsLeftOut) {
  BeNobody();
  ASSERT_TRUE(Enter({{"closed", "x"}, {"in/a", "a"}, {"open", "o"}}).ok());
  ASSERT_EQ(chmod("closed", 0), 0);
  ASSERT_EQ(chmod("in", 0), 0);
  const Collected collected = Collect({"*", "in/*"});
  EXPECT_THAT(Of(collected), ElementsAre(Pair("open", "o")));
  EXPECT_THAT(collected.warnings,
              ElementsAre("collect: left out 'in': Permission denied", "collect: 'in/*' matches no file",
                          "collect: left out 'closed': Permission denied"));
}

TEST_F(TaskFolderTest, NamesThatCannotBeSentAreLeftOut) {
  ASSERT_TRUE(Enter().ok());
  Write("\xff.png");
  const std::string part(kFilePartBytesMax, 'x');
  Write(absl::StrCat(part, "/", part, "/", part, "/", part, "/beyond"));
  const Collected collected = Collect({"*.png", "*/*/*/*/*"});
  EXPECT_THAT(Of(collected), IsEmpty());
  EXPECT_THAT(collected.warnings, testing::UnorderedElementsAre(HasSubstr("its name is not UTF-8"),
                                                                HasSubstr("its name is longer than 1024 bytes")));
}

TEST_F(TaskFolderTest, MoreBytesThanThereIsRoomForAreCountedAndNotRead) {
  ASSERT_TRUE(Enter({{"a", "1234"}, {"b", "5678"}}).ok());
  EXPECT_THAT(Of(Collect({"*"}, 8)), SizeIs(2));
  Write("huge");
  fs::resize_file("huge", uint64_t{1} << 40);  // sparse
  const Collected collected = Collect({"*"}, 8);
  EXPECT_THAT(Of(collected), IsEmpty());
  EXPECT_EQ(collected.bytes, 8 + (uint64_t{1} << 40));
}

TEST_F(TaskFolderTest, MoreFilesThanMayComeAreLeftOut) {
  ASSERT_TRUE(Enter().ok());
  for (int i = 0; i < kCollectedFilesMax + 3; ++i) Write(absl::StrCat("f", 1000 + i));
  const Collected collected = Collect({"f*"});
  EXPECT_THAT(Of(collected), SizeIs(kCollectedFilesMax));
  EXPECT_EQ(collected.files[0].path(), "f1000");
  EXPECT_THAT(collected.warnings, ElementsAre("collect: left out 3 files beyond the first 256"));
}

TEST_F(TaskFolderTest, OnlySoManyAreLookedAt) {
  ASSERT_TRUE(Enter().ok());
  const UniqueFd folder(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i <= kCollectLooksMax; ++i) {
    const UniqueFd file(openat(folder.get(), absl::StrCat(i).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(file.valid());
  }
  EXPECT_THAT(Collect({"none"}).warnings, ElementsAre(HasSubstr("more than 65536"), HasSubstr("no file")));
}

TEST_F(TaskFolderTest, WarningsAreBounded) {
  ASSERT_TRUE(Enter().ok());
  for (int i = 0; i < 40; ++i) fs::create_symlink("x", absl::StrCat(std::string(kFilePartBytesMax - 2, 'x'), 10 + i));
  const Collected collected = Collect({"*"});
  ASSERT_THAT(collected.warnings, SizeIs(kWarningsMax));
  EXPECT_EQ(collected.warnings.back(), "collect: warnings left out: 25");
  for (const std::string& warning : collected.warnings) EXPECT_LE(warning.size(), size_t{kWarningBytesMax});
}

TEST_F(TaskFolderTest, CollectingCanBeGivenUp) {
  ASSERT_TRUE(Enter({{"a", "a"}, {"b", "b"}}).ok());
  int questions = 0;
  const Collected collected = Collect({"*"}, 100, [&] { return ++questions == 2; });
  EXPECT_TRUE(collected.given_up);
  EXPECT_THAT(Of(collected), IsEmpty());
  for (int i = 0; i < 600; ++i) Write(absl::StrCat("f", i));
  EXPECT_TRUE(Collect({"none"}, 100, [] { return true; }).given_up);
}

TEST_F(TaskFolderTest, AnotherFolderInItsPlaceIsNotCollectedFrom) {
  ASSERT_TRUE(Enter({{"a", "a"}}).ok());
  fs::rename(root_ / "task-7", root_ / "moved");
  EXPECT_THAT(Collect({"*"}).warnings, ElementsAre(HasSubstr("moved")));
  Write(root_ / "secret/a", "secret");
  fs::create_symlink("secret", root_ / "task-7");
  EXPECT_THAT(Of(Collect({"*"})), IsEmpty());
  fs::remove(root_ / "task-7");
  fs::create_directory(root_ / "task-7");
  Write(root_ / "task-7/a", "another");
  const Collected collected = Collect({"*"});
  EXPECT_THAT(Of(collected), IsEmpty());
  EXPECT_THAT(collected.warnings, ElementsAre(HasSubstr("moved")));
  folder_.reset();
  EXPECT_TRUE(fs::exists(root_ / "secret/a"));
}

// ---- removing ----

TEST_F(TaskFolderTest, LinksAreRemovedNotFollowed) {
  Write(root_ / "kept/a");
  ASSERT_TRUE(Enter().ok());
  fs::create_symlink(root_ / "kept", "link");
  fs::create_directories("d/e");
  fs::create_symlink(root_ / "kept", "d/e/link");
  folder_.reset();
  EXPECT_FALSE(fs::exists(root_ / "task-7"));
  EXPECT_TRUE(fs::exists(root_ / "kept/a"));
}

TEST_F(TaskFolderTest, DeepTreesAreRemoved) {
  ASSERT_TRUE(Enter().ok());
  MakeDeepTree(10'000);
  folder_.reset();
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, NamesThatRemovingUsesItselfAreInNobodysWay) {
  ASSERT_TRUE(Enter().ok());
  for (int i = 1; i <= 50; ++i) {
    Write(absl::StrCat("d", i % 5, "/sub", i, "/deep", i, "/f"));
    i % 2 == 0 ? Write(absl::StrCat(i)) : Write(absl::StrCat(i, "/x/y"));
  }
  folder_.reset();
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, FoldersThatWereClosedAreRemoved) {
  BeNobody();
  ASSERT_TRUE(Enter().ok());
  for (const mode_t mode : {0000, 0200, 0400, 0500, 0100}) {
    const std::string name = absl::StrCat("d", mode);
    Write(absl::StrCat(name, "/inner/deepest/f"));
    ASSERT_EQ(chmod((name + "/inner/deepest").c_str(), mode), 0);
    ASSERT_EQ(chmod((name + "/inner").c_str(), mode), 0);
    ASSERT_EQ(chmod(name.c_str(), mode), 0);
  }
  ASSERT_EQ(chmod(".", 0), 0);
  folder_.reset();
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(TaskFolderTest, WhatCannotBeRemovedDoesNotKeepItForEver) {
  ASSERT_TRUE(Enter().ok());
  Write("d/kept");
  Write("d/gone");
  if (geteuid() != 0) GTEST_SKIP() << "needs another's folder";
  ASSERT_EQ(chmod(root_.c_str(), 01777), 0);
  ASSERT_EQ(chown("d", 65533, 65533), 0);
  ASSERT_EQ(chown(".", 65534, 65534), 0);
  BeNobody();
  folder_.reset();
  EXPECT_TRUE(fs::exists(root_ / "task-7"));
}

}  // namespace
}  // namespace gild
