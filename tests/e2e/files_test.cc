// Files in and out: a task's own folder, its working directory in both lanes, and nothing left of it.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Files = std::vector<std::pair<std::string, std::string>>;

v1::Task With(v1::Task task, const Files& files, const std::vector<std::string>& collect = {}) {
  for (const auto& [path, content] : files) {
    v1::File* const file = task.add_files();
    file->set_path(path);
    file->set_content(content);
  }
  for (const std::string& pattern : collect) task.add_collect(pattern);
  return task;
}

Files FilesOf(const v1::Outcome& outcome) {
  Files files;
  for (const v1::File& file : outcome.files()) files.emplace_back(file.path(), file.content());
  return files;
}

std::string Port(const Doorbell& doorbell) { return std::to_string(doorbell.port()); }
std::string Line(const std::string& text) { return text.substr(0, text.find('\n')); }
std::string Unquoted(const std::string& json) { return json.substr(1, json.size() - 2); }

class FilesTest : public BothLanesFixture {
 protected:
  v1::Task Task(const std::string& entry, const std::vector<v1::Value>& arguments = {}) {
    return Call(GetParam(), "files.py", entry, arguments);
  }
};
INSTANTIATE_IN_BOTH_LANES(FilesTest);

TEST_P(FilesTest, ItsFolderIsItsWorkingDirectoryWhereverOneLooks) {
  StartSmallServer();
  const v1::Outcome outcome = Run(WithProcesses(With(Task("look_around"), {{"in/a", "first"}, {"in/b", ""}})));
  EXPECT_EQ(outcome.result().json(),
            R"({"placed":"first","listed":["in"],"here":true,"mode":"0o700","thread":true,"path":true,"child":true,)"
            R"("shell":true,"changed":true})")
      << outcome.DebugString();
}

TEST_P(FilesTest, WhatIsAskedForComesBackAndNothingIsLeft) {
  StartSmallServer();
  const v1::Outcome outcome = Run(With(Task("leave", {Json(R"(["out/b.txt","out/a.txt","out/c.png","top"])")}),
                                       {{"given", "g"}}, {"out/*.txt", "given", "no*such"}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_THAT(FilesOf(outcome), ElementsAre(Pair("given", "g"), Pair("out/a.txt", "content of out/a.txt"),
                                            Pair("out/b.txt", "content of out/b.txt")));
  EXPECT_THAT(outcome.warnings(), ElementsAre("collect: 'no*such' matches no file"));
  EXPECT_THAT(Line(outcome.stdout()), ::testing::StartsWith("/tmp/task-"));
  EXPECT_EQ(Run(Script(GetParam(), "import os\nprint(os.listdir('/tmp'))")).stdout(), "['.shm']\n");
}

TEST_P(FilesTest, FilesAreCollectedWhateverTheCodeCameTo) {
  StartSmallServer();
  const v1::Outcome raised = Run(With(Task("leave_and_raise", {Json("\"a\"")}), {}, {"a"}));
  EXPECT_EQ(raised.ending(), v1::RAISED);
  EXPECT_THAT(FilesOf(raised), ElementsAre(Pair("a", "x")));
  const v1::Outcome exited = Run(With(Task("leave_and_exit", {Json("\"a\""), Json("3")}), {}, {"a"}));
  EXPECT_EQ(exited.ending(), v1::EXITED);
  EXPECT_EQ(exited.evidence().exit_code(), 3);
  EXPECT_THAT(FilesOf(exited), ElementsAre(Pair("a", "x")));
}

TEST_P(FilesTest, LargeFilesPassBothWays) {
  StartSmallServer();
  std::string content(15 << 20, 'x');
  content.back() = 'y';
  const v1::Outcome outcome = Run(With(Script(GetParam(), "pass"), {{"a", content}, {"b", "b"}}, {"*"}));
  ASSERT_EQ(outcome.files_size(), 2) << outcome.evidence().DebugString();
  EXPECT_TRUE(outcome.files(0).content() == content);
}

TEST_P(FilesTest, ResultAndFilesTogetherHaveOneLimit) {
  StartSmallServer();
  v1::Task task = With(Task("leave_bytes", {Json("\"a\""), Json("2000")}), {}, {"a"});
  task.mutable_limits()->set_result_bytes(2004);
  EXPECT_EQ(Run(task).ending(), v1::SUCCEEDED) << "null is four bytes";
  task.mutable_limits()->set_result_bytes(2003);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::RESULT_LIMIT) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().limit(), "result");
  EXPECT_EQ(outcome.evidence().allowed(), 2003u);
  EXPECT_EQ(outcome.evidence().used(), 2004u);
  EXPECT_FALSE(outcome.has_result());
  EXPECT_THAT(FilesOf(outcome), IsEmpty());
  EXPECT_EQ(Slot(slot()).generation(), 1u) << "costs no interpreter";
}

