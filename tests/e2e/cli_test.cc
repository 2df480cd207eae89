// The real `gild` against the real server: what it prints, and the table of exit codes.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CliTest : public ServerFixture {
 protected:
  CommandResult Gild(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), GILD_CLI);
    arguments.insert(arguments.end(), {"--server", address()});
    return RunCommand(arguments, input);
  }

  // A function of tests/testcases in the CPU lane.
  CommandResult GildCall(const std::string& file, const std::string& entry, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"run",     "--tag", "cpu",
                                          "--entry", entry,   std::string(GILD_TESTCASES) + "/" + file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Gild(arguments);
  }
};

TEST_F(CliTest, RunPassesOutputThrough) {
  StartSmallServer();
  CommandResult result = Gild({"run", "-c", "import sys; print('out'); print('err', file=sys.stderr)"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

TEST_F(CliTest, RunReadsStandardInput) {
  StartSmallServer();
  EXPECT_EQ(Gild({"run", "--tag", "io", "-"}, "print(6 * 7)").out, "42\n");
}

TEST_F(CliTest, RunPrintsAnEntrysResultAsJson) {
  StartSmallServer();
  CommandResult result = GildCall("scripts.py", "add", {"--arg", "1", "--arg", "41"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "{\"sum\":42}\n");
}

TEST_F(CliTest, ExitCodesAreTheTables) {
  StartSmallServer();
  struct Case {
    CommandResult result;
    int exit_code;
    std::string err;
  };
  for (const Case& test : {
           Case{Gild({"run", "-c", "pass"}), 0, ""},
           Case{Gild({"run", "-c", "1/0"}), 1, "ZeroDivisionError"},
           Case{Gild({"run", "-c", "raise SystemExit(9)"}), 9, ""},
           Case{Gild({"run", "-c", "("}), 126, "SyntaxError"},
           Case{Gild({"run", "-c", "import no_such_module"}), 126, "ModuleNotFoundError"},
           Case{Gild({"run", "-c", "eval('(')"}), 1, "SyntaxError"},
           Case{GildCall("scripts.py", "no_such_entry"), 127, "no_such_entry"},
           Case{GildCall("blocks.py", "spin", {"--timeout", "300ms"}), 124, "TIMED_OUT"},
           Case{GildCall("crashes.py", "segfault"), 139, "CRASHED"},
           Case{GildCall("hogs.py", "memory_in_pieces", {"--memory", "64MiB"}), 137, "MEMORY_LIMIT"},
           Case{Gild({"run", "--no-such-option", "-c", "pass"}), 2, "--no-such-option"},
           Case{Gild({"run", "/no/such/file.py"}), 2, "/no/such/file.py"},
       }) {
    EXPECT_EQ(test.result.exit_code, test.exit_code) << test.result.err;
    EXPECT_THAT(test.result.err, HasSubstr(test.err));
  }
}

TEST_F(CliTest, SignalStopsTheTaskOnTheServer) {
  StartSmallServer();
  uint64_t cancelled = 0;
  for (const auto& [signal, exit_code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    Doorbell doorbell;
    int in = MemoryFile(), out = MemoryFile(), err = MemoryFile();
    int gild = Spawn({GILD_CLI, "run", "--server", address(), "--tag", "io", "--entry", "ring_and_wait", "--arg",
                      std::to_string(doorbell.port()), std::string(GILD_TESTCASES) + "/waits.py"},
                     in, out, err);
    doorbell.AwaitRings(1);
    kill(gild, signal);
    EXPECT_EQ(AwaitExit(gild), exit_code) << ContentOf(err);
    EXPECT_EQ(ContentOf(out), "");
    EXPECT_THAT(ContentOf(err), HasSubstr("cancelled"));
    for (int fd : {in, out, err}) close(fd);
    ++cancelled;
    Eventually("the task has ended", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == cancelled; });
    EXPECT_EQ(LaneOf(v1::IO_LANE).running(), 0u);
  }
}

TEST_F(CliTest, ServerThatIsNotThereIsOneClearLine) {
  StartSmallServer();
  StopServer();
  CommandResult result = Gild({"run", "-c", "pass"});
  EXPECT_EQ(result.exit_code, 69);
  EXPECT_THAT(result.err, HasSubstr(address()));
  // The cause, and the hint.
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
}

TEST_F(CliTest, JsonIsOneLineWithTheReply) {
  StartSmallServer();
  CommandResult result = GildCall("scripts.py", "add", {"--arg", "1", "--arg", "41", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
  google::protobuf::Struct reply;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &reply).ok()) << result.out;
  const auto& fields = reply.fields();
  ASSERT_EQ(fields.count("ending") + fields.count("result") + fields.count("stdout") + fields.count("stderr") +
                fields.count("usage") + fields.count("lock"),
            6u)
      << result.out;
  EXPECT_EQ(fields.at("ending").string_value(), "SUCCEEDED");
  EXPECT_EQ(fields.at("result").struct_value().fields().at("sum").number_value(), 42);
  EXPECT_EQ(fields.at("usage").struct_value().fields().at("run").string_value().back(), 's');
}

TEST_F(CliTest, JsonReplacesBadText) {
  StartSmallServer();
  CommandResult result = Gild({"run", "--json", "-c", "import sys; sys.stdout.buffer.write(b'a\\xffb')"});
  google::protobuf::Struct reply;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &reply).ok()) << result.out;
  EXPECT_EQ(reply.fields().at("stdout").string_value(),
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(CliTest, DemoLeavesOutWhatTheCpuLaneHasNoNetworkFor) {
  StartSmallServer();
  const CommandResult result = Gild({"demo", "--scale", "0.01", "--only", "urls", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("left out in the CPU lane, which has no network on this server"));
  EXPECT_THAT(result.out, HasSubstr("\"io\""));
  EXPECT_THAT(result.out, ::testing::Not(HasSubstr("\"cpu\"")));
}

TEST_F(CliTest, DemoMeasuresEveryWorkloadInBothLanes) {
  LetCpuTasksRing();  // or download
  StartSmallServer();
  if (Lacks("PIL") || Lacks("numpy")) GTEST_SKIP() << "no Pillow or no NumPy";
  CommandResult result = Gild({"demo", "--scale", "0.01", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  google::protobuf::Struct report;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &report).ok()) << result.out;
  std::multiset<std::string> rows;
  for (const auto& value : report.fields().at("rows").list_value().values()) {
    const auto& row = value.struct_value().fields();
    rows.insert(row.at("workload").string_value() + " " + row.at("lane").string_value());
    const auto& endings = row.at("endings").struct_value().fields();
    ASSERT_THAT(endings, ::testing::SizeIs(1)) << result.out;
    EXPECT_EQ(endings.begin()->first, "SUCCEEDED");
    EXPECT_EQ(endings.begin()->second.number_value(), row.at("tasks").number_value());
  }
  EXPECT_THAT(rows, ::testing::ElementsAre("arrays cpu", "arrays io", "images cpu", "images io", "primes cpu",
                                           "primes io", "urls cpu", "urls io"));
}

TEST_F(CliTest, DemoRunsAnotherRuntimesThreads) {
  StartSmallServer();
  CommandResult result = Gild({"demo", "--only", "primes", "--scale", "0.01", "--runtime", GILD_PYTHON, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  google::protobuf::Struct report;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &report).ok()) << result.out;
  const auto& runtime = report.fields().at("runtime").struct_value().fields();
  EXPECT_EQ(runtime.at("implementation").string_value(), "CPython");
  ASSERT_EQ(runtime.at("rows").list_value().values_size(), 1);
  const auto& row = runtime.at("rows").list_value().values(0).struct_value().fields();
  EXPECT_EQ(row.at("workload").string_value(), "primes");
  EXPECT_EQ(row.at("threads").number_value(), 8);
  EXPECT_GT(row.at("speedup").number_value(), 0);
}

TEST_F(CliTest, DemoRefusesARuntimeThatIsNone) {
  StartSmallServer();
  CommandResult result = Gild({"demo", "--runtime", "/no/such"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "gild: --runtime /no/such: No such file or directory\n"
            "hint: name a Python interpreter by its path, such as $(command -v python3)\n");
  EXPECT_EQ(Gild({"demo", "--only", "urls", "--runtime", GILD_PYTHON}).exit_code, 2);
}

TEST_F(CliTest, DemoRefusesWhatItCannotRead) {
  StartSmallServer();
  for (const std::string option : {"--url-file", "--images"}) {
    CommandResult result = Gild({"demo", "--only", option == "--images" ? "images" : "urls", option, "/no/such"});
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(option + " /no/such"));
  }
}

TEST_F(CliTest, InfoAndStatsSaySomething) {
  StartSmallServer();
  for (const char* command : {"info", "stats"}) {
    CommandResult result = Gild({command});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, Not(IsEmpty()));
    EXPECT_EQ(result.err, "");
  }
  EXPECT_THAT(Gild({"info"}).out, HasSubstr("3."));
  EXPECT_THAT(Gild({"stats"}).out, HasSubstr("cpu-0"));
}

}  // namespace
}  // namespace gild::testing
