#include "client/cli/bench_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/explain.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/words.h"

namespace gild::cli {
namespace {

using bench::Figures;
using bench::Steadiness;

constexpr size_t kBarColumns = 40;
constexpr double kSaturated = 0.9;

std::string Time(double ns) { return TimeText(absl::Nanoseconds(ns)); }
std::string Time(int64_t ns) { return TimeText(absl::Nanoseconds(ns)); }

// "23,976".
std::string Grouped(uint64_t number) {
  std::string text = absl::StrCat(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

// "399.6", "21,304": four figures and more.
std::string Rate(double rate) {
  if (rate >= 1000) return Grouped(static_cast<uint64_t>(std::llround(rate)));
  return rate >= 10 ? absl::StrFormat("%.1f", rate) : absl::StrFormat("%.3g", rate);
}

// Three spaces apart, on as many lines as it takes.
std::string Facts(const std::vector<std::string>& facts) {
  std::string text;
  size_t column = 0;
  for (const std::string& fact : facts) {
    const size_t length = CharacterCount(fact);
    const bool fits = column + 3 + length <= kReportColumns;
    absl::StrAppend(&text, text.empty() ? "" : fits ? "   " : "\n", fact);
    column = text.empty() || !fits ? length : column + (column == 0 ? 0 : 3) + length;
  }
  return text + "\n";
}

// "other endings 3 (RAISED 2, CRASHED 1)".
template <typename Counts, typename Word>
std::string Listed(const char* what, const Counts& counts, Word word) {
  uint64_t sum = 0;
  std::string list;
  for (const auto& [key, tasks] : counts) {
    sum += tasks;
    absl::StrAppend(&list, list.empty() ? "" : ", ", word(key), " ", Grouped(tasks));
  }
  return absl::StrCat(what, " ", Grouped(sum), list.empty() ? "" : absl::StrCat(" (", list, ")"));
}

std::string LaneWords(const Figures& figures) {
  std::string words;
  for (const auto& [lane, tasks] : figures.lanes) {
    if (lane != v1::NO_LANE) absl::StrAppend(&words, words.empty() ? "" : " and ", LaneTitle(lane), " lane");
  }
  return words;
}

std::string HeaderText(const BenchReport& report) {
  const bench::LoadOptions& load = report.load;
  std::vector<std::string> facts = {absl::StrCat("gild bench  ", ModeWord(load.mode)), OneLine(report.workload)};
  if (load.mode == bench::Mode::kBatched) facts[0] += absl::StrCat(" by ", load.batch);
  if (const std::string lanes = LaneWords(report.figures); !lanes.empty()) facts.push_back(lanes);
  if (load.rate) {
    facts.push_back(load.spacing == bench::Spacing::kEven ? "open loop, even"
                                                          : absl::StrCat("open loop, Poisson, seed ", load.seed));
  } else {
    facts.push_back(absl::StrCat("closed loop, ", load.outstanding, " outstanding"));
  }
  if (load.connections > 1) facts.push_back(absl::StrCat(load.connections, " connections"));
  return Facts(facts);
}

std::string CountsText(const BenchReport& report) {
  const bench::LoadOptions& load = report.load;
  const Figures& figures = report.figures;
  const std::string reached = absl::StrCat(Rate(figures.rate), "/s");
  std::string text = Facts({load.rate ? absl::StrCat("rate ", reached, " of ", Rate(*load.rate), "/s planned")
                                      : absl::StrCat("rate ", reached),
                            absl::StrCat(Time(figures.length_ns), " + ", Time(load.warm_up_ns), " warm-up"),
                            load.rate ? absl::StrCat(Grouped(figures.sent), " of ", Grouped(figures.planned), " sent")
                                      : absl::StrCat(Grouped(figures.sent), " sent")});
  std::map<v1::Ending, uint64_t> others = figures.endings;
  const uint64_t succeeded = others[v1::SUCCEEDED];
  others.erase(v1::SUCCEEDED);
  std::vector<std::string> facts = {absl::StrCat("SUCCEEDED ", Grouped(succeeded)),
                                    Listed("other endings", others, EndingWord),
                                    Listed("refused", figures.refused, OneLine)};
  if (figures.unanswered > 0) facts.push_back(absl::StrCat("unanswered ", Grouped(figures.unanswered)));
  if (load.rate) {
    const double share = figures.sent == 0 ? 0 : static_cast<double>(figures.late) / static_cast<double>(figures.sent);
    facts.push_back(absl::StrFormat("late sends %.2f%% (max %s)", share * 100, Time(figures.late_max_ns)));
  }
  return text + Facts(facts);
}

std::string LatencyText(const BenchReport& report, const std::function<std::string(const std::string&)>& paint) {
  const bench::Latency& latency = report.figures.latency;
  const std::string from = report.load.rate ? "from the planned moment" : "from the send";
  std::vector<Table::Column> columns = {{absl::StrCat("LATENCY (", from, ")")}};
  for (const char* title : {"    p50", "    p90", "    p99", "  p99.9", "    max"}) {
    columns.push_back({title, Align::kRight});
  }
  Table table(std::move(columns));
  table.Row({OneLine(report.workload.substr(0, 32)), Time(latency.p50_ns), Time(latency.p90_ns), Time(latency.p99_ns),
             Time(latency.p999_ns), Time(latency.max_ns)});
  return table.Text(paint);
}

std::string SplitText(const BenchReport& report, const std::function<std::string(const std::string&)>& paint) {
  const bench::Split& split = report.figures.split;
  const double mean_ns = report.figures.latency.mean_ns;
  const std::string title = absl::StrCat("WHERE THE MEAN WENT (", Time(mean_ns), ")");
  std::string text = (paint ? paint(title) : title) + "\n";
  const auto row = [&](const char* name, std::optional<double> ns) {
    absl::StrAppendFormat(&text, "%-14s", name);
    if (!ns) {
      text += "      n/a\n";
      return;
    }
    // Two clocks' rounding may leave a hair less than nothing.
    const double share = mean_ns > 0 ? std::clamp(*ns / mean_ns, 0.0, 1.0) : 0;
    absl::StrAppendFormat(&text, "%9s %4s |%s\n", Time(std::max(0.0, *ns)), PercentText(share),
                          std::string(static_cast<size_t>(std::lround(share * kBarColumns)), '#'));
  };
  if (report.load.rate) row("client lag", split.client_lag_ns);
  row("network + gRPC", split.network_ns);
  row("queue", split.queue_ns);
  row("dispatch", split.dispatch_ns);
  if (!split.wait_ns) row("run", split.run_ns);
  row("lock wait", split.wait_ns);
  row("lock hold", split.hold_ns);
  row("off the lock", split.off_lock_ns);
  return text;
}

std::string SteadinessText(const Figures& figures) {
  if (!figures.steadiness) {
    return absl::StrCat("stability unknown: a third of the time has under ", Grouped(Steadiness::kWindowTasksMin),
                        " tasks; see --duration");
  }
  const std::string spreads = absl::StrCat(PercentText(figures.steadiness->rate_spread), " (rate), ",
                                           PercentText(figures.steadiness->p99_spread), " (p99)");
  if (figures.steadiness->stable()) return absl::StrCat("stable: 3 windows within ", spreads);
  return absl::StrCat("UNSTABLE: 3 windows differ by ", spreads, "; see --warm-up, --duration");
}

std::string ClientText(const BenchReport& report) {
  if (!report.figures.cpu) return "client's processor time n/a";
  const auto length = static_cast<double>(report.figures.length_ns);
  return absl::StrCat("client used ", PercentText(static_cast<double>(report.figures.cpu->all_ns) / length),
                      " of a core, its busiest thread ",
                      PercentText(static_cast<double>(report.figures.cpu->busiest_ns) / length));
}

std::string WarningsText(const BenchReport& report) {
  const Figures& figures = report.figures;
  std::string text;
  const auto warn = [&text](const std::string& warning) {
    absl::StrAppend(&text, Wrap("WARNING " + warning, kReportColumns), "\n");
  };
  if (ClientSaturated(report)) {
    warn("client saturated: the latency above is partly its own. Use --connections or another machine.");
  }
  if (figures.unsent > 0) {
    warn(absl::StrCat(Grouped(figures.unsent), " planned tasks were not sent, for ", report.load.outstanding,
                      " were outstanding already: the server is slower than the rate, and the latency above leaves "
                      "them out."));
  }
  if (figures.full) warn(absl::StrCat("ended early: ", Grouped(bench::kTasksMax), " tasks are the most of one run."));
  if (figures.interrupted) warn("interrupted: the figures are of the time until then.");
  if (figures.first_other) {
    const v1::Outcome& other = *figures.first_other;
    std::string what = EndingWord(other.ending());
    if (other.has_error()) {
      absl::StrAppend(&what, ", ", other.error().type(), ": ", other.error().message());
    } else if (!other.evidence().detail().empty()) {
      absl::StrAppend(&what, ", ", other.evidence().detail());
    }
    warn(absl::StrCat("not every task succeeded; the first that did not: ", OneLine(what)));
  }
  return text;
}

std::string LegendText(const BenchReport& report) {
  std::string legend =
      report.load.rate ? "late: over 1 ms after the planned moment. client lag: from there to the send. " : "";
  legend +=
      "network + gRPC: what the server does not see, its gRPC included. queue: accepted to handed over. dispatch: to "
      "the "
      "task's first line. lock wait, hold: wanting and having the interpreter's lock, exact. off the lock: the rest of "
      "its run. stable: 10% (rate) and 25% (p99) at most.";
  return Wrap(legend, kReportColumns) + "\n";
}

void Key(const char* key, double ns, JsonWriter* json) { json->Key(key).Number(ns / bench::kNsPerSecond); }

void KeyIf(const char* key, std::optional<double> ns, JsonWriter* json) {
  json->Key(key);
  if (ns) {
    json->Number(*ns / bench::kNsPerSecond);
  } else {
    json->Null();
  }
}

template <typename Counts, typename Word>
void KeyCounts(const char* key, const Counts& counts, Word word, JsonWriter* json) {
  json->Key(key).Begin('{');
  for (const auto& [what, tasks] : counts) json->Key(word(what)).Unsigned(tasks);
  json->End('}');
}

void WriteLoad(const BenchReport& report, JsonWriter* json) {
  const bench::LoadOptions& load = report.load;
  json->Key("workload").String(report.workload).Key("mode").String(ModeWord(load.mode));
  json->Key("loop").String(load.rate ? "open" : "closed");
  json->Key("outstanding").Unsigned(load.outstanding).Key("connections").Unsigned(load.connections);
  if (load.mode == bench::Mode::kBatched) json->Key("batch").Unsigned(load.batch);
  if (load.rate) {
    json->Key("rate_planned").Number(*load.rate);
    json->Key("spacing").String(SpacingWord(load.spacing)).Key("seed").Unsigned(load.seed);
  }
  Key("warm_up_seconds", static_cast<double>(load.warm_up_ns), json);
}

void WriteCounts(const BenchReport& report, JsonWriter* json) {
  const Figures& figures = report.figures;
  Key("seconds", static_cast<double>(figures.length_ns), json);
  json->Key("rate").Number(figures.rate).Key("sent").Unsigned(figures.sent);
  KeyCounts("endings", figures.endings, EndingWord, json);
  KeyCounts("lanes", figures.lanes, LaneWord, json);
  KeyCounts(
      "refused", figures.refused, [](const std::string& reason) { return reason; }, json);
  json->Key("unanswered").Unsigned(figures.unanswered);
  if (report.load.rate) {
    json->Key("planned").Unsigned(figures.planned).Key("unsent").Unsigned(figures.unsent);
    json->Key("late").Unsigned(figures.late);
    Key("late_max_seconds", static_cast<double>(figures.late_max_ns), json);
  }
  json->Key("interrupted").Bool(figures.interrupted).Key("full").Bool(figures.full);
}

void WriteLatency(const Figures& figures, JsonWriter* json) {
  json->Key("latency_seconds");
  if (figures.ended() == 0) {
    json->Null().Key("mean_split_seconds").Null();
    return;
  }
  const bench::Latency& latency = figures.latency;
  json->Begin('{');
  Key("mean", latency.mean_ns, json);
  for (const auto& [key, ns] : {std::pair{"p50", latency.p50_ns},
                                {"p90", latency.p90_ns},
                                {"p99", latency.p99_ns},
                                {"p99.9", latency.p999_ns},
                                {"max", latency.max_ns}}) {
    Key(key, static_cast<double>(ns), json);
  }
  const bench::Split& split = figures.split;
  json->End('}').Key("mean_split_seconds").Begin('{');
  Key("client_lag", split.client_lag_ns, json);
  Key("network_grpc", split.network_ns, json);
  Key("queue", split.queue_ns, json);
  Key("dispatch", split.dispatch_ns, json);
  Key("run", split.run_ns, json);
  KeyIf("lock_wait", split.wait_ns, json);
  KeyIf("lock_hold", split.hold_ns, json);
  KeyIf("off_lock", split.off_lock_ns, json);
  json->End('}');
}

void WriteSteadiness(const BenchReport& report, JsonWriter* json) {
  const Figures& figures = report.figures;
  json->Key("steadiness");
  if (figures.steadiness) {
    json->Begin('{').Key("stable").Bool(figures.steadiness->stable());
    json->Key("rate_spread").Number(figures.steadiness->rate_spread);
    json->Key("p99_spread").Number(figures.steadiness->p99_spread).End('}');
  } else {
    json->Null();
  }
  json->Key("client_cpu");
  if (figures.cpu) {
    json->Begin('{');
    Key("seconds", static_cast<double>(figures.cpu->all_ns), json);
    Key("busiest_thread_seconds", static_cast<double>(figures.cpu->busiest_ns), json);
    json->Key("saturated").Bool(ClientSaturated(report)).End('}');
  } else {
    json->Null();
  }
}

}  // namespace

const char* ModeWord(bench::Mode mode) {
  switch (mode) {
    case bench::Mode::kUnary: return "unary";
    case bench::Mode::kStream: return "stream";
    case bench::Mode::kBatched: return "batched";
  }
  return "unknown";
}

const char* SpacingWord(bench::Spacing spacing) {
  switch (spacing) {
    case bench::Spacing::kPoisson: return "poisson";
    case bench::Spacing::kEven: return "even";
  }
  return "unknown";
}

bool ClientSaturated(const BenchReport& report) {
  if (!report.figures.cpu) return false;
  const double most = kSaturated * static_cast<double>(report.figures.length_ns);
  return static_cast<double>(report.figures.cpu->busiest_ns) > most ||
         static_cast<double>(report.figures.cpu->all_ns) > most * static_cast<double>(report.client_cores);
}

std::string BenchText(const BenchReport& report, const std::function<std::string(const std::string&)>& paint_header) {
  std::string text = HeaderText(report) + CountsText(report) + "\n";
  if (report.figures.ended() > 0) {
    absl::StrAppend(&text, LatencyText(report, paint_header), "\n", SplitText(report, paint_header));
  }
  absl::StrAppend(&text, WarningsText(report), Facts({SteadinessText(report.figures), ClientText(report)}));
  absl::StrAppend(&text, LegendText(report));
  if (!report.next.empty()) absl::StrAppend(&text, "next: ", report.next, "\n");
  return text;
}

std::string BenchJson(const BenchReport& report) {
  JsonWriter json;
  json.Begin('{').Key("gild_version").String(report.gild_version);
  json.Key("python_version").String(report.python_version);
  WriteLoad(report, &json);
  WriteCounts(report, &json);
  WriteLatency(report.figures, &json);
  WriteSteadiness(report, &json);
  json.End('}');
  return json.text();
}

}  // namespace gild::cli