TEST_P(FilesTest, FilesTooLargeDoNotHideWhyTheCodeEnded) {
  StartSmallServer();
  for (const int code : {0, 3}) {
    v1::Task task =
        With(Task("leave_and_exit", {Json("\"a\""), Json(std::to_string(code))}), {{"big", "12345"}}, {"*"});
    task.mutable_limits()->set_result_bytes(5);
    const v1::Outcome outcome = Run(task);
    EXPECT_THAT(FilesOf(outcome), IsEmpty());
    if (code == 0) {
      EXPECT_EQ(outcome.ending(), v1::RESULT_LIMIT) << outcome.DebugString();
    } else {
      EXPECT_EQ(outcome.ending(), v1::EXITED) << outcome.DebugString();
      EXPECT_EQ(outcome.evidence().exit_code(), 3);
      EXPECT_THAT(outcome.warnings(), ElementsAre(HasSubstr("left out 6 bytes")));
    }
  }
}

TEST_P(FilesTest, WhatIsNoPlainFileIsLeftOutAndRemoved) {
  StartSmallServer();
  const v1::Outcome outcome = Run(With(Task("make_a_mess"), {}, {"*", "etc/*"}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_THAT(FilesOf(outcome), IsEmpty());
  EXPECT_THAT(outcome.warnings(),
              ::testing::IsSupersetOf({HasSubstr("'etc': is a symbolic link"), HasSubstr("'fifo': is a fifo"),
                                       HasSubstr("is not UTF-8"), HasSubstr("'etc/*' matches no file")}));
  EXPECT_FALSE(Sees(GetParam(), Unquoted(outcome.result().json())));
}

TEST_P(FilesTest, WorkingDirectoryAndUmaskGoWithIt) {
  StartSmallServer({"--io-threads", "1"});
  const v1::Task look = Script(GetParam(), "import os\nmask = os.umask(0)\nos.umask(mask)\nprint(mask, os.getcwd())");
  const std::string before = Run(look).stdout();
  EXPECT_EQ(Run(With(Script(GetParam(), "import os\nos.umask(0o777)\nos.chdir('/')"), {{"a", ""}})).ending(),
            v1::SUCCEEDED);
  EXPECT_EQ(Run(look).stdout(), before);
}

TEST_P(FilesTest, FolderThatTheTaskRemovedIsSaidSo) {
  StartSmallServer();
  const v1::Outcome outcome = Run(With(Task("remove_it"), {}, {"*"}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_THAT(outcome.warnings(), ElementsAre(HasSubstr("removed")));
  EXPECT_EQ(Run(With(Script(GetParam(), "print(open('a').read())"), {{"a", "here"}})).stdout(), "here\n");
}

TEST_P(FilesTest, TaskDoesNotRunWithoutItsFiles) {
  StartSmallServer();
  // There is no room for it any more: an earlier task's doing.
  constexpr char kFill[] =
      "import os\n"
      "try:\n"
      "    for i in range(1 << 20): os.mknod(str(i))\n"
      "except OSError as error: print(error.strerror)";
  EXPECT_EQ(Run(Script(GetParam(), kFill)).stdout(), "No space left on device\n");
  const v1::Outcome outcome = Run(With(Script(GetParam(), "print('ran')"), {{"a", "x"}}, {"*"}));
  if (GetParam() == v1::CPU) {
    EXPECT_EQ(outcome.stdout(), "ran\n") << "what a task leaves in the scratch is gone: " << outcome.DebugString();
    return;
  }
  EXPECT_EQ(outcome.ending(), v1::RAISED) << outcome.DebugString();
  EXPECT_EQ(outcome.error().type(), "OSError");
  EXPECT_THAT(outcome.error().message(), HasSubstr("make the task's folder: No space left on device"));
  EXPECT_TRUE(outcome.error().before_start());
  EXPECT_EQ(outcome.stdout(), "");
  Run(Script(GetParam(), "import os\nfor name in os.listdir('.'): name.isdigit() and os.unlink(name)"));
  EXPECT_EQ(Run(With(Script(GetParam(), "print('ran')"), {{"a", "x"}})).stdout(), "ran\n");
}

TEST_P(FilesTest, CoroutineHasItsFolderToItsEnd) {
  StartSmallServer();
  const v1::Task bare = Task("async_read", {Json("\"in/a\"")});
  // In the I/O lane the body is known to the event loop by then.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Run(bare).result().json(), "null");
  for (const char* content : {"first", "second"}) {
    const v1::Outcome outcome = Run(With(bare, {{"in/a", content}}));
    EXPECT_EQ(outcome.result().json(), std::string("[\"") + content + "\",\"" + content + "\"]")
        << outcome.DebugString();
    EXPECT_FALSE(outcome.usage().has_loop_wait());
  }
}

TEST_P(FilesTest, ForkedChildThatComesToTheEndLeavesTheFolder) {
  StartSmallServer();
  EXPECT_EQ(Run(WithProcesses(With(Task("fork_to_the_end"), {{"in/a", ""}}))).result().json(), "true");
}

TEST_P(FilesTest, BadFieldsAreNamed) {
  StartSmallServer();
  const grpc::Status status = TryRun(With(Script(GetParam(), "pass"), {{"good", ""}, {"../bad", ""}}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "task.files[1].path has a part `..`");
  EXPECT_EQ(TryRun(With(Script(GetParam(), "pass"), {}, {"/etc/*"})).error_message(),
            "task.collect[0] is not relative");
}

TEST_P(FilesTest, KilledTaskLeavesNoFolderOnceItsSlotIsBack) {
  StartSmallServer();
  const v1::Outcome outcome =
      Run(With(Script(GetParam(), "import os\nprint(os.getcwd(), flush=True)\nos.kill(os.getpid(), 9)"),
               {{"in/a", "a"}}, {"*"}));
  EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
  EXPECT_THAT(FilesOf(outcome), IsEmpty());
  AwaitSuccessor(slot(), 1);
  EXPECT_THAT(outcome.stdout(), HasSubstr("/task-"));
  EXPECT_FALSE(Sees(GetParam(), Line(outcome.stdout())));
}

// ---- I/O lane: many folders in one process ----

class IoFilesTest : public ServerFixture {};

TEST_F(IoFilesTest, TasksAtOnceReadTheirOwn) {
  StartSmallServer();
  Doorbell doorbell;
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (const std::string content : {"one", "two", "three"}) {
    runs.push_back(RunLater(
        With(Call(v1::IO, "files.py", "read_when_let_in", {Json("\"a\""), Json(Port(doorbell))}), {{"a", content}})));
  }
  doorbell.AwaitRings(3);
  // And one whose threads have none.
  const std::string scratch = Unquoted(Run(Call(v1::IO, "files.py", "here")).result().json());
  doorbell.LetIn();
  std::set<std::string> folders;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string content = std::vector<std::string>{"one", "two", "three"}[i];
    EXPECT_THAT(runs[i]->outcome().result().json(), HasSubstr("[\"" + content + "\",\"" + content + "\","));
    EXPECT_THAT(runs[i]->outcome().result().json(), HasSubstr(scratch + "/task-"));
    EXPECT_EQ(runs[i]->outcome().usage().interpreter(), "io-0#1");
    folders.insert(runs[i]->outcome().result().json());
  }
  EXPECT_EQ(folders.size(), 3u);
}

TEST_F(IoFilesTest, NeighboursKeepTheirWorkingDirectories) {
  StartSmallServer();
  Doorbell doorbell;
  std::unique_ptr<PendingRun> neighbour = RunLater(Call(v1::IO, "files.py", "here_twice", {Json(Port(doorbell))}));
  std::unique_ptr<PendingRun> own =
      RunLater(With(Call(v1::IO, "files.py", "here_twice", {Json(Port(doorbell))}), {{"a", ""}}));
  doorbell.AwaitRings(2);
  const std::string scratch = Unquoted(Run(Call(v1::IO, "files.py", "here")).result().json());
  EXPECT_EQ(Run(With(Script(v1::IO, "import os\nos.chdir('/')\nprint(os.getcwd())"), {{"a", ""}})).stdout(), "/\n");
  EXPECT_EQ(Unquoted(Run(Call(v1::IO, "files.py", "here")).result().json()), scratch);
  doorbell.LetIn();
  EXPECT_EQ(neighbour->outcome().result().json(), "[\"" + scratch + "\",\"" + scratch + "\"]");
  EXPECT_THAT(own->outcome().result().json(), ::testing::MatchesRegex("\\[\"(.*task-[0-9]+)\",\".*task-[0-9]+\"\\]"));
}

TEST_F(IoFilesTest, StoppedTaskBringsWhatItHasWritten) {
  StartSmallServer();
  Doorbell doorbell;
  v1::Task task =
      With(Call(v1::IO, "files.py", "leave_and_wait", {Json("\"a\""), Json(Port(doorbell))}), {}, {"a", "b"});
  *task.mutable_limits()->mutable_wall() = Ms(300);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT) << outcome.DebugString();
  EXPECT_THAT(FilesOf(outcome), ElementsAre(Pair("a", "x")));
  EXPECT_FALSE(Sees(v1::IO, Line(outcome.stdout())));
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(IoFilesTest, CoroutineThatIsStoppedOnItsThreadCostsNobodyAnything) {
  StartSmallServer();
  v1::Task task = With(Call(v1::IO, "async_tasks.py", "nap", {Json("3600")}), {{"a", ""}});
  *task.mutable_limits()->mutable_wall() = Ms(300);
  EXPECT_EQ(Run(task).ending(), v1::TIMED_OUT);
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(IoFilesTest, CpuTaskThatTimesOutLeavesNoFolder) {
  LetCpuTasksRing();
  StartSmallServer();
  Doorbell doorbell;
  v1::Task task = With(Call(v1::CPU, "files.py", "leave_and_wait", {Json("\"a\""), Json(Port(doorbell))}), {}, {"a"});
  *task.mutable_limits()->mutable_wall() = Ms(300);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT) << outcome.DebugString();
  EXPECT_THAT(FilesOf(outcome), IsEmpty()) << "it was killed";
  AwaitSuccessor("cpu-0", 1);
  EXPECT_THAT(outcome.stdout(), HasSubstr("/task-"));
  EXPECT_FALSE(Sees(v1::CPU, Line(outcome.stdout())));
}

// ---- gild run ----

class CliFilesTest : public ServerFixture {
 protected:
  CliFilesTest() {
    std::string folder = ::testing::TempDir() + "/gild-files-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    std::ofstream(folder_ / "a.csv") << "1,2\n";
  }
  ~CliFilesTest() override { fs::remove_all(folder_); }

  CommandResult GildRun(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {GILD_CLI, "run", "--server", address()});
    return RunCommand(arguments);
  }
  std::string Read(const std::string& name) const {
    std::stringstream content;
    content << std::ifstream(folder_ / name).rdbuf();
    return content.str();
  }
  std::string Into() const { return folder_ / "into"; }
  std::string File(const std::string& as = "") const { return (folder_ / "a.csv").string() + as; }

  fs::path folder_;
};

TEST_F(CliFilesTest, FilesGoInAndComeOut) {
  StartSmallServer();
  const CommandResult result =
      GildRun({"--file", File(), "--file", File(":in/b.csv"), "--collect", "out/*", "--collect", "a.csv", "--into",
               Into(), "-c",
               "import os\nos.mkdir('out')\nprint(open('in/b.csv').read() == open('a.csv').read())\n"
               "open('out/c', 'w').write('c' * 2000)"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "True\n");
  EXPECT_EQ(result.err, "collected a.csv (4 B)\ncollected out/c (2.0 KiB)\n");
  EXPECT_EQ(Read("into/a.csv"), "1,2\n");
  EXPECT_EQ(Read("into/out/c").size(), 2000u);
}

TEST_F(CliFilesTest, JsonSaysWhatWasCollected) {
  StartSmallServer();
  const CommandResult result = GildRun({"--json", "--file", File(), "--collect", "*", "--into", Into(), "-c", "pass"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  google::protobuf::Struct reply;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &reply).ok()) << result.out;
  const auto& file = reply.fields().at("files").list_value().values(0).struct_value().fields();
  EXPECT_EQ(file.at("path").string_value(), "a.csv");
  EXPECT_EQ(file.at("bytes").number_value(), 4);
  EXPECT_EQ(Read("into/a.csv"), "1,2\n");
}

TEST_F(CliFilesTest, TaskThatFailsStillBringsItsFilesAndItsExitCode) {
  StartSmallServer();
  const CommandResult result =
      GildRun({"--file", File(), "--collect", "*", "--into", Into(), "-c", "raise SystemExit(9)"});
  EXPECT_EQ(result.exit_code, 9);
  EXPECT_EQ(Read("into/a.csv"), "1,2\n");
}

TEST_F(CliFilesTest, WhatCannotBeWrittenIsGildsFailure) {
  StartSmallServer();
  fs::create_directories(Into() + "/a.csv");
  const CommandResult result = GildRun({"--file", File(), "--collect", "*", "--into", Into(), "-c", "print(1)"});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_EQ(result.out, "1\n");
  EXPECT_THAT(result.err, HasSubstr("cannot write the collected file a.csv: Is a directory\nhint:"));
}

TEST_F(CliFilesTest, ServersRefusalNamesTheField) {
  StartSmallServer();
  const CommandResult result = GildRun({"--file", File(":../x"), "-c", "pass"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("task.files[0].path: has a part `..`"));
}

}  // namespace
}  // namespace gild::testing
