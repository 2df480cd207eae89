#include "server/service/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

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

TEST(ToWireTest, EveryEndingHasTheSameNameOnTheWire) {
  for (const Ending ending : kEndings) EXPECT_EQ(v1::Ending_Name(ToWire(ending)), Name(ending));
  EXPECT_EQ(static_cast<int>(kEndings.size()) + 1, v1::Ending_ARRAYSIZE) << "the wire has no ending of its own";
}

TEST(ToWireTest, EveryTagHasTheSameNameOnTheWireAndComesBack) {
  for (const Tag tag : {Tag::kAuto, Tag::kIo, Tag::kCpu}) {
    EXPECT_EQ(v1::Tag_Name(ToWire(tag)), Name(tag));
    v1::Task wire;
    wire.mutable_source()->set_code("x");
    wire.set_tag(ToWire(tag));
    FunctionStore functions;
    EXPECT_EQ(std::get<Task>(TaskFromWire(v1::Task(wire), &functions)).tag, tag);
  }
}

TEST(ToWireTest, AnOutcomeLosesNothing) {
  Task task;
  task.id = "an-id";
  task.lane = LaneKind::kIo;
  Outcome outcome;
  outcome.ending = Ending::kRaised;
  outcome.started = true;
  outcome.result = {Value::Kind::kRaw, std::string("\xff\x00", 2)};
  outcome.out = "out \xff";
  outcome.err = "err \xfe";
  outcome.out_truncated = true;
  outcome.err_truncated = true;
  outcome.error = Error{"ValueError", "bad", "Traceback", /*before_start=*/true};
  outcome.evidence = {
      .detail = "d", .exit_code = 3, .signal = 9, .limit = "wall", .allowed = 5, .used = 6, .safe_to_retry = true};
  outcome.usage = {.queue_ns = 1,
                   .dispatch_ns = 2,
                   .run_ns = 3,
                   .cpu_ns = 4,
                   .cpu_wait_ns = 5,
                   .peak_memory_bytes = 6,
                   .core = 0,
                   .interpreter = "io-0#1"};
  outcome.lock = LockUsage{kNsPerSecond + 1, 2, 3, 4, 5, 6};
  outcome.files = {{"out/ä", std::string("\xff\x00", 2)}, {"b", ""}};
  outcome.lock_profile = {{.function = "f", .file = "g", .line = 7, .hold_ns = kNsPerSecond + 8, .calls = 9}};
  outcome.warnings = {"w"};
  v1::Outcome wire;
  ToWire(task, Outcome(outcome), &wire);

  EXPECT_EQ(wire.task_id(), "an-id");
  EXPECT_EQ(wire.ending(), v1::RAISED);
  EXPECT_EQ(wire.lane(), v1::IO_LANE);
  EXPECT_EQ(wire.result().raw(), std::string("\xff\x00", 2));
  EXPECT_EQ(wire.stdout(), "out \xff") << "output is bytes and stays as it is";
  EXPECT_EQ(wire.stderr(), "err \xfe");
  EXPECT_TRUE(wire.stdout_truncated() && wire.stderr_truncated());
  EXPECT_EQ(wire.error().type(), "ValueError");
  EXPECT_EQ(wire.error().message(), "bad");
  EXPECT_TRUE(wire.error().before_start());
  EXPECT_EQ(wire.error().traceback(), "Traceback");
  EXPECT_EQ(wire.evidence().detail(), "d");
  EXPECT_EQ(wire.evidence().exit_code(), 3);
  EXPECT_EQ(wire.evidence().signal(), 9);
  EXPECT_EQ(wire.evidence().limit(), "wall");
  EXPECT_EQ(wire.evidence().allowed(), 5);
  EXPECT_EQ(wire.evidence().used(), 6);
  EXPECT_TRUE(wire.evidence().safe_to_retry());
  v1::Outcome says_nothing;
  ToWire(task, Outcome(), &says_nothing);
  EXPECT_FALSE(says_nothing.has_evidence());
  ASSERT_THAT(wire.lock_profile(), SizeIs(1));
  EXPECT_EQ(wire.lock_profile(0).function(), "f");
  EXPECT_EQ(wire.lock_profile(0).file(), "g");
  EXPECT_EQ(wire.lock_profile(0).line(), 7u);
  EXPECT_EQ(wire.lock_profile(0).hold().seconds(), 1);
  EXPECT_EQ(wire.lock_profile(0).hold().nanos(), 8);
  EXPECT_EQ(wire.lock_profile(0).calls(), 9u);
  EXPECT_EQ(wire.usage().queue().nanos(), 1);
  EXPECT_EQ(wire.usage().dispatch().nanos(), 2);
  EXPECT_EQ(wire.usage().run().nanos(), 3);
  EXPECT_EQ(wire.usage().cpu().nanos(), 4);
  EXPECT_EQ(wire.usage().cpu_wait().nanos(), 5);
  EXPECT_EQ(wire.usage().peak_memory_bytes(), 6);
  EXPECT_TRUE(wire.usage().has_core());
  EXPECT_EQ(wire.usage().interpreter(), "io-0#1");
  EXPECT_EQ(wire.lock().wait().seconds(), 1);
  EXPECT_EQ(wire.lock().wait().nanos(), 1);
  EXPECT_EQ(wire.lock().hold().nanos(), 2);
  EXPECT_EQ(wire.lock().takes(), 3);
  EXPECT_EQ(wire.lock().contended_takes(), 4);
  EXPECT_EQ(wire.lock().forced_releases(), 5);
  EXPECT_EQ(wire.lock().longest_hold().nanos(), 6);
  ASSERT_EQ(wire.files_size(), 2);
  EXPECT_EQ(wire.files(0).path(), "out/ä");
  EXPECT_EQ(wire.files(0).content(), std::string("\xff\x00", 2));
  EXPECT_EQ(wire.files(1).path(), "b");
  EXPECT_THAT(wire.warnings(), ElementsAre("w"));
}

