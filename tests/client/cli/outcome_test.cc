// What a task's end becomes on the command line: an exit code, a line, a line of JSON.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "client/cli/exit_code.h"
#include "client/cli/explain.h"
#include "client/cli/json.h"
#include "client/cli/outcome_json.h"

namespace gild::cli {
namespace {

v1::Outcome Ended(v1::Ending ending) {
  v1::Outcome outcome;
  outcome.set_task_id("018f-9c");
  outcome.set_ending(ending);
  outcome.set_lane(v1::CPU_LANE);
  return outcome;
}

// Another reader of JSON than our own writer.
google::protobuf::Struct Parsed(const std::string& json) {
  google::protobuf::Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json;
  return parsed;
}

TEST(ExitCodeTest, EveryEndingHasItsOwn) {
  const std::map<v1::Ending, int> table = {{v1::ENDING_UNSPECIFIED, 125},
                                           {v1::SUCCEEDED, 0},
                                           {v1::RAISED, 1},
                                           {v1::EXITED, 1},
                                           {v1::CRASHED, 128},
                                           {v1::TIMED_OUT, 124},
                                           {v1::CPU_LIMIT, 152},
                                           {v1::MEMORY_LIMIT, 137},
                                           {v1::OUTPUT_LIMIT, 153},
                                           {v1::RESULT_LIMIT, 120},
                                           {v1::CANCELLED, 130},
                                           {v1::EXPIRED, 121},
                                           {v1::INTERPRETER_LOST, 122},
                                           {v1::PROTOCOL_ERROR, 123},
                                           {v1::PROCESS_LIMIT, 118},
                                           {v1::SCRATCH_LIMIT, 119}};
  for (int ending = v1::Ending_MIN; ending <= v1::Ending_MAX; ++ending) {
    ASSERT_EQ(table.count(static_cast<v1::Ending>(ending)), 1u) << v1::Ending_Name(ending) << " is not in the table";
    EXPECT_EQ(ExitCode(Ended(static_cast<v1::Ending>(ending))), table.at(static_cast<v1::Ending>(ending)))
        << v1::Ending_Name(ending);
  }
}

TEST(ExitCodeTest, TheEvidenceDecidesWhereItCan) {
  v1::Outcome exited = Ended(v1::EXITED);
  exited.mutable_evidence()->set_exit_code(7);
  EXPECT_EQ(ExitCode(exited), 7);
  exited.mutable_evidence()->set_exit_code(0);
  EXPECT_EQ(ExitCode(exited), 0);
  exited.mutable_evidence()->set_exit_code(-1);
  EXPECT_EQ(ExitCode(exited), 255);
  v1::Outcome crashed = Ended(v1::CRASHED);
  crashed.mutable_evidence()->set_signal(11);
  EXPECT_EQ(ExitCode(crashed), 139);
  v1::Outcome raised = Ended(v1::RAISED);
  for (const auto& [type, code] :
       std::map<std::string, int>{{"SyntaxError", 1}, {"EntryNotFound", 127}, {"ValueError", 1}}) {
    raised.mutable_error()->set_type(type);
    EXPECT_EQ(ExitCode(raised), code) << type;
  }
  raised.mutable_error()->set_before_start(true);
  EXPECT_EQ(ExitCode(raised), 126);
}

TEST(ExitCodeTest, FailuresOfGild) {
  using Kind = ServerError::Kind;
  for (const auto& [kind, code] : std::map<Kind, int>{{Kind::kConnectionRefused, 69},
                                                      {Kind::kNoRoute, 69},
                                                      {Kind::kNotGrpc, 69},
                                                      {Kind::kConnectionLost, 69},
                                                      {Kind::kDraining, 75},
                                                      {Kind::kRefused, 75},
                                                      {Kind::kInvalid, 2},
                                                      {Kind::kDeadline, 125},
                                                      {Kind::kCancelled, 130},
                                                      {Kind::kUnimplemented, 125},
                                                      {Kind::kOther, 125}}) {
    ServerError error;
    error.kind = kind;
    EXPECT_EQ(ExitCode(error), code);
    EXPECT_FALSE(Explain(error, "here:1").cause.empty());
  }
}

TEST(ExplainTest, ALimitIsToldWithItsUsageAndWhatToDo) {
  v1::Outcome outcome = Ended(v1::MEMORY_LIMIT);
  outcome.mutable_usage()->mutable_run()->set_seconds(1);
  outcome.mutable_evidence()->set_limit("memory");
  outcome.mutable_evidence()->set_allowed(uint64_t{256} << 20);
  outcome.mutable_evidence()->set_used(uint64_t{256} << 20);
  outcome.mutable_evidence()->set_detail("MemoryError");
  const Explanation why = Explain(outcome, "");
  EXPECT_EQ(why.cause,
            "MEMORY_LIMIT after 1.00s: memory 256 MiB allowed, 256 MiB used, MemoryError (lane cpu, task 018f-9c)");
  EXPECT_EQ(why.hint, "raise it with --memory 512MiB");

  v1::Outcome late = Ended(v1::TIMED_OUT);
  late.mutable_evidence()->set_limit("wall");
  late.mutable_evidence()->set_allowed(5000000000);
  late.mutable_evidence()->set_used(5001000000);
  EXPECT_EQ(Explain(late, "").cause, "TIMED_OUT: wall 5.00s allowed, 5.00s used (lane cpu, task 018f-9c)");
  EXPECT_EQ(Explain(late, "").hint, "raise it with --timeout 10s");
}

TEST(ExplainTest, ASignalHasItsName) {
  v1::Outcome outcome = Ended(v1::CRASHED);
  outcome.mutable_evidence()->set_signal(11);
  EXPECT_TRUE(absl::StrContains(Explain(outcome, "").cause, "CRASHED: SIGSEGV"));
}

TEST(ExplainTest, NothingToSayWhereTheOutputSaysIt) {
  EXPECT_EQ(Explain(Ended(v1::SUCCEEDED), "").cause, "");
  EXPECT_EQ(Explain(Ended(v1::EXITED), "").cause, "");
  EXPECT_EQ(Explain(Ended(v1::RAISED), "").cause, "");
}

TEST(ExplainTest, TheLineIsSafeForATerminal) {
  v1::Outcome outcome = Ended(v1::INTERPRETER_LOST);
  outcome.mutable_evidence()->set_detail("line\n\x1b[2Jwiped \xff" + std::string(5000, 'x'));
  const std::string cause = Explain(outcome, "").cause;
  EXPECT_FALSE(absl::StrContains(cause, "\n"));
  EXPECT_FALSE(absl::StrContains(cause, "\x1b"));
  EXPECT_LT(cause.size(), 600u);
  EXPECT_TRUE(IsUtf8(cause));
}

TEST(JsonTest, BadUtf8IsReplacedAsPythonDoes) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(RepairUtf8("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(RepairUtf8("a\xFF"
                       "b"),
            "a" + r + "b");
  EXPECT_EQ(RepairUtf8("\xC3"), r);
  EXPECT_EQ(RepairUtf8("\xE2\x82"), r);              // a cut one is one piece
  EXPECT_EQ(RepairUtf8("\xED\xA0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(RepairUtf8("\xC0\xAF"), r + r);          // overlong
  EXPECT_EQ(RepairUtf8("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(RepairUtf8(std::string("\0x", 2)), std::string("\0x", 2));
}

TEST(JsonTest, ChecksTextAsPythonReadsIt) {
  for (const char* good : {"1", "-0.5e+3", "\"a\\u00e9\\n\"", "[]", "{}", "[1, 2, {\"a\": [null]}]", " true ", "NaN",
                           "-Infinity", "[[], {}]", "{\"a\":{}, \"b\":[]}"}) {
    EXPECT_TRUE(IsJson(good)) << good;
  }
  for (const char* bad : {"", "hello", "01", "1 2", "[1,]", "{\"a\"}", "{\"a\":1,}", "\"\n\"", "\"open", "\"\\x\"",
                          "[1", "]", "{1:2}", "'a'", "1,\"ending\":\"SUCCEEDED\"", "tru", "\"\xff\"", "-", "1."}) {
    EXPECT_FALSE(IsJson(bad)) << bad;
  }
  EXPECT_TRUE(IsJson(std::string(1000, '[') + std::string(1000, ']')));
  EXPECT_FALSE(IsJson(std::string(1001, '[') + std::string(1001, ']')));
  EXPECT_FALSE(IsJson(std::string(1 << 20, '[')));
}

TEST(OutcomeJsonTest, AwkwardOutputStaysOneLineOfJson) {
  v1::Outcome outcome = Ended(v1::SUCCEEDED);
  static constexpr char kOutput[] = "quote \" back \\ newline \n tab \t nul \0 bad \xff\xfe end";
  outcome.set_stdout(std::string(kOutput, sizeof kOutput - 1));
  outcome.set_stderr("\x1b[31mred");
  outcome.set_stdout_truncated(true);
  outcome.add_warnings("two\nlines");
  const std::string line = OutcomeJson(outcome);
  EXPECT_FALSE(absl::StrContains(line, "\n"));
  const auto parsed = Parsed(line);
  EXPECT_EQ(parsed.fields().at("stdout").string_value(), RepairUtf8(outcome.stdout()));
  EXPECT_EQ(parsed.fields().at("stderr").string_value(), outcome.stderr());
  EXPECT_TRUE(parsed.fields().at("stdout_truncated").bool_value());
  EXPECT_EQ(parsed.fields().at("warnings").list_value().values(0).string_value(), "two\nlines");
  EXPECT_EQ(parsed.fields().at("verdict").string_value(), "unavailable");
}

TEST(OutcomeJsonTest, TheTasksJsonPassesThroughUntouched) {
  v1::Outcome outcome = Ended(v1::SUCCEEDED);
  outcome.mutable_result()->set_json("{\"big\": 9007199254740993,\n \"text\": \"a\\nb\"}");
  EXPECT_TRUE(absl::StrContains(OutcomeJson(outcome), "\"result\":{\"big\": 9007199254740993,  \"text\": \"a\\nb\"}"));
}

TEST(OutcomeJsonTest, AResultCannotForgeTheRest) {
  v1::Outcome outcome = Ended(v1::RAISED);
  outcome.mutable_result()->set_json("1,\"ending\":\"SUCCEEDED\"");
  const auto parsed = Parsed(OutcomeJson(outcome));
  EXPECT_EQ(parsed.fields().at("ending").string_value(), "RAISED");
  EXPECT_EQ(parsed.fields().at("result_text").string_value(), outcome.result().json());
}

TEST(OutcomeJsonTest, BytesComeAsBase64) {
  v1::Outcome outcome = Ended(v1::SUCCEEDED);
  outcome.mutable_result()->set_raw(std::string("\0\xff\x10", 3));
  EXPECT_EQ(Parsed(OutcomeJson(outcome)).fields().at("result_base64").string_value(), "AP8Q");
}

TEST(OutcomeJsonTest, WhatNobodySawIsUnavailableAndNeverZero) {
  const auto parsed = Parsed(OutcomeJson(Ended(v1::EXPIRED)));
  for (const char* group : {"usage", "lock"}) {
    for (const auto& [key, value] : parsed.fields().at(group).struct_value().fields()) {
      EXPECT_EQ(value.string_value(), "unavailable") << key;
    }
  }
  EXPECT_TRUE(parsed.fields().at("error").has_null_value());
  // Absent and empty say the same.
  EXPECT_FALSE(parsed.fields().at("evidence").struct_value().fields().at("safe_to_retry").bool_value());

  v1::Outcome measured = Ended(v1::SUCCEEDED);
  measured.mutable_lock()->mutable_wait()->set_nanos(0);  // present, and zero: measured
  measured.mutable_usage()->mutable_run()->set_nanos(500000000);
  measured.mutable_usage()->set_core(0);
  const auto fields = Parsed(OutcomeJson(measured)).fields();
  EXPECT_EQ(fields.at("lock").struct_value().fields().at("wait").string_value(), "0s");
  EXPECT_EQ(fields.at("lock").struct_value().fields().at("hold").string_value(), "unavailable");
  EXPECT_EQ(fields.at("lock").struct_value().fields().at("takes").number_value(), 0);
  EXPECT_EQ(fields.at("usage").struct_value().fields().at("run").string_value(), "0.5s");
  EXPECT_TRUE(fields.at("usage").struct_value().fields().at("core").has_number_value());
}

TEST(OutcomeJsonTest, EvidenceAndErrorAreThereWhenThereAreAny) {
  v1::Outcome outcome = Ended(v1::CRASHED);
  outcome.mutable_evidence()->set_signal(9);
  outcome.mutable_error()->set_type("ValueError");
  const auto fields = Parsed(OutcomeJson(outcome)).fields();
  EXPECT_EQ(fields.at("evidence").struct_value().fields().at("signal").string_value(), "SIGKILL");
  EXPECT_EQ(fields.at("evidence").struct_value().fields().count("exit_code"), 0u);
  EXPECT_EQ(fields.at("error").struct_value().fields().at("type").string_value(), "ValueError");
}

}  // namespace
}  // namespace gild::cli
