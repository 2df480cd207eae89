// Honest work passes under the policy: the standard library's own tests, and what people do with the usual libraries.
// What is left out of a module's tests is what a lane is not for, with the reason beside it; what starts processes runs
// in a task that asks for them, all the rest in one that does not.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Module {
  const char* name;
  std::vector<v1::Tag> lanes;
  std::vector<const char*> start_processes = {};
  std::vector<const char*> left_out_of_io = {};
};

const std::vector<v1::Tag> kBoth = {v1::CPU, v1::IO};
// The CPU lane has no network, not even loopback's.
const std::vector<v1::Tag> kIoOnly = {v1::IO};
// Signals, and an event loop that is there unasked, are the main thread's; a task of the I/O lane runs in another.
const std::vector<v1::Tag> kCpuOnly = {v1::CPU};

const Module kStandardLibrary[] = {
    {"test.test_json", kBoth, {"test_tool.TestTool"}},
    {"test.test_re", kBoth, {"ReTests.test_regression_gh94675"}},
    {"test.test_zipfile", kBoth, {"CommandLineTest", "TestExecutablePrependedZip", "TestPath.test_encoding_warnings"}},
    {"test.test_hashlib", kBoth},
    {"test.test_threading",
     kBoth,
     {"AtexitTests", "SubinterpThreadingTests.test_daemon_threads_fatal_error", "ThreadJoinOnShutdown",
      "ThreadTests.test_dummy_thread_after_fork", "ThreadTests.test_finaliz", "ThreadTests.test_fork_at_exit",
      "ThreadTests.test_import_from_another_thread", "ThreadTests.test_is_alive_after_fork",
      "ThreadTests.test_join_nondaemon_on_shutdown", "ThreadTests.test_locals_at_exit", "ThreadTests.test_main_thread_",
      "ThreadingExceptionTests.test_print_exception", "ThreadingExceptionTests.test_recursion_limit"},
     {"InterruptMainTests", "ThreadTests.test_main_thread", "ThreadingExceptionTests.test_joining_current_thread"}},
    {"test.test_asyncio.test_tasks",
     kCpuOnly,
     {"CoroutineGatherTests.test_env_var_debug", "FutureGatherTests.test_env_var_debug"}},
    {"test.test_asyncio.test_futures", kCpuOnly},
    {"test.test_asyncio.test_runners", kCpuOnly},
    {"test.test_asyncio.test_locks", kBoth},
    {"test.test_asyncio.test_queues", kBoth},
    {"test.test_asyncio.test_timeouts", kBoth},
    {"test.test_asyncio.test_selector_events", kBoth},
    {"test.test_asyncio.test_threads", kBoth},
    {"test.test_asyncio.test_base_events", kIoOnly, {"BaseEventLoopTests.test_env_var_debug"}},
    {"test.test_asyncio.test_sock_lowlevel", kIoOnly},
    {"test.test_asyncio.test_streams",
     kIoOnly,
     {},
     {"StreamTests.test_multiple_drain", "StreamTests.test_read_all_from_pipe_reader", "StreamTests.test_start_server",
      "StreamTests.test_streamreader_constructor_use_running_loop",
      "StreamTests.test_streamreaderprotocol_constructor_use_running_loop"}},
};

class HonestTest : public ServerFixture {
 protected:
  void Start() { StartServer({"--io-threads", "1", "--io-interpreters", "1", "--cpu-interpreters", "2"}); }
};

v1::Value Names(const std::vector<const char*>& names) {
  const auto quoted = [](std::string* out, const char* name) { absl::StrAppend(out, "\"", name, "\""); };
  return Json(absl::StrCat("[", absl::StrJoin(names, ",", quoted), "]"));
}

TEST_F(HonestTest, TheStandardLibrarysOwnTestsPass) {
  Start();
  if (absl::string_view(GetInfo().python_version()).substr(0, 5) != "3.11.") {
    GTEST_SKIP() << "which tests there are, and which of them are left out, is said of 3.11";
  }
  if (Lacks("test.test_json")) GTEST_SKIP() << "the tests are not installed";
  struct Running {
    std::string what;
    std::unique_ptr<PendingRun> run;
  };
  std::vector<Running> all;
  const auto run = [&](const Module& module, v1::Tag tag, bool processes) {
    std::vector<const char*> left_out = tag == v1::IO ? module.left_out_of_io : std::vector<const char*>();
    if (!processes) left_out.insert(left_out.end(), module.start_processes.begin(), module.start_processes.end());
    v1::Task task = Call(tag, "honest/standard_library.py", "run",
                         {Json(absl::StrCat("\"", module.name, "\"")), Names(left_out),
                          Names(processes ? module.start_processes : std::vector<const char*>())});
    task.set_allow_subprocess(processes);
    task.mutable_limits()->mutable_wall()->set_seconds(60);
    task.mutable_limits()->mutable_queue()->set_seconds(180);
    all.push_back({absl::StrCat(module.name, tag == v1::IO ? ", I/O lane" : ", CPU lane",
                                processes ? ", what starts processes" : ""),
                   RunLater(task)});
  };
  for (const Module& module : kStandardLibrary) {
    for (const v1::Tag tag : module.lanes) {
      run(module, tag, /*processes=*/false);
      if (!module.start_processes.empty()) run(module, tag, /*processes=*/true);
    }
  }
  for (Running& running : all) {
    SCOPED_TRACE(running.what);
    const v1::Outcome& outcome = running.run->outcome();
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_THAT(outcome.result().json(), HasSubstr("\"failed\":[],\"missing\":[]"));
    EXPECT_THAT(outcome.result().json(), ::testing::Not(StartsWith("{\"run\":0,")));
  }
}

class HonestUseTest : public BothLanesFixture {};

INSTANTIATE_IN_BOTH_LANES(HonestUseTest);

TEST_P(HonestUseTest, OfTheUsualLibrariesGoesAsElsewhere) {
  StartSmallServer();
  const std::pair<const char*, const char*> kUses[] = {{"numpy", "honest/numpy_use.py"},
                                                       {"PIL", "honest/pillow_use.py"},
                                                       {"pandas", "honest/pandas_use.py"},
                                                       {"sqlite3", "honest/sqlite3_use.py"}};
  for (const auto& [module, file] : kUses) {
    if (Lacks(module)) {
      std::cout << module << " is not installed\n";
      continue;
    }
    const v1::Outcome outcome = Run(Script(GetParam(), Testcase(file)));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << file << "\n" << outcome.DebugString();
    EXPECT_EQ(outcome.stdout(), "done\n");
  }
}

}  // namespace
}  // namespace gild::testing