TEST(ToWireTest, AVerdictsSharesKeepTheirPlaces) {
  Outcome outcome;
  outcome.usage.run_ns = 110;
  outcome.usage.cpu_ns = 90;
  outcome.lock = LockUsage{.wait_ns = 10, .hold_ns = 60};  // of 100 of its own
  v1::Outcome wire;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::LOCK_BOUND);
  EXPECT_DOUBLE_EQ(wire.verdict().holding_share(), 0.6);
  EXPECT_DOUBLE_EQ(wire.verdict().native_share(), 0.3);
  EXPECT_NEAR(wire.verdict().waiting_share(), 0.1, 1e-9);
  outcome.lock->hold_ns = 10;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::NATIVE);
  outcome.usage.cpu_ns = 20;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::IO_BOUND);
  outcome.usage.cpu_ns = 55;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::MIXED);
}

TEST(ToWireTest, UnavailableIsAbsent) {
  v1::Outcome wire;
  ToWire(Task(), Outcome(), &wire);
  EXPECT_EQ(wire.lane(), v1::NO_LANE) << "it never started";
  EXPECT_FALSE(wire.has_result());
  EXPECT_FALSE(wire.has_error());
  EXPECT_FALSE(wire.has_lock());
  EXPECT_FALSE(wire.has_verdict());
  EXPECT_TRUE(wire.usage().has_queue());
  EXPECT_FALSE(wire.usage().has_run());
  EXPECT_FALSE(wire.usage().has_cpu());
  EXPECT_FALSE(wire.usage().has_peak_memory_bytes());
  EXPECT_FALSE(wire.usage().has_core());
  EXPECT_FALSE(wire.evidence().has_signal());
  EXPECT_FALSE(wire.evidence().has_exit_code());
  EXPECT_FALSE(wire.evidence().has_allowed());
}

TEST(ToWireTest, AJsonResultOfAHostileChildStillParses) {
  Outcome outcome;
  outcome.result = {Value::Kind::kJson, "\"\xff\""};
  v1::Outcome wire;
  ToWire(Task(), Outcome(outcome), &wire);
  v1::Outcome read;
  EXPECT_TRUE(read.ParseFromString(wire.SerializeAsString()));
  EXPECT_EQ(read.result().json(), "\"\xef\xbf\xbd\"");
}

