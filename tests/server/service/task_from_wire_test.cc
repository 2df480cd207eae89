#include "server/service/task_from_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TaskFromWireTest : public testing::Test {
 protected:
  TaskFromWireTest() { wire_.mutable_source()->set_code("print(1)"); }

  Task Good() {
    auto read = TaskFromWire(v1::Task(wire_), &functions_);
    if (const auto* invalid = std::get_if<InvalidField>(&read)) {
      ADD_FAILURE() << invalid->field << " " << invalid->description;
      return Task();
    }
    return std::get<Task>(std::move(read));
  }

  // The field that is named; empty: the task was good.
  std::string Bad() {
    auto read = TaskFromWire(v1::Task(wire_), &functions_);
    const auto* invalid = std::get_if<InvalidField>(&read);
    if (invalid == nullptr) return "";
    EXPECT_NE(invalid->description, "");
    return invalid->field;
  }

  void AddFile(const std::string& path, const std::string& content = "") {
    v1::File* const file = wire_.add_files();
    file->set_path(path);
    file->set_content(content);
  }

  v1::Task wire_;
  FunctionStore functions_;
};

TEST_F(TaskFromWireTest, AScriptTakesTheDefaults) {
  const Task task = Good();
  EXPECT_EQ(task.code, "print(1)");
  EXPECT_EQ(task.name, "script");
  EXPECT_EQ(task.entry, "");
  EXPECT_THAT(task.id, SizeIs(36));
  EXPECT_EQ(task.limits.wall_ns, kWallNsDefault);
  EXPECT_EQ(task.limits.queue_ns, kQueueNsDefault);
  EXPECT_EQ(task.limits.cpu_ns, 0);
  EXPECT_EQ(task.limits.memory_bytes, 0);
  EXPECT_EQ(task.limits.output_bytes, kOutputBytesDefault);
  EXPECT_EQ(task.limits.result_bytes, kResultBytesDefault);
  EXPECT_FALSE(task.limits.end_on_output_overflow);
  EXPECT_THAT(task.warnings, IsEmpty());
}

TEST_F(TaskFromWireTest, TheTagChoosesTheLane) {
  EXPECT_EQ(Good().tag, Tag::kAuto);
  EXPECT_EQ(Good().lane, LaneKind::kCpu);
  wire_.set_tag(v1::IO);
  EXPECT_EQ(Good().tag, Tag::kIo);
  EXPECT_EQ(Good().lane, LaneKind::kIo);
  wire_.set_tag(v1::CPU);
  EXPECT_EQ(Good().tag, Tag::kCpu);
  EXPECT_EQ(Good().lane, LaneKind::kCpu);
}

TEST_F(TaskFromWireTest, AnUnknownTagIsInvalid) {
  wire_.set_tag(static_cast<v1::Tag>(7));
  EXPECT_EQ(Bad(), "task.tag");
}

TEST_F(TaskFromWireTest, ATaskNeedsABody) {
  wire_.clear_body();
  EXPECT_EQ(Bad(), "task.source");
}

TEST_F(TaskFromWireTest, AFunctionIsLookedUpByItsHash) {
  const auto function = functions_.Put("pickled");
  wire_.mutable_function()->set_function_sha256(function->sha256);
  wire_.mutable_function()->set_pickled_arguments("arguments");
  const Task task = Good();
  EXPECT_EQ(task.function, function);
  EXPECT_EQ(task.pickled_arguments, "arguments");
  EXPECT_EQ(task.name, "function-" + absl::BytesToHexString(function->sha256.substr(0, 4)));

  for (int i = 0; i <= kArgumentsMax; ++i) wire_.mutable_function()->add_buffers("buffer");
  EXPECT_EQ(Bad(), "task.function.buffers");
  wire_.mutable_function()->mutable_buffers()->DeleteSubrange(2, kArgumentsMax - 1);
  EXPECT_EQ(Good().buffers, (std::vector<std::string>{"buffer", "buffer"}));

  wire_.mutable_function()->set_function_sha256("short");
  EXPECT_EQ(Bad(), "task.function.function_sha256");

  const std::string unknown(kSha256Bytes, '\xAB');
  wire_.mutable_function()->set_function_sha256(unknown);
  const auto read = TaskFromWire(v1::Task(wire_), &functions_);
  ASSERT_TRUE(std::holds_alternative<MissingFunction>(read));
  const grpc::Status status = ToStatus(std::get<MissingFunction>(read));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(absl::BytesToHexString(unknown)));
}

