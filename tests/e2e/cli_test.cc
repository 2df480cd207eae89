// The real `gild` against the real server: what it prints, and the table of exit codes.
#include <algorithm>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/command.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CliTest : public ServerFixture {
 protected:
  void StartSmallServer() { StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"}); }

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