TEST(ToWireTest, StatsCarryTheSnapshot) {
  ServerSnapshot snapshot;
  snapshot.uptime_ns = 2 * kNsPerSecond;
  snapshot.draining = true;
  snapshot.lanes = {{.lane = LaneKind::kIo,
                     .serving = true,
                     .queued = 1,
                     .queued_bytes = 2,
                     .running = 3,
                     .endings = {{Ending::kRaised, 4}}}};
  snapshot.sessions.live = {{.session = "busy", .slot = "io-1", .tasks = 12, .active = 2},
                            {.session = "idle", .idle_ns = 3 * kNsPerSecond}};
  snapshot.slots = {{.slot = "io-0",
                     .lane = LaneKind::kIo,
                     .state = InterpreterState::kBackingOff,
                     .generation = 5,
                     .pid = 6,
                     .running = 7,
                     .capacity = 8,
                     .lock = LockUsage{.takes = 9},
                     .waiters = 10,
                     .holder = HolderSnapshot{"id", "name", 11},
                     .restarts = {{"crashed", 12}}},
                    {.slot = "cpu-0"}};
  snapshot.cores = {{.core = 1, .io_ns = 2, .cpu_ns = 3, .server_ns = 4, .other_ns = 5, .idle_ns = 6, .steal_ns = 7}};
  snapshot.core_split_exact = true;
  snapshot.lost_parallelism_ns = 8;
  const v1::Stats stats = ToWire(snapshot);
  EXPECT_EQ(stats.uptime().seconds(), 2);
  EXPECT_TRUE(stats.draining());
  ASSERT_THAT(stats.lanes(), SizeIs(1));
  EXPECT_EQ(stats.lanes(0).lane(), v1::IO_LANE);
  EXPECT_TRUE(stats.lanes(0).serving());
  EXPECT_EQ(stats.lanes(0).queued(), 1);
  EXPECT_EQ(stats.lanes(0).queued_bytes(), 2);
  EXPECT_EQ(stats.lanes(0).running(), 3);
  EXPECT_EQ(stats.lanes(0).endings(0).ending(), v1::RAISED);
  EXPECT_EQ(stats.lanes(0).endings(0).tasks(), 4);
  ASSERT_THAT(stats.interpreters(), SizeIs(2));
  const v1::InterpreterStats& io = stats.interpreters(0);
  EXPECT_EQ(io.slot(), "io-0");
  EXPECT_EQ(io.state(), v1::InterpreterStats::BACKING_OFF);
  EXPECT_EQ(io.generation(), 5);
  EXPECT_EQ(io.pid(), 6);
  EXPECT_EQ(io.running(), 7);
  EXPECT_EQ(io.capacity(), 8);
  EXPECT_EQ(io.lock().takes(), 9);
  EXPECT_EQ(io.waiters(), 10);
  EXPECT_EQ(io.holder().task_name(), "name");
  EXPECT_EQ(io.holder().held_for().nanos(), 11);
  EXPECT_EQ(io.restarts(0).cause(), "crashed");
  EXPECT_EQ(io.restarts(0).restarts(), 12);
  EXPECT_FALSE(stats.interpreters(1).has_lock());
  EXPECT_FALSE(stats.interpreters(1).has_holder());
  EXPECT_EQ(stats.cores(0).core(), 1);
  EXPECT_EQ(stats.cores(0).io_lane().nanos(), 2);
  EXPECT_EQ(stats.cores(0).cpu_lane().nanos(), 3);
  EXPECT_EQ(stats.cores(0).server().nanos(), 4);
  EXPECT_EQ(stats.cores(0).other().nanos(), 5);
  EXPECT_EQ(stats.cores(0).idle().nanos(), 6);
  EXPECT_EQ(stats.cores(0).steal().nanos(), 7);
  EXPECT_TRUE(stats.core_split_exact());
  EXPECT_EQ(stats.lost_parallelism().nanos(), 8);
  EXPECT_FALSE(ToWire(ServerSnapshot()).has_lost_parallelism());

  ASSERT_EQ(stats.sessions_size(), 2);
  EXPECT_EQ(stats.sessions(0).session(), "busy");
  EXPECT_EQ(stats.sessions(0).slot(), "io-1");
  EXPECT_EQ(stats.sessions(0).tasks(), 12u);
  EXPECT_EQ(stats.sessions(0).active(), 2u);
  EXPECT_FALSE(stats.sessions(0).has_idle());
  EXPECT_EQ(stats.sessions(1).session(), "idle");
  EXPECT_EQ(stats.sessions(1).idle().seconds(), 3);
}