TEST_F(TaskFromWireTest, CodeIsNeitherEmptyNorTooLong) {
  wire_.mutable_source()->set_code("");
  EXPECT_EQ(Bad(), "task.source.code");
  wire_.mutable_source()->set_code(std::string(kCodeBytesMax, ' '));
  EXPECT_EQ(Bad(), "");
  wire_.mutable_source()->set_code(std::string(kCodeBytesMax + 1, ' '));
  EXPECT_EQ(Bad(), "task.source.code");
}

TEST_F(TaskFromWireTest, AnEntryIsADottedName) {
  for (const char* good : {"main", "_x1", "Model.predict", "a.b.c", "größe"}) {
    wire_.mutable_source()->set_entry(good);
    EXPECT_EQ(Bad(), "") << good;
  }
  for (const char* bad : {"1x", "a..b", ".a", "a.", "a b", "f()", "a-b", "a.1"}) {
    wire_.mutable_source()->set_entry(bad);
    EXPECT_EQ(Bad(), "task.source.entry") << bad;
  }
  wire_.mutable_source()->set_entry(std::string(kEntryBytesMax + 1, 'a'));
  EXPECT_EQ(Bad(), "task.source.entry");
}

TEST_F(TaskFromWireTest, ArgumentsKeepTheirKind) {
  wire_.mutable_source()->set_entry("f");
  wire_.mutable_source()->add_arguments()->set_json("[1]");
  wire_.mutable_source()->add_arguments()->set_raw(std::string("\0\xff", 2));
  const Task task = Good();
  ASSERT_THAT(task.arguments, SizeIs(2));
  EXPECT_EQ(task.arguments[0].kind, Value::Kind::kJson);
  EXPECT_EQ(task.arguments[0].bytes, "[1]");
  EXPECT_EQ(task.arguments[1].kind, Value::Kind::kRaw);
  EXPECT_EQ(task.arguments[1].bytes, std::string("\0\xff", 2));
}

TEST_F(TaskFromWireTest, ArgumentsNeedAnEntry) {
  wire_.mutable_source()->add_arguments()->set_json("1");
  EXPECT_EQ(Bad(), "task.source.arguments");
}

TEST_F(TaskFromWireTest, AnArgumentNeedsAKind) {
  wire_.mutable_source()->set_entry("f");
  wire_.mutable_source()->add_arguments()->set_json("1");
  wire_.mutable_source()->add_arguments();
  EXPECT_EQ(Bad(), "task.source.arguments[1]");
}

TEST_F(TaskFromWireTest, ArgumentsAreBounded) {
  wire_.mutable_source()->set_entry("f");
  for (int i = 0; i < kArgumentsMax; ++i) wire_.mutable_source()->add_arguments()->set_json("1");
  EXPECT_EQ(Bad(), "");
  wire_.mutable_source()->add_arguments()->set_json("1");
  EXPECT_EQ(Bad(), "task.source.arguments");
}

TEST_F(TaskFromWireTest, TheNameIsTheEntryUnlessGiven) {
  wire_.mutable_source()->set_entry("Model.predict");
  EXPECT_EQ(Good().name, "Model.predict");
  wire_.set_name("nightly run");
  EXPECT_EQ(Good().name, "nightly run");
  wire_.clear_name();
  wire_.mutable_source()->set_entry("größe");
  EXPECT_EQ(Good().name, "script") << "a label is ASCII";
}

TEST_F(TaskFromWireTest, ANameIsShortPrintableAscii) {
  for (const std::string& bad : {std::string("a\nb"), std::string("\x7f"), std::string("ö"), std::string(129, 'a')}) {
    wire_.set_name(bad);
    EXPECT_EQ(Bad(), "task.name") << bad;
  }
}

