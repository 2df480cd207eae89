// Programs that a user names: what they may do to the client, and what is believed of what they say.
#include "client/cli/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/child.h"
#include "client/cli/exit_code.h"

namespace gild::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// For what ends by itself: never met.
constexpr absl::Duration kLong = absl::Minutes(4);
// For what does not.
constexpr absl::Duration kShort = absl::Milliseconds(200);

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~ProgramTest() override {
    for (int i = 0; i < programs_; ++i) unlink(absl::StrCat(folder_, "/", i).c_str());
    rmdir(folder_.c_str());
  }

  // A program with such a text.
  std::string Program(const std::string& interpreter, const std::string& text) {
    const std::string path = absl::StrCat(folder_, "/", programs_++);
    std::ofstream(path) << "#!" << interpreter << "\n" << text;
    EXPECT_EQ(chmod(path.c_str(), 0700), 0);
    return path;
  }
  std::string Shell(const std::string& text) { return Program("/bin/sh", text); }
  // A Python that says what it likes of itself.
  std::string Python(const std::string& pretence) {
    return Program(GILD_PYTHON, absl::StrCat("import sys\n", pretence,
                                             "\nprogram = sys.argv[2]\nsys.argv = ['-c'] + sys.argv[3:]\n"
                                             "exec(compile(program, '<string>', 'exec'))\n"));
  }

 private:
  std::string folder_ = ::testing::TempDir() + "/gild-runtime-XXXXXX";
  int programs_ = 0;
};

using ChildTest = ProgramTest;
using RuntimeTest = ProgramTest;

TEST_F(ChildTest, SaysWhatItSaidAndHowItEnded) {
  const auto exited = RunChild({Shell("echo \"$1\"; echo err >&2; exit 3"), "a  'b' $c"}, kLong, 100);
  ASSERT_TRUE(exited.ok()) << exited.status();
  EXPECT_EQ(exited->exit_code, 3);
  EXPECT_EQ(exited->out, "a  'b' $c\n");
  EXPECT_EQ(exited->err, "err\n");
  const auto killed = RunChild({Shell("kill -TERM $$")}, kLong, 100);
  ASSERT_TRUE(killed.ok());
  EXPECT_EQ(killed->exit_code, 128 + SIGTERM);
}

TEST_F(ChildTest, WhatCannotBeStartedSaysWhy) {
  EXPECT_EQ(RunChild({"/no/such"}, kLong, 100).status().message(), "No such file or directory");
  EXPECT_EQ(RunChild({"/tmp"}, kLong, 100).status().message(), "Permission denied");
  // A text without a first line that names its reader is for no shell of ours.
  const std::string text = Shell("");
  std::ofstream(text) << "echo hello\n";
  EXPECT_EQ(RunChild({text}, kLong, 100).status().message(), "Exec format error");
}

