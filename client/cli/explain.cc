#include "client/cli/explain.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

std::string Amount(const std::string& limit, uint64_t amount) {
  if (limit == "processes" || limit == "scratch_files") return absl::StrCat(amount);
  return IsTimeLimit(limit) ? TimeText(absl::Nanoseconds(static_cast<int64_t>(amount))) : SizeText(amount);
}

std::string TwiceTime(const v1::Evidence& evidence) {
  return ExactSeconds(absl::Nanoseconds(static_cast<int64_t>(evidence.allowed())) * 2);
}

std::string HintFor(const v1::Outcome& outcome) {
  const v1::Evidence& evidence = outcome.evidence();
  const bool known = evidence.has_allowed() && evidence.allowed() > 0;
  switch (outcome.ending()) {
    case v1::TIMED_OUT: return known ? absl::StrCat("raise it with --timeout ", TwiceTime(evidence)) : "";
    case v1::CPU_LIMIT: return known ? absl::StrCat("raise it with --cpu-time ", TwiceTime(evidence)) : "";
    case v1::MEMORY_LIMIT:
      return known ? absl::StrCat("raise it with --memory ", OptionSize(evidence.allowed() * 2)) : "";
    case v1::OUTPUT_LIMIT:
      return known ? absl::StrCat("print less, or raise it with --output ", OptionSize(evidence.allowed() * 2)) : "";
    case v1::RESULT_LIMIT: return "return less, or in parts";
    case v1::PROCESS_LIMIT: return "start fewer threads and processes at once";
    case v1::SCRATCH_LIMIT: return "write less, or remove files before writing others";
    case v1::EXPIRED:
      return evidence.safe_to_retry() ? "it had not begun: run it again, or let it wait longer with --queue-timeout"
                                      : "let it wait longer with --queue-timeout";
    case v1::INTERPRETER_LOST:
      return evidence.safe_to_retry() ? "it had not begun: run it again"
                                      : "it may have run in part: run it again only if that does no harm";
    case v1::CRASHED: return "its own C code did that (ctypes, an extension module, os.kill)";
    case v1::ENDING_UNSPECIFIED: return "is the server newer than this client?";
    case v1::SUCCEEDED:
    case v1::RAISED:
    case v1::EXITED:
    case v1::CANCELLED:
    case v1::PROTOCOL_ERROR:
    case v1::Ending_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Ending_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  return "";
}

// `after 1.24s: memory 256 MiB allowed, 256 MiB used, SIGKILL, cgroup oom_kill 1`
std::string Facts(const v1::Outcome& outcome) {
  const v1::Evidence& evidence = outcome.evidence();
  std::string facts;
  if (outcome.ending() == v1::EXITED) return absl::StrCat("its own exit code ", evidence.exit_code());
  const auto add = [&facts](const std::string& fact) { absl::StrAppend(&facts, facts.empty() ? "" : ", ", fact); };
  if (!evidence.limit().empty() && evidence.has_allowed()) {
    add(absl::StrCat(OneLine(evidence.limit()), " ", Amount(evidence.limit(), evidence.allowed()), " allowed"));
  }
  if (!evidence.limit().empty() && evidence.has_used()) add(Amount(evidence.limit(), evidence.used()) + " used");
  if (evidence.has_signal() && !absl::StrContains(evidence.detail(), SignalWord(evidence.signal()))) {
    add(SignalWord(evidence.signal()));
  }
  if (!evidence.detail().empty()) add(OneLine(evidence.detail()));
  if (outcome.ending() == v1::MEMORY_LIMIT && outcome.usage().has_peak_memory_bytes()) {
    add(absl::StrCat("its interpreter's peak was ", SizeText(outcome.usage().peak_memory_bytes())));
  }
  return facts;
}

std::string RetryHint(const ServerError& error) {
  return error.retry_delay ? absl::StrCat("try again in ", TimeText(*error.retry_delay)) : "try again later";
}

std::string ReasonWords(const ServerError& error) {
  if (error.reason == "QUEUE_FULL") return "its queue is full";
  if (error.reason == "QUEUE_BYTES_FULL") return "its tasks hold as many bytes as they may";
  if (error.reason == "SESSIONS_FULL") return "it has as many sessions as it may";
  if (error.reason == "REPLIES_UNREAD") return "too many of its replies wait to be read";
  return OneLine(error.message.empty() ? error.reason : error.message);
}

}  // namespace