TEST_F(TaskFromWireTest, ASessionIsBounded) {
  wire_.set_session("s");
  wire_.set_tag(v1::IO);
  EXPECT_EQ(Good().session, "s");
  EXPECT_THAT(Good().warnings, IsEmpty());
  for (const v1::Tag tag : {v1::CPU, v1::AUTO}) {
    wire_.set_tag(tag);
    EXPECT_THAT(Good().warnings, ElementsAre(HasSubstr("task.session has no meaning in the CPU lane")));
  }
  wire_.set_session(std::string(kSessionBytesMax + 1, 's'));
  EXPECT_EQ(Bad(), "task.session");
  wire_.set_session(std::string("a\0b", 3));
  EXPECT_EQ(Bad(), "task.session");
}

TEST_F(TaskFromWireTest, FilesAndPatternsAreTaken) {
  AddFile("a.csv", std::string("\0\xff", 2));
  AddFile("in/b");
  wire_.add_collect("out/*.png");
  const auto function = functions_.Put("pickled");
  for (const bool is_call : {false, true}) {
    if (is_call) wire_.mutable_function()->set_function_sha256(function->sha256);
    const Task task = Good();
    ASSERT_THAT(task.files, SizeIs(2));
    EXPECT_EQ(task.files[0].path, "a.csv");
    EXPECT_EQ(task.files[0].content, std::string("\0\xff", 2));
    EXPECT_EQ(task.files[1].path, "in/b");
    EXPECT_EQ(task.files[1].content, "");
    EXPECT_THAT(task.collect, ElementsAre("out/*.png"));
  }
}

TEST_F(TaskFromWireTest, AFilesNameIsRelativeAndPlain) {
  AddFile("good");
  AddFile("");
  for (const std::string& bad :
       {std::string(), std::string("/etc/passwd"), std::string("../x"), std::string("a/./b"), std::string("a//b"),
        std::string("a\0b", 3), std::string(kFilePartBytesMax + 1, 'x'), std::string(kFilePathBytesMax + 1, '/')}) {
    wire_.mutable_files(1)->set_path(bad);
    EXPECT_EQ(Bad(), "task.files[1].path") << bad;
  }
}

TEST_F(TaskFromWireTest, FilesThatCannotBeBesideEachOtherAreNamed) {
  AddFile("a/b");
  AddFile("c");
  AddFile("a/b");
  EXPECT_EQ(Bad(), "task.files[2].path");
  wire_.mutable_files(2)->set_path("c/d");
  EXPECT_EQ(Bad(), "task.files[2].path");
  wire_.mutable_files(2)->set_path("a");
  EXPECT_EQ(Bad(), "task.files[0].path");
  wire_.mutable_files(2)->set_path("a/c");
  EXPECT_EQ(Bad(), "");
}

TEST_F(TaskFromWireTest, FilesAreBounded) {
  AddFile("large", std::string(kFilesBytesMax - 1, 'x'));
  AddFile("small", "x");
  EXPECT_EQ(Bad(), "");
  wire_.mutable_files(1)->set_content("xy");
  EXPECT_EQ(Bad(), "task.files");
  wire_.clear_files();
  for (int i = 0; i < kFilesMax; ++i) AddFile(std::to_string(i));
  EXPECT_EQ(Bad(), "");
  AddFile("one more");
  EXPECT_EQ(Bad(), "task.files");
}

TEST_F(TaskFromWireTest, PatternsAreBoundedAndStayInTheFolder) {
  wire_.add_collect("*");
  wire_.add_collect("");
  for (const char* bad : {"", "/tmp/*", "../*", "out/../*", "out/"}) {
    wire_.set_collect(1, bad);
    EXPECT_EQ(Bad(), "task.collect[1]") << bad;
  }
  while (wire_.collect_size() < kCollectMax) wire_.add_collect("*");
  wire_.set_collect(1, "[!x]?/.*");
  EXPECT_EQ(Bad(), "");
  wire_.add_collect("*");
  EXPECT_EQ(Bad(), "task.collect");
}