TEST_F(ChildTest, OneThatDoesNotEndIsEndedWithWhatItStarted) {
  const std::string file = Shell("");
  const auto hung = RunChild({Shell("sleep 1000 & echo $! > \"$1\"; exec >&- 2>&-; wait"), file}, kShort, 100);
  EXPECT_EQ(hung.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(hung.status().message(), "did not end within 200ms");
  std::string line;
  std::getline(std::ifstream(file), line);
  int pid = 0;
  if (!absl::SimpleAtoi(line, &pid)) GTEST_SKIP() << "it did not come so far";
  // It has its signal, and dies of it when it is on a core next. (Valid no more: somebody has fetched it already.)
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) return;
  pollfd dead = {pidfd, POLLIN, 0};
  EXPECT_EQ(poll(&dead, 1, 60'000), 1);
  close(pidfd);
}

TEST_F(ChildTest, OneThatPrintsWithoutEndIsEnded) {
  for (const std::string to : {"", " >&2"}) {
    const auto result = RunChild({Shell("yes" + to)}, kLong, 100'000);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(result.status().message()), StartsWith("printed more than "));
  }
}

TEST_F(RuntimeTest, APythonSaysWhatItIs) {
  Runtime runtime;
  Failure failure;
  ASSERT_TRUE(AskRuntime(GILD_PYTHON, kLong, &runtime, &failure)) << failure.why.cause;
  EXPECT_EQ(runtime.path, GILD_PYTHON);
  EXPECT_EQ(runtime.implementation, "CPython");
  EXPECT_THAT(runtime.Name(), StartsWith("3."));
}

TEST_F(RuntimeTest, NamesAreShort) {
  EXPECT_EQ((Runtime{.implementation = "CPython", .version = "3.13.2"}).Name(), "3.13");
  EXPECT_EQ((Runtime{.implementation = "CPython", .version = "3.14.0", .free_threaded = true}).Name(), "3.14t");
  EXPECT_EQ((Runtime{.implementation = "Jython", .version = "2.7.3"}).Name(), "Jython 2.7");
  EXPECT_EQ((Runtime{.implementation = "New", .version = "4"}).Name(), "New 4");
}

TEST_F(RuntimeTest, ThreadsDoTheWorkAndTheResultsAreChecked) {
  const Runtime runtime = {.path = Python("")};
  RuntimeRun run;
  Failure failure;
  ASSERT_TRUE(RunInThreads(runtime, PrimesWorkload(20000), 3, kLong, &run, &failure)) << failure.why.cause;
  EXPECT_GT(run.wall, absl::ZeroDuration());
  EXPECT_TRUE(run.lock.has_value());
  EXPECT_EQ(run.missing, "");
}

TEST_F(RuntimeTest, OneWithoutALockSaysSo) {
  Runtime runtime;
  RuntimeRun run;
  Failure failure;
  const std::string free = Python("sys.abiflags = 't'\nsys._is_gil_enabled = lambda: False");
  ASSERT_TRUE(AskRuntime(free, kLong, &runtime, &failure)) << failure.why.cause;
  EXPECT_TRUE(runtime.free_threaded);
  ASSERT_TRUE(RunInThreads(runtime, PrimesWorkload(100), 8, kLong, &run, &failure)) << failure.why.cause;
  EXPECT_EQ(run.lock, false);
  // What the work imports may switch the lock on, so it is asked in the end.
  runtime.path = Python("sys.abiflags = 't'\nsys._is_gil_enabled = lambda: 'count' in scope");
  ASSERT_TRUE(RunInThreads(runtime, PrimesWorkload(100), 8, kLong, &run, &failure)) << failure.why.cause;
  EXPECT_EQ(run.lock, true);
}

TEST_F(RuntimeTest, OfOthersItIsKnownOrNot) {
  const auto lock_of = [this](const std::string& implementation) {
    const Runtime runtime = {
        .path = Python(absl::StrCat("import platform\nvars(sys).pop('_is_gil_enabled', None)\n",
                                    "platform.python_implementation = lambda: '", implementation, "'"))};
    RuntimeRun run;
    Failure failure;
    EXPECT_TRUE(RunInThreads(runtime, PrimesWorkload(100), 1, kLong, &run, &failure)) << failure.why.cause;
    return run.lock;
  };
  EXPECT_EQ(lock_of("CPython"), true);
  EXPECT_EQ(lock_of("PyPy"), true);
  EXPECT_EQ(lock_of("Jython"), false);
  EXPECT_EQ(lock_of("IronPython"), false);
  EXPECT_EQ(lock_of("Another"), std::nullopt);
}

TEST_F(RuntimeTest, AModuleThatItHasNotGotIsNoFailure) {
  const Runtime runtime = {.path = Python("sys.modules['numpy'] = None")};
  RuntimeRun run;
  Failure failure;
  ASSERT_TRUE(RunInThreads(runtime, ArraysWorkload(1), 8, kLong, &run, &failure)) << failure.why.cause;
  EXPECT_THAT(run.missing, HasSubstr("numpy"));
}

TEST_F(RuntimeTest, WhatIsNoPythonIsOneClearLine) {
  const std::pair<std::string, std::string> programs[] = {
      {"/no/such", "No such file or directory"},
      {Shell("echo first >&2; echo ' why not' >&2; exit 7"), "exited with 7: why not"},
      {Shell("kill -SEGV $$"), "exited with 139"},
      {Shell("echo hello"), "gave no sensible answer, but 'hello'"},
      {Shell("exit 0"), "gave no sensible answer, but ''"},
      {Shell("exec sleep 1000"), "did not end within 200ms"},
      {Shell("yes"), "printed more than 64 KiB"},
  };
  for (const auto& [path, problem] : programs) {
    Runtime runtime;
    Failure failure;
    const absl::Duration time_most = problem == "did not end within 200ms" ? kShort : kLong;
    EXPECT_FALSE(AskRuntime(path, time_most, &runtime, &failure));
    EXPECT_EQ(failure.exit_code, kExitUsage);
    EXPECT_EQ(failure.why.cause, absl::StrCat("--runtime ", path, ": ", problem));
    EXPECT_NE(failure.why.hint, "");
  }
}

TEST_F(RuntimeTest, NonsenseIsNotBelieved) {
  const std::string sound = "implementation CPython\nversion 3.13.0\nfree_threaded 0\n";
  Runtime runtime;
  Failure failure;
  const auto said = [this](const std::string& text) { return Shell(absl::StrCat("cat <<'END'\n", text, "END\n")); };
  ASSERT_TRUE(AskRuntime(said(sound + "seconds 0\n"), kLong, &runtime, &failure)) << failure.why.cause;
  for (const std::string& more :
       {std::string(), std::string("seconds nan\n"), std::string("seconds -1\n"), std::string("seconds 1e300\n"),
        std::string("seconds 0\nlock 2\n"), std::string("seconds 0\nresult 1\n"), std::string("seconds 0\nelse 1\n"),
        std::string("seconds 0\nversion \x1b[2J\n"), "seconds 0\nimplementation " + std::string(33, 'x') + "\n"}) {
    EXPECT_FALSE(AskRuntime(said(sound + more), kLong, &runtime, &failure)) << more;
  }
}

TEST_F(RuntimeTest, WorkThatFailsOrIsWrongFailsTheDemo) {
  RuntimeRun run;
  Failure failure;
  EXPECT_FALSE(RunInThreads({.path = Python("import json\njson.loads = lambda text: [[0, 0, 9]]")}, PrimesWorkload(100),
                            2, kLong, &run, &failure));
  EXPECT_EQ(failure.exit_code, kExitRaised);
  EXPECT_THAT(failure.why.cause, StartsWith("the demo failed: count primes / 8, "));
  EXPECT_THAT(failure.why.cause, HasSubstr("exited with 1: ValueError"));
  EXPECT_FALSE(RunInThreads({.path = Python("import json\njson.dumps = lambda value: '5'")}, PrimesWorkload(100), 2,
                            kLong, &run, &failure));
  EXPECT_THAT(failure.why.cause, HasSubstr("41 primes up to 100 were counted; there are 25"));
}

}  // namespace
}  // namespace gild::cli
