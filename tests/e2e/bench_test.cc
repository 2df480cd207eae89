// `gild bench` against the real server: its counts add up, and it ends as it says.
#include <unistd.h>

#include <csignal>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;

double SumOf(const google::protobuf::Value& counts) {
  double sum = 0;
  for (const auto& [what, tasks] : counts.struct_value().fields()) sum += tasks.number_value();
  return sum;
}

class BenchTest : public ServerFixture {
 protected:
  std::vector<std::string> Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {GILD_CLI, "bench", "--server", address()});
    return arguments;
  }

  // With --json and without a warm-up: every task that reaches the server is in the report.
  google::protobuf::Map<std::string, google::protobuf::Value> Report(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--json", "--warm-up", "0"});
    const CommandResult result = RunCommand(Command(arguments));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Parse(result.out);
  }

  static google::protobuf::Map<std::string, google::protobuf::Value> Parse(const std::string& text) {
    google::protobuf::Struct report;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(text, &report).ok()) << text;
    return report.fields();
  }
};

TEST_F(BenchTest, EveryModeSendsWhatComesBack) {
  StartSmallServer();
  double succeeded = 0;
  for (const char* mode : {"unary", "stream", "batched"}) {
    for (const bool open : {false, true}) {
      std::vector<std::string> arguments = {"--tag", "io", "--mode", mode, "--tasks", "1000", "--connections", "2"};
      if (open) arguments.insert(arguments.end(), {"--rate", "5000", "--spacing", "even"});
      auto report = Report(arguments);
      EXPECT_EQ(report["sent"].number_value(), 1000) << mode;
      EXPECT_EQ(report["lanes"].struct_value().fields().at("io").number_value(), 1000);
      EXPECT_EQ(report["sent"].number_value(),
                SumOf(report["endings"]) + SumOf(report["refused"]) + report["unanswered"].number_value());
      if (open) {
        EXPECT_EQ(report["planned"].number_value(), report["sent"].number_value() + report["unsent"].number_value());
      }
      EXPECT_GT(report["rate"].number_value(), 0);
      succeeded += SumOf(report["endings"]);
      EXPECT_EQ(Endings(v1::IO_LANE, v1::SUCCEEDED), succeeded) << "as the server counts";
    }
  }
}

TEST_F(BenchTest, ThePartsOfTheMeanAddUp) {
  StartSmallServer();
  for (const char* tag : {"io", "cpu"}) {
    auto report = Report({"--tag", tag, "--tasks", "500", "--rate", "2000"});
    double sum = 0;
    for (const auto& [part, seconds] : report["mean_split_seconds"].struct_value().fields()) {
      if (part != "lock_wait" && part != "lock_hold" && part != "off_lock") sum += seconds.number_value();
    }
    const double mean = report["latency_seconds"].struct_value().fields().at("mean").number_value();
    EXPECT_NEAR(sum, mean, mean / 1e6);
  }
}

TEST_F(BenchTest, RefusedTasksAreCountedByReason) {
  StartSmallServer({"--queue-tasks", "2"});
  auto report = Report({"--tag", "cpu", "--tasks", "300", "--outstanding", "64"});
  EXPECT_GT(SumOf(report["refused"]), 0);
  EXPECT_EQ(SumOf(report["refused"]), report["refused"].struct_value().fields().at("QUEUE_FULL").number_value());
  EXPECT_EQ(SumOf(report["endings"]) + SumOf(report["refused"]), 300);
}

TEST_F(BenchTest, AFileIsRunAsByGildRun) {
  StartSmallServer();
  const std::string file = std::string(GILD_TESTCASES) + "/scripts.py";
  auto report = Report({"--entry", "add", "--arg", "1", "--arg", "41", "--tasks", "10", file});
  EXPECT_EQ(report["endings"].struct_value().fields().at("SUCCEEDED").number_value(), 10);
  EXPECT_EQ(report["workload"].string_value(), file + ": add");
  report = Report({"--entry", "add", "--arg", "1", "--tasks", "10", file});
  EXPECT_EQ(report["endings"].struct_value().fields().at("RAISED").number_value(), 10) << "an argument is missing";
}

TEST_F(BenchTest, TheLessonsOfTheDemoAreWorkloads) {
  StartSmallServer();
  if (Lacks("PIL") || Lacks("numpy")) GTEST_SKIP() << "no Pillow or no NumPy";
  for (const char* workload : {"urls", "images", "primes", "arrays"}) {
    auto report = Report({workload, "--tag", "io", "--tasks", "20"});
    EXPECT_EQ(report["endings"].struct_value().fields().at("SUCCEEDED").number_value(), 20) << workload;
  }
}

TEST_F(BenchTest, CtrlCReportsWhatThereIsAndStopsTheRest) {
  StartSmallServer();
  for (const char* mode : {"unary", "stream"}) {
    Doorbell doorbell;
    const int in = MemoryFile(), out = MemoryFile(), err = MemoryFile();
    const int bench = Spawn(Command({"--json", "--warm-up", "0", "--tag", "io", "--mode", mode, "--outstanding", "3",
                                     "--duration", "1h", "--entry", "ring_and_wait", "--arg",
                                     std::to_string(doorbell.port()), std::string(GILD_TESTCASES) + "/waits.py"}),
                            in, out, err);
    doorbell.AwaitRings(3);
    doorbell.LetIn();
    doorbell.AwaitRings(3);  // all of the first three have ended
    kill(bench, SIGINT);
    EXPECT_EQ(AwaitExit(bench), 0) << ContentOf(err);
    auto report = Parse(ContentOf(out));
    EXPECT_TRUE(report["interrupted"].bool_value());
    EXPECT_EQ(report["sent"].number_value(), 6);
    EXPECT_EQ(SumOf(report["endings"]), 3);
    EXPECT_EQ(report["unanswered"].number_value(), 3);
    for (const int fd : {in, out, err}) close(fd);
    Eventually("the tasks have been stopped", [this] { return LaneOf(v1::IO_LANE).running() == 0; });
  }
}

TEST_F(BenchTest, AServerThatIsNotThereIsOneClearLine) {
  StartSmallServer();
  StopServer();
  const CommandResult result = RunCommand(Command({}));
  EXPECT_EQ(result.exit_code, 69);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr(address() + " refused the connection"));
}

TEST_F(BenchTest, AServerThatGoesAwayIsToldAfterTheReport) {
  StartSmallServer({"--grace", "1ms"});
  Doorbell doorbell;
  const int in = MemoryFile(), out = MemoryFile(), err = MemoryFile();
  const int bench = Spawn(
      Command({"--warm-up", "0", "--tag", "io", "--outstanding", "2", "--duration", "1h", "--entry", "ring_and_wait",
               "--arg", std::to_string(doorbell.port()), std::string(GILD_TESTCASES) + "/waits.py"}),
      in, out, err);
  doorbell.AwaitRings(2);
  doorbell.LetIn();
  doorbell.AwaitRings(2);
  Send(SIGTERM);
  const int exit_code = AwaitExit(bench);  // before the server's: that one reaps every child
  EXPECT_EQ(AwaitServerExit(), 0);
  EXPECT_TRUE(exit_code == 69 || exit_code == 75) << exit_code << ContentOf(err);  // gone, or refusing since it drains
  EXPECT_THAT(ContentOf(out), HasSubstr("SUCCEEDED 2"));
  EXPECT_THAT(ContentOf(err), HasSubstr(address()));
  for (const int fd : {in, out, err}) close(fd);
}

}  // namespace
}  // namespace gild::testing