TEST_F(TaskFromWireTest, LimitsAreTaken) {
  wire_.mutable_limits()->mutable_wall()->set_nanos(500'000'000);
  wire_.mutable_limits()->mutable_queue()->set_seconds(2);
  wire_.mutable_limits()->mutable_cpu()->set_seconds(3);
  wire_.mutable_limits()->set_memory_bytes(1 << 20);
  wire_.mutable_limits()->set_output_bytes(10);
  wire_.mutable_limits()->set_result_bytes(20);
  wire_.mutable_limits()->set_output_overflow(v1::END_TASK);
  wire_.mutable_limits()->set_processes(4);
  wire_.mutable_limits()->set_scratch_bytes(5);
  wire_.mutable_limits()->set_scratch_files(6);
  const Task task = Good();
  EXPECT_EQ(task.limits.processes, 4);
  EXPECT_EQ(task.limits.scratch_bytes, 5);
  EXPECT_EQ(task.limits.scratch_files, 6);
  EXPECT_EQ(task.limits.wall_ns, 500 * kNsPerMs);
  EXPECT_EQ(task.limits.queue_ns, 2 * kNsPerSecond);
  EXPECT_EQ(task.limits.cpu_ns, 3 * kNsPerSecond);
  EXPECT_EQ(task.limits.memory_bytes, 1 << 20);
  EXPECT_EQ(task.limits.output_bytes, 10);
  EXPECT_EQ(task.limits.result_bytes, 20);
  EXPECT_TRUE(task.limits.end_on_output_overflow);
  EXPECT_THAT(task.warnings, IsEmpty());
}

TEST_F(TaskFromWireTest, AZeroLimitIsTheDefault) {
  wire_.mutable_limits()->mutable_wall();
  wire_.mutable_limits()->mutable_queue();
  EXPECT_EQ(Good().limits.wall_ns, kWallNsDefault);
  EXPECT_EQ(Good().limits.queue_ns, kQueueNsDefault);
}

