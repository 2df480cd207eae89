#include "client/cli/outcome_json.h"

#include "client/cli/json.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

constexpr char kUnavailable[] = "unavailable";

void Time(const char* key, bool available, const google::protobuf::Duration& duration, JsonWriter* json) {
  json->Key(key).String(available ? ExactSeconds(FromProto(duration)) : kUnavailable);
}

void Count(const char* key, bool available, uint64_t count, JsonWriter* json) {
  json->Key(key);
  if (available) {
    json->Unsigned(count);
  } else {
    json->String(kUnavailable);
  }
}

void Result(const v1::Value& result, JsonWriter* json) {
  switch (result.kind_case()) {
    case v1::Value::kJson:
      if (IsJson(result.json())) {
        json->Key("result").Splice(result.json());
      } else {
        json->Key("result").Null().Key("result_text").String(result.json());
      }
      return;
    case v1::Value::kRaw: json->Key("result").Null().Key("result_base64").Base64(result.raw()); return;
    case v1::Value::kPickled: json->Key("result").Null().Key("result_pickle_base64").Base64(result.pickled()); return;
    case v1::Value::KIND_NOT_SET: json->Key("result").Null(); return;
  }
}

void WriteError(const v1::Error& error, JsonWriter* json) {
  json->Begin('{').Key("type").String(error.type());
  json->Key("message").String(error.message()).Key("traceback").String(error.traceback());
  json->Key("before_start").Bool(error.before_start()).End('}');
}

// Times as everywhere, sizes as bytes.
void Amount(const char* key, const std::string& limit, uint64_t amount, JsonWriter* json) {
  json->Key(key);
  if (IsTimeLimit(limit)) {
    json->String(ExactSeconds(absl::Nanoseconds(static_cast<int64_t>(amount))));
  } else {
    json->Unsigned(amount);
  }
}

void WriteEvidence(const v1::Evidence& evidence, JsonWriter* json) {
  json->Begin('{').Key("detail").String(evidence.detail());
  if (evidence.has_exit_code()) json->Key("exit_code").Integer(evidence.exit_code());
  if (evidence.has_signal()) json->Key("signal").String(SignalWord(evidence.signal()));
  if (!evidence.limit().empty()) json->Key("limit").String(evidence.limit());
  if (evidence.has_allowed()) Amount("allowed", evidence.limit(), evidence.allowed(), json);
  if (evidence.has_used()) Amount("used", evidence.limit(), evidence.used(), json);
  json->Key("safe_to_retry").Bool(evidence.safe_to_retry()).End('}');
}

void WriteUsage(const v1::Usage& usage, JsonWriter* json) {
  json->Begin('{');
  Time("queue", usage.has_queue(), usage.queue(), json);
  Time("dispatch", usage.has_dispatch(), usage.dispatch(), json);
  Time("run", usage.has_run(), usage.run(), json);
  Time("cpu", usage.has_cpu(), usage.cpu(), json);
  Time("cpu_wait", usage.has_cpu_wait(), usage.cpu_wait(), json);
  if (usage.has_loop_wait()) Time("loop_wait", true, usage.loop_wait(), json);
  Count("peak_memory_bytes", usage.has_peak_memory_bytes(), usage.peak_memory_bytes(), json);
  Count("core", usage.has_core() && usage.core() >= 0, usage.core(), json);
  json->Key("interpreter").String(usage.interpreter().empty() ? kUnavailable : usage.interpreter());
  json->End('}');
}

void WriteLock(bool available, const v1::LockUsage& lock, JsonWriter* json) {
  json->Begin('{');
  Time("wait", available && lock.has_wait(), lock.wait(), json);
  Time("hold", available && lock.has_hold(), lock.hold(), json);
  Count("takes", available, lock.takes(), json);
  Count("contended_takes", available, lock.contended_takes(), json);
  Count("forced_releases", available, lock.forced_releases(), json);
  Time("longest_hold", available && lock.has_longest_hold(), lock.longest_hold(), json);
  json->End('}');
}

void WriteVerdict(const v1::Outcome& outcome, JsonWriter* json) {
  if (!outcome.has_verdict()) {
    json->String(kUnavailable);
    return;
  }
  const v1::Verdict& verdict = outcome.verdict();
  json->Begin('{').Key("kind").String(VerdictWord(verdict.kind()));
  json->Key("holding_share").Number(verdict.holding_share());
  json->Key("native_share").Number(verdict.native_share());
  json->Key("waiting_share").Number(verdict.waiting_share()).End('}');
}

}  // namespace

std::string OutcomeJson(const v1::Outcome& outcome) {
  JsonWriter json;
  json.Begin('{');
  json.Key("task_id").String(outcome.task_id());
  json.Key("ending").String(EndingWord(outcome.ending()));
  json.Key("lane").String(LaneWord(outcome.lane()));
  Result(outcome.result(), &json);
  json.Key("stdout").String(outcome.stdout()).Key("stderr").String(outcome.stderr());
  json.Key("stdout_truncated").Bool(outcome.stdout_truncated());
  json.Key("stderr_truncated").Bool(outcome.stderr_truncated());
  json.Key("error");
  if (outcome.has_error()) {
    WriteError(outcome.error(), &json);
  } else {
    json.Null();
  }
  json.Key("evidence");
  WriteEvidence(outcome.evidence(), &json);
  json.Key("usage");
  WriteUsage(outcome.usage(), &json);
  json.Key("lock");
  WriteLock(outcome.has_lock(), outcome.lock(), &json);
  json.Key("verdict");
  WriteVerdict(outcome, &json);
  json.Key("files").Begin('[');
  for (const v1::File& file : outcome.files()) {
    json.Begin('{').Key("path").String(file.path()).Key("bytes").Unsigned(file.content().size()).End('}');
  }
  json.End(']');
  json.Key("warnings").Begin('[');
  for (const std::string& warning : outcome.warnings()) json.String(warning);
  json.End(']').End('}');
  return json.text();
}

std::string FailureJson(const ServerError& error, const std::string& cause) {
  JsonWriter json;
  json.Begin('{').Key("ending").Null().Key("failure").Begin('{');
  json.Key("code").String(absl::StatusCodeToString(error.code));
  json.Key("reason").String(error.reason);
  json.Key("cause").String(cause);
  json.Key("message").String(error.message);
  json.Key("retry_after");
  if (error.retry_delay) {
    json.String(ExactSeconds(*error.retry_delay));
  } else {
    json.Null();
  }
  json.Key("field_violations").Begin('[');
  for (const auto& violation : error.field_violations) {
    json.Begin('{').Key("field").String(violation.field);
    json.Key("description").String(violation.description).End('}');
  }
  json.End(']').End('}').End('}');
  return json.text();
}

}  // namespace gild::cli