Explanation Explain(const v1::Outcome& outcome, const std::string& entry) {
  const v1::Ending ending = outcome.ending();
  if (ending == v1::SUCCEEDED) return {};
  if (ending == v1::EXITED && outcome.evidence().exit_code() == 0) return {};
  if (ending == v1::RAISED) {
    if (outcome.error().type() != kEntryNotFound) return {};
    return {absl::StrCat("the code defines no `", OneLine(entry), "`"), "name a function of it with --entry"};
  }
  std::string cause = EndingWord(ending);
  if (outcome.usage().has_run()) absl::StrAppend(&cause, " after ", TimeText(FromProto(outcome.usage().run())));
  if (const std::string facts = Facts(outcome); !facts.empty()) absl::StrAppend(&cause, ": ", facts);
  absl::StrAppend(&cause, " (lane ", LaneWord(outcome.lane()), ", task ", OneLine(outcome.task_id()), ")");
  return {cause, HintFor(outcome)};
}

Explanation Explain(const ServerError& error, const std::string& address) {
  const std::string server = absl::StrCat("server at ", OneLine(address));
  const std::string said = OneLine(error.message);
  switch (error.kind) {
    case ServerError::Kind::kConnectionRefused:
      return {server + " refused the connection", "start one with `./run server`, or name another with --server"};
    case ServerError::Kind::kNoRoute:
      if (absl::StrContains(error.message, "DNS") || absl::StrContains(error.message, "resolution")) {
        return {absl::StrCat(server, ": no such host"), "check the name given with --server or GILD_SERVER"};
      }
      return {server + " cannot be reached: nobody answers there",
              "check the address given with --server or GILD_SERVER, and the network between"};
    case ServerError::Kind::kNotGrpc:
      return {server + " does not speak gRPC",
              "is that the HTTP port? gild serves gRPC on 50051 unless told otherwise"};
    case ServerError::Kind::kConnectionLost:
      return {absl::StrCat("the connection to the ", server, " broke; whether the task ran is unknown (", said, ")"),
              "gild never runs a task twice: run it again only if that does no harm"};
    case ServerError::Kind::kDraining: return {server + " is shutting down and takes no new tasks", RetryHint(error)};
    case ServerError::Kind::kRefused:
      return {absl::StrCat(server, " refused the task: ", ReasonWords(error)), RetryHint(error)};
    case ServerError::Kind::kInvalid: {
      std::string fields;
      for (const auto& violation : error.field_violations) {
        absl::StrAppend(&fields, fields.empty() ? "" : "; ", OneLine(violation.field), ": ",
                        OneLine(violation.description));
      }
      if (fields.empty()) fields = said.empty() ? server + " calls the task invalid" : said;
      return {fields, "see `gild run --help` for the limits"};
    }
    case ServerError::Kind::kDeadline:
      return {server + " did not answer in time", "is it alive? `gild info` asks for no interpreter"};
    case ServerError::Kind::kCancelled: return {"cancelled; the server stops the task", ""};
    case ServerError::Kind::kUnimplemented:
      return {absl::StrCat(server, " does not have that part of the API (", said, ")"), "is it an older gild?"};
    case ServerError::Kind::kFunctionMissing:  // `gild run` calls none
    case ServerError::Kind::kOther: break;
  }
  return {absl::StrCat(server, " failed: ", absl::StatusCodeToString(error.code), ": ", said), ""};
}

std::string OneLine(absl::string_view bytes) {
  constexpr size_t kMost = 400;
  const bool cut = bytes.size() > kMost;
  std::string line = RepairUtf8(bytes.substr(0, kMost));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  if (cut) line += "...";
  return line;
}

}  // namespace gild::cli