TEST(ToWireTest, InfoCarriesLanesAndLimits) {
  const v1::Info info =
      ToWire({.version = "0.1.0",
              .python_version = "3.11.2",
              .meter_detail = "why",
              .isolation = {{LaneKind::kIo, {.in_force = {"rlimits", "landlock"}}},
                            {LaneKind::kCpu, {.in_force = {"seccomp", "rlimits"}, .missing = {{"landlock", "no"}}}}},
              .isolation_level = "user",
              .preloaded = {"numpy"},
              .cores = {0, 1},
              .core_split_exact = true,
              .core_split_detail = "groups"},
             {{.lane = LaneKind::kCpu, .interpreters = 2, .threads_per_interpreter = 1}}, 77);
  EXPECT_EQ(info.version(), "0.1.0");
  EXPECT_FALSE(info.meter_available());
  EXPECT_EQ(info.meter_detail(), "why");
  EXPECT_EQ(info.isolation_level(), "user");
  EXPECT_THAT(info.isolation(), ElementsAre("rlimits")) << "in both lanes";
  EXPECT_THAT(info.lanes(0).isolation(), ElementsAre("seccomp", "rlimits"));
  ASSERT_EQ(info.lanes(0).missing_isolation_size(), 1);
  EXPECT_EQ(info.lanes(0).missing_isolation(0).layer(), "landlock");
  EXPECT_EQ(info.lanes(0).missing_isolation(0).why(), "no");
  EXPECT_THAT(info.preloaded(), ElementsAre("numpy"));
  EXPECT_THAT(info.cores(), ElementsAre(0, 1));
  EXPECT_TRUE(info.core_split_exact());
  EXPECT_EQ(info.core_split_detail(), "groups");
  EXPECT_EQ(info.lanes(0).lane(), v1::CPU_LANE);
  EXPECT_EQ(info.lanes(0).interpreters(), 2);
  EXPECT_EQ(info.lanes(0).queue_capacity(), 77);
  EXPECT_EQ(info.default_limits().wall().seconds(), 30);
  EXPECT_EQ(info.ceiling_limits().wall().seconds(), 3600);
}

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.message(), status.error_message());
  return details;
}

TEST(ToStatusTest, AnInvalidFieldIsNamed) {
  const grpc::Status status = ToStatus(InvalidField{"task.limits.wall", "is negative"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "task.limits.wall is negative");
  const google::rpc::Status details = Details(status);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "task.limits.wall");
  EXPECT_EQ(bad_request.field_violations(0).description(), "is negative");
}

TEST(ToStatusTest, AnUnknownTaskIsNamed) {
  const grpc::Status status = ToStatus(UnknownTask{"0190"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("no task 0190"));
  google::rpc::ErrorInfo error;
  ASSERT_TRUE(Details(status).details(0).UnpackTo(&error));
  EXPECT_EQ(error.reason(), "TASK_UNKNOWN");
  EXPECT_EQ(error.metadata().at("task_id"), "0190");
}

TEST(ToStatusTest, ARefusalSaysWhyAndWhenToTryAgain) {
  struct Case {
    Refusal::Reason reason;
    grpc::StatusCode code;
    const char* name;
  };
  for (const Case& each :
       {Case{Refusal::Reason::kQueueFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL"},
        Case{Refusal::Reason::kQueueBytesFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_BYTES_FULL"},
        Case{Refusal::Reason::kSessionsFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "SESSIONS_FULL"},
        Case{Refusal::Reason::kDraining, grpc::StatusCode::UNAVAILABLE, "DRAINING"}}) {
    const grpc::Status status = ToStatus(Refusal{each.reason, 1500 * kNsPerMs}, LaneKind::kIo);
    EXPECT_EQ(status.error_code(), each.code);
    const google::rpc::Status details = Details(status);
    google::rpc::ErrorInfo error;
    ASSERT_TRUE(details.details(0).UnpackTo(&error));
    EXPECT_EQ(error.reason(), each.name);
    EXPECT_EQ(error.domain(), "gild");
    EXPECT_EQ(error.metadata().at("lane"), "io");
    google::rpc::RetryInfo retry;
    ASSERT_TRUE(details.details(1).UnpackTo(&retry));
    EXPECT_EQ(retry.retry_delay().seconds(), 1);
    EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
  }
}

}  // namespace
}  // namespace gild