TEST_F(TaskFromWireTest, LimitsAreLoweredToTheirCeilingsWithAWarning) {
  wire_.mutable_limits()->mutable_wall()->set_seconds(7200);
  wire_.mutable_limits()->mutable_queue()->set_seconds(315'576'000'000);
  wire_.mutable_limits()->set_memory_bytes(~uint64_t{0});
  wire_.mutable_limits()->set_output_bytes(kOutputBytesMax + 1);
  wire_.mutable_limits()->set_result_bytes(kResultBytesMax + 1);
  wire_.mutable_limits()->set_processes(513);
  wire_.mutable_limits()->set_scratch_bytes(kScratchBytes + 1);
  wire_.mutable_limits()->set_scratch_files(kScratchInodes + 1);
  const Task task = Good();
  EXPECT_EQ(task.limits.processes, 510);
  EXPECT_EQ(task.limits.scratch_bytes, kScratchBytes);
  EXPECT_EQ(task.limits.scratch_files, kScratchInodes);
  EXPECT_EQ(task.limits.wall_ns, kWallNsMax);
  EXPECT_EQ(task.limits.queue_ns, kQueueNsMax);
  EXPECT_EQ(task.limits.memory_bytes, kMemoryBytesMax);
  EXPECT_EQ(task.limits.output_bytes, kOutputBytesMax);
  EXPECT_EQ(task.limits.result_bytes, kResultBytesMax);
  EXPECT_THAT(task.warnings, ElementsAre("limits.wall lowered from 7200 s to the server's ceiling of 3600 s",
                                         HasSubstr("limits.queue"), HasSubstr("limits.memory_bytes"),
                                         HasSubstr("limits.output_bytes"), HasSubstr("limits.result_bytes"),
                                         "limits.processes lowered from 513 to the server's ceiling of 510",
                                         HasSubstr("limits.scratch_bytes"), HasSubstr("limits.scratch_files")));
  const auto read = TaskFromWire(v1::Task(wire_), &functions_, /*memory_bytes_max=*/1 << 20);
  EXPECT_EQ(std::get<Task>(read).limits.memory_bytes, 1 << 20) << "this server's";
}

TEST_F(TaskFromWireTest, NegativeAndMalformedDurationsAreInvalid) {
  wire_.mutable_limits()->mutable_wall()->set_seconds(-1);
  EXPECT_EQ(Bad(), "task.limits.wall");
  wire_.mutable_limits()->mutable_wall()->set_seconds(1);
  wire_.mutable_limits()->mutable_wall()->set_nanos(-1);
  EXPECT_EQ(Bad(), "task.limits.wall");
  wire_.mutable_limits()->mutable_wall()->set_nanos(1'000'000'000);
  EXPECT_EQ(Bad(), "task.limits.wall");
  wire_.mutable_limits()->clear_wall();
  wire_.mutable_limits()->mutable_queue()->set_nanos(-5);
  EXPECT_EQ(Bad(), "task.limits.queue");
  wire_.mutable_limits()->clear_queue();
  wire_.mutable_limits()->mutable_cpu()->set_seconds(-1);
  EXPECT_EQ(Bad(), "task.limits.cpu");
}

TEST_F(TaskFromWireTest, CpuLaneLimitsAreInvalidInTheIoLane) {
  wire_.set_tag(v1::IO);
  wire_.mutable_limits()->set_memory_bytes(1);
  EXPECT_EQ(Bad(), "task.limits.memory_bytes");
  wire_.mutable_limits()->clear_memory_bytes();
  wire_.mutable_limits()->set_processes(1);
  EXPECT_EQ(Bad(), "task.limits.processes");
  wire_.mutable_limits()->clear_processes();
  wire_.mutable_limits()->set_scratch_bytes(1);
  EXPECT_EQ(Bad(), "task.limits.scratch_bytes");
  wire_.mutable_limits()->clear_scratch_bytes();
  wire_.mutable_limits()->set_scratch_files(1);
  EXPECT_EQ(Bad(), "task.limits.scratch_files");
  wire_.mutable_limits()->clear_scratch_files();
  wire_.mutable_limits()->mutable_cpu()->set_seconds(1);
  EXPECT_EQ(Bad(), "task.limits.cpu");
  wire_.set_tag(v1::AUTO);
  EXPECT_EQ(Bad(), "");
}

TEST_F(TaskFromWireTest, ALockProfileIsInvalidInTheIoLane) {
  EXPECT_FALSE(Good().profile_lock);
  wire_.set_profile_lock(true);
  EXPECT_TRUE(Good().profile_lock) << "AUTO runs in the CPU lane";
  wire_.set_tag(v1::CPU);
  EXPECT_TRUE(Good().profile_lock);
  wire_.set_tag(v1::IO);
  EXPECT_EQ(Bad(), "task.profile_lock");
}

TEST_F(TaskFromWireTest, AFreshInterpreterIsOfTheCpuLaneOnly) {
  EXPECT_FALSE(Good().fresh);
  wire_.set_isolation(v1::SHARED);
  EXPECT_FALSE(Good().fresh);
  wire_.set_isolation(v1::FRESH);
  EXPECT_TRUE(Good().fresh) << "AUTO runs in the CPU lane";
  wire_.set_allow_subprocess(true);
  EXPECT_TRUE(Good().fresh && Good().allow_subprocess);
  wire_.set_tag(v1::IO);
  EXPECT_EQ(Bad(), "task.isolation");
  wire_.set_tag(v1::CPU);
  wire_.set_isolation(static_cast<v1::Isolation>(9));
  EXPECT_EQ(Bad(), "task.isolation");
}

TEST_F(TaskFromWireTest, AnUnknownOverflowIsInvalid) {
  wire_.mutable_limits()->set_output_overflow(static_cast<v1::OutputOverflow>(9));
  EXPECT_EQ(Bad(), "task.limits.output_overflow");
}

}  // namespace
}  // namespace gild
