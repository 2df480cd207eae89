// What is typed, and the task that is made of it: bad usage is told before any server is asked.
#include "client/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "client/cli/run_command.h"
#include "client/cli/slow_http.h"
#include "client/cpp/client.h"
#include "client/cpp/durations.h"
#include "tests/client/fake_server.h"

namespace gild::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Said {
  int exit_code;
  std::string out;
  std::string err;
};

Said Type(std::vector<const char*> words) {
  words.insert(words.begin(), "gild");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int exit_code = Main(static_cast<int>(words.size()), words.data());
  return {exit_code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(CommandLineTest, BadUsageIsOneLineAHintAndExit2) {
  const struct {
    std::vector<const char*> words;
    const char* said;
  } cases[] = {
      {{"rnu", "x.py"}, "gild: unknown command rnu\nhint: did you mean run?\n"},
      {{"banana"}, "gild: unknown command banana\nhint: see `gild --help`\n"},
      {{"run", "--timout", "5s", "x.py"}, "gild: unknown option --timout\nhint: did you mean --timeout?\n"},
      {{"run", "--banana=1", "x.py"}, "gild: unknown option --banana\nhint: see `gild run --help`\n"},
      {{"info", "here"}, "gild: unexpected argument here\nhint: see `gild info --help`\n"},
      {{"run", "--timeout", "5", "x.py"},
       "gild: --timeout: '5' is not a duration such as 500ms, 5s or 2m\nhint: see `gild run --help`\n"},
      {{"run", "--memory", "lots", "x.py"},
       "gild: --memory: 'lots' is not a size such as 64KiB or 256MiB\nhint: see `gild run --help`\n"},
      {{"run", "x.py", "--timeout"}, "gild: --timeout takes one value\nhint: see `gild run --help`\n"},
      {{"run", "--tag", "gpu", "x.py"}, "gild: --tag is io, cpu or auto\nhint: see `gild run --help`\n"},
      {{"run", "-c", "1", "x.py"}, "gild: give FILE or -c CODE, not both\nhint: see `gild run --help`\n"},
      {{"run", "--follow", "--json", "-c", "1"},
       "gild: --follow and --json exclude each other\nhint: --json is one line, at the end\n"},
      {{"run", "-c", "1", "--arg", "2"},
       "gild: --arg needs --entry\nhint: name the function that takes the arguments with --entry\n"},
      {{"run", "-c", "1", "--into", "x"},
       "gild: --into needs --collect\nhint: say what to bring back with --collect\n"},
      {{"run", "-c", "1", "--collect", "*", "--into", "/no/such"},
       "gild: --into /no/such: No such file or directory\nhint: collected files are written into the folder --into "
       "(default: this one)\n"},
      {{"run", "-c", "1", "--file", "/no/such"},
       "gild: --file /no/such: No such file or directory\nhint: --file LOCAL[:NAME] puts the file LOCAL into the "
       "task's "
       "folder, 16 MiB in all\n"},
      {{"run", "-c", "1", "--file", "/tmp"},
       "gild: --file /tmp: it is a folder\nhint: give its files one by one, or an archive that the task unpacks\n"},
      {{"demo", "--only", "cats"},
       "gild: --only takes urls, images, primes and arrays, with commas between\nhint: see `gild demo --help`\n"},
      {{"demo", "--lanes", "gpu"},
       "gild: --lanes takes io and cpu, with a comma between\nhint: see `gild demo --help`\n"},
      {{"advise"}, "gild: FILE is required\nhint: see `gild advise --help`\n"},
      {{"advise", "--copies", "0", "x.py"},
       "gild: --copies: '0' is not a whole number from 1 to 1024\nhint: see `gild advise --help`\n"},
      {{"advise", "--seconds", "5s", "x.py"},
       "gild: --seconds: '5s' is not a number from 1 to 3600\nhint: see `gild advise --help`\n"},
      {{"advise", "--tag", "io", "x.py"}, "gild: unknown option --tag\nhint: see `gild advise --help`\n"},
      {{"advise", "/no/such/file.py"},
       "gild: /no/such/file.py: No such file or directory\n"
       "hint: give a file of Python source, -c CODE, or - for stdin\n"},
      {{"demo", "--scale", "0"},
       "gild: --scale: '0' is not a factor from 0.001 to 100\nhint: see `gild demo --help`\n"},
      {{"bench", "--mode", "fast"},
       "gild: --mode: 'fast' is not unary, stream or batched\nhint: see `gild bench --help`\n"},
      {{"bench", "--spacing", "odd"}, "gild: --spacing: 'odd' is not poisson or even\nhint: see `gild bench --help`\n"},
      {{"bench", "--batch", "0"},
       "gild: --batch: '0' is not a whole number from 1 to 1024\nhint: see `gild bench --help`\n"},
      {{"bench", "--outstanding", "many"},
       "gild: --outstanding: 'many' is not a whole number from 1 to 65536\nhint: see `gild bench --help`\n"},
      {{"bench", "--connections", "65"},
       "gild: --connections: '65' is not a whole number from 1 to 64\nhint: see `gild bench --help`\n"},
      {{"bench", "--tasks", "1e3"},
       "gild: --tasks: '1e3' is not a whole number from 1 to 16777216\nhint: see `gild bench --help`\n"},
      {{"bench", "--seed", "-1"},
       "gild: --seed: '-1' is not a whole number from 0 to 9223372036854775807\nhint: see `gild bench --help`\n"},
      {{"bench", "--rate", "nan"},
       "gild: --rate: 'nan' is not a rate from 0.01 to 1000000 a second\nhint: see `gild bench --help`\n"},
      {{"bench", "--duration", "0"},
       "gild: --duration: '0' is not a duration such as 500ms, 5s or 2m\nhint: see `gild bench --help`\n"},
      {{"bench", "--warm-up", "1"},
       "gild: --warm-up: '1' is not a duration such as 500ms or 5s, or 0 for none\nhint: see `gild bench --help`\n"},
      {{"bench", "--tag", "gpu"}, "gild: --tag is io, cpu or auto\nhint: see `gild bench --help`\n"},
      {{"bench", "--batch", "8"}, "gild: --batch needs --mode batched\nhint: see `gild bench --help`\n"},
      {{"bench", "/no/such.py"},
       "gild: /no/such.py: No such file or directory\nhint: give a file of Python source, -c CODE, or - for stdin\n"},
      {{"--color", "pink", "info"},
       "gild: --color: 'pink' is not auto, always or never\nhint: see `gild info --help`\n"},
      {{"--server", "", "info"}, "gild: --server is empty\nhint: give host:port\n"},
      {{"run", "/no/such.py"},
       "gild: /no/such.py: No such file or directory\nhint: give a file of Python source, -c CODE, or - for stdin\n"},
  };
  for (const auto& [words, said] : cases) {
    const Said it = Type(words);
    EXPECT_EQ(it.exit_code, 2) << said;
    EXPECT_EQ(it.out, "") << said;
    EXPECT_EQ(it.err, said);
  }
}

TEST(CommandLineTest, HelpThatIsAskedForIsOutputAndHelpThatIsNotIsBadUsage) {
  const Said asked = Type({"--help"});
  EXPECT_EQ(asked.exit_code, 0);
  EXPECT_EQ(asked.err, "");
  const Said nothing = Type({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_EQ(nothing.out, "");
  EXPECT_EQ(nothing.err, asked.out);
  for (const char* command : {"run", "info", "stats", "demo", "bench"}) {
    EXPECT_THAT(asked.out, HasSubstr(std::string("\n  ") + command + " ")) << "is not listed";
    const Said its = Type({command, "--help"});
    EXPECT_EQ(its.exit_code, 0) << command;
    EXPECT_THAT(its.out, HasSubstr(std::string("  gild ") + command)) << "has no example";
  }
  EXPECT_THAT(Type({"--version"}).out, StartsWith("gild 0."));
}

TEST(CommandLineTest, AServerOfAnotherKindIsTold) {
  const auto web = SlowHttp::Start(absl::ZeroDuration());
  ASSERT_TRUE(web.ok()) << web.status();
  const std::string address = "127.0.0.1:" + std::to_string((*web)->port());
  const Said it = Type({"info", "--server", address.c_str()});
  EXPECT_EQ(it.exit_code, 69);
  EXPECT_EQ(it.out, "");
  EXPECT_THAT(it.err, HasSubstr("gRPC"));
}

// ---- files that come back ----

class CollectTest : public testing::Test {
 protected:
  // `gild run` against a server whose task brings these files.
  Said Run(const std::vector<std::string>& paths, std::vector<const char*> more = {}) {
    FakeServer server([&paths](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
      outcome->set_ending(v1::SUCCEEDED);
      for (const std::string& path : paths) {
        v1::File* const file = outcome->add_files();
        file->set_path(path);
        file->set_content("x");
      }
      return grpc::Status::OK;
    });
    const std::string address = server.address();
    std::vector<const char*> words = {"run", "--server", address.c_str(), "-c", "pass", "--collect", "*"};
    words.insert(words.end(), {"--into", into_.c_str()});
    words.insert(words.end(), more.begin(), more.end());
    return Type(words);
  }
  ~CollectTest() override { std::filesystem::remove_all(into_); }

  const std::string into_ = testing::TempDir() + "/gild-into-" + std::to_string(getpid());
};

TEST_F(CollectTest, EachFileIsALineButNotThousands) {
  EXPECT_EQ(Run({"a\nb"}).err, "collected a b (1 B)\n");
  std::vector<std::string> paths;
  for (int i = 0; i < 15; ++i) paths.push_back("out/" + std::to_string(i));
  const Said it = Run(paths);
  EXPECT_EQ(it.exit_code, 0);
  EXPECT_THAT(it.err, HasSubstr("collected out/9 (1 B)\ncollected 5 more\n"));
  EXPECT_TRUE(std::filesystem::exists(into_ + "/out/14"));
}

TEST_F(CollectTest, NamesOfAServerAreSuspect) {
  const Said it = Run({"../x", "good", "/etc/x"}, {"--json"});
  EXPECT_EQ(it.exit_code, 125);
  EXPECT_EQ(it.err,
            "gild: cannot write the collected file ../x: not a name within the folder (and 1 more)\n"
            "hint: collected files are written into the folder --into (default: this one)\n");
  EXPECT_THAT(it.out, HasSubstr(R"("files":[{"path":"../x","bytes":1},)"));
  EXPECT_TRUE(std::filesystem::exists(into_ + "/good"));
}

// ---- MakeTask ----

class MakeTaskTest : public testing::Test {
 protected:
  MakeTaskTest() {
    options_.code = "";
    options_.entry = "f";
  }
  ~MakeTaskTest() override { unlink(file_.c_str()); }

  void WriteFile(const std::string& bytes) { std::ofstream(file_) << bytes; }

  v1::Task Good() {
    v1::Task task;
    Explanation complaint;
    EXPECT_TRUE(MakeTask(options_, &task, &complaint)) << complaint.cause;
    return task;
  }
  std::string Complaint() {
    v1::Task task;
    Explanation complaint;
    EXPECT_FALSE(MakeTask(options_, &task, &complaint));
    return complaint.cause;
  }

  const std::string file_ = testing::TempDir() + "/gild-task-" + std::to_string(getpid());
  RunOptions options_;
};

TEST_F(MakeTaskTest, EveryOptionReachesTheTask) {
  WriteFile("def f(a): pass\n");
  options_.code = std::nullopt;
  options_.file = file_;
  options_.tag = "io";
  options_.arguments = {"[1, \"a\"]"};
  options_.timeout = absl::Seconds(1);
  options_.queue_timeout = absl::Seconds(2);
  options_.cpu_time = absl::Seconds(3);
  options_.memory_bytes = 4;
  options_.processes = 6;
  options_.scratch_bytes = 7;
  options_.scratch_files = 8;
  options_.output_bytes = 5;
  options_.session = "s";
  options_.name = "n";
  options_.files = {file_, file_ + ":in/b"};
  options_.collect = {"out/*", "c"};
  const v1::Task task = Good();
  EXPECT_EQ(task.source().code(), "def f(a): pass\n");
  EXPECT_EQ(task.source().entry(), "f");
  ASSERT_EQ(task.source().arguments_size(), 1);
  EXPECT_EQ(task.source().arguments(0).json(), "[1, \"a\"]");
  EXPECT_EQ(task.tag(), v1::IO);
  EXPECT_EQ(task.limits().wall().seconds(), 1);
  EXPECT_EQ(task.limits().queue().seconds(), 2);
  EXPECT_EQ(task.limits().cpu().seconds(), 3);
  EXPECT_EQ(task.limits().memory_bytes(), 4u);
  EXPECT_EQ(task.limits().processes(), 6u);
  EXPECT_EQ(task.limits().scratch_bytes(), 7u);
  EXPECT_EQ(task.limits().scratch_files(), 8u);
  EXPECT_EQ(task.limits().output_bytes(), 5u);
  EXPECT_EQ(task.session(), "s");
  EXPECT_EQ(task.name(), "n");
  ASSERT_EQ(task.files_size(), 2);
  EXPECT_EQ(task.files(0).path(), file_.substr(file_.rfind('/') + 1));
  EXPECT_EQ(task.files(0).content(), "def f(a): pass\n");
  EXPECT_EQ(task.files(1).path(), "in/b");
  EXPECT_EQ(task.files(1).content(), "def f(a): pass\n");
  EXPECT_THAT(task.collect(), testing::ElementsAre("out/*", "c"));
}

TEST_F(MakeTaskTest, AColonIsPartOfTheNameOfAFileThatIsThere) {
  const std::string odd = file_ + ":x";
  std::ofstream(odd) << "odd";
  WriteFile("plain");
  options_.files = {odd, odd + ":y", file_ + ":z"};
  const v1::Task task = Good();
  unlink(odd.c_str());
  EXPECT_EQ(task.files(0).path(), odd.substr(odd.rfind('/') + 1));
  EXPECT_EQ(task.files(0).content(), "odd");
  EXPECT_EQ(task.files(1).path(), "y");
  EXPECT_EQ(task.files(1).content(), "odd");
  EXPECT_EQ(task.files(2).path(), "z");
  EXPECT_EQ(task.files(2).content(), "plain");
}

TEST_F(MakeTaskTest, FilesAreSixteenMebibytesTogether) {
  WriteFile("");
  ASSERT_EQ(truncate(file_.c_str(), 8 << 20), 0);
  options_.files = {file_ + ":a", file_ + ":b"};
  EXPECT_EQ(Good().files_size(), 2);
  ASSERT_EQ(truncate(file_.c_str(), (8 << 20) + 1), 0);
  EXPECT_THAT(Complaint(), HasSubstr(":b: with it, the files are larger than 16 MiB together"));
}

TEST_F(MakeTaskTest, WhatIsNotAskedForIsLeftToTheServer) {
  const v1::Task task = Good();
  EXPECT_FALSE(task.has_limits());
  EXPECT_EQ(task.tag(), v1::AUTO);
}

TEST_F(MakeTaskTest, AnAtSignHandsOverTheBytesOfAFile) {
  const std::string bytes("\0\xff@not json", 11);
  WriteFile(bytes);
  options_.arguments = {"@" + file_, "\"@text\""};
  const v1::Task task = Good();
  ASSERT_EQ(task.source().arguments_size(), 2);
  EXPECT_EQ(task.source().arguments(0).raw(), bytes);
  EXPECT_EQ(task.source().arguments(1).json(), "\"@text\"");
}

TEST_F(MakeTaskTest, AnArgumentThatCannotBeTakenIsNamed) {
  const std::string missing = "@" + file_;
  for (const auto& [argument, complaint] : {
           std::pair<std::string, std::string>{missing, "--arg " + missing + ": No such file or directory"},
           {"@" + testing::TempDir(), "--arg @" + testing::TempDir() + ": Is a directory"},
           {"hello", "--arg hello is not JSON"},
           {"", "--arg  is not JSON"},
           {"[1,\n", "--arg [1,  is not JSON"},
           {"\"\xff\"", "--arg \"\xEF\xBF\xBD\" is not JSON"},
       }) {
    options_.arguments = {"1", argument};
    EXPECT_EQ(Complaint(), complaint);
  }
}

TEST_F(MakeTaskTest, TextIsUtf8) {
  options_.code = "\xff";
  EXPECT_EQ(Complaint(), "-c: the source is not UTF-8");
  WriteFile("\xff");
  options_.code = std::nullopt;
  options_.file = file_;
  EXPECT_EQ(Complaint(), file_ + ": the source is not UTF-8");
  options_.code = "";
  for (std::string* const text : {&options_.session, &options_.name, &options_.entry}) {
    *text = "\xff";
    EXPECT_THAT(Complaint(), HasSubstr(" is not UTF-8"));
    *text = "good";
  }
  Good();
  options_.files = {file_ + ":\xff"};
  EXPECT_THAT(Complaint(), HasSubstr("its name is not UTF-8"));
  options_.files.clear();
  options_.collect = {"\xff"};
  EXPECT_EQ(Complaint(), "--collect is not UTF-8");
}

TEST_F(MakeTaskTest, NothingLargerThanATaskIsReadToItsEnd) {
  WriteFile("");
  ASSERT_EQ(truncate(file_.c_str(), kClientMessageBytesMax + 1), 0);
  options_.arguments = {"@" + file_};
  EXPECT_THAT(Complaint(), HasSubstr("larger than a task may be (48 MiB)"));
}

}  // namespace
}  // namespace gild::cli
