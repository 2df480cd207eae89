#include "client/cli/demo_report.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

constexpr size_t kCoreBarsMost = 8;
constexpr size_t kRuntimeCellMost = 18;  // what 80 columns leave the first one
// Within a tenth of one at a time, nothing was gained and nothing lost.
constexpr double kGain = 1.1;
constexpr double kLoss = 0.9;
// A lane is the better one when the other took so many times longer; anything less may be chance.
constexpr double kClearly = 1.05;
// More than this taken by others, and the figures say little: the CPU lane gives way to everybody (nice 19).
constexpr double kBusyMachine = 0.15;

std::string Percent(std::optional<double> share) { return share ? PercentText(*share) : std::string("n/a"); }

std::string Rate(double per_second) {
  return per_second < 9.95 ? absl::StrFormat("%.1f", per_second) : absl::StrFormat("%.0f", per_second);
}

double PerSecond(size_t tasks, absl::Duration wall) {
  return wall > absl::ZeroDuration() ? static_cast<double>(tasks) / absl::ToDoubleSeconds(wall) : 0;
}

std::optional<double> ShareOf(std::optional<absl::Duration> part, absl::Duration whole) {
  if (!part || whole <= absl::ZeroDuration()) return std::nullopt;
  return absl::FDivDuration(*part, whole);
}

struct CoreTime {
  absl::Duration busy;
  absl::Duration whole;
};

std::map<int, CoreTime> CoreTimesBetween(const v1::Stats& before, const v1::Stats& after) {
  std::map<int, CoreTime> times;
  const auto add = [&times](const v1::CoreStats& core, int sign) {
    const absl::Duration busy =
        FromProto(core.io_lane()) + FromProto(core.cpu_lane()) + FromProto(core.server()) + FromProto(core.other());
    times[core.core()].busy += sign * busy;
    times[core.core()].whole += sign * (busy + FromProto(core.idle()) + FromProto(core.steal()));
  };
  for (const v1::CoreStats& core : after.cores()) add(core, 1);
  for (const v1::CoreStats& core : before.cores()) add(core, -1);
  return times;
}

// What became of a workload in one lane: "gained 63.3x from threads", as a verb and the rest, so that two lanes with
// the same verb share it.
struct Clause {
  const char* verb;
  std::string rest;
};

Clause ClauseOf(const std::string& from, absl::Duration wall, std::optional<double> speedup,
                std::optional<double> wait) {
  if (!speedup) return {"took", absl::StrCat(TimeText(wall), " with ", from)};
  std::string why;
  if (wait && *wait >= 0.05 && *speedup < kGain) {
    why = absl::StrCat(" (", Percent(wait), " of its time went to waiting for the lock)");
  }
  if (*speedup >= kGain) return {"gained", absl::StrCat(TimesText(*speedup), " from ", from)};
  if (*speedup >= kLoss) return {"gained", absl::StrCat("nothing from ", from, why)};
  return {"lost", absl::StrCat("with ", from, ", at ", TimesText(*speedup), why)};
}

std::string Listed(const std::vector<std::string>& words) {
  if (words.size() < 2) return absl::StrJoin(words, "");
  return absl::StrCat(absl::StrJoin(words.begin(), words.end() - 1, ", "), " and ", words.back());
}

std::string SentencePart(const WorkloadFigures& workload, const std::optional<Runtime>& runtime) {
  std::vector<Clause> clauses;
  for (const LaneFigures& lane : workload.lanes) {
    clauses.push_back(ClauseOf(lane.lane == v1::IO_LANE ? "threads" : "processes", lane.wall, workload.Speedup(lane),
                               lane.WaitShare()));
  }
  if (runtime && workload.runtime && workload.runtime->run.missing.empty()) {
    clauses.push_back(ClauseOf("threads of " + runtime->Name(), workload.runtime->run.wall, workload.runtime->Speedup(),
                               std::nullopt));
  }
  std::vector<std::string> texts;
  std::string verb;
  for (const Clause& clause : clauses) {
    texts.push_back(clause.verb == verb ? clause.rest : absl::StrCat(clause.verb, " ", clause.rest));
    verb = clause.verb;
  }
  return absl::StrCat(workload.subject, " ", Listed(texts));
}

std::string Capitalised(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(text[0]);
  return text;
}

double MostOtherLoad(const std::vector<WorkloadFigures>& workloads) {
  double most = 0;
  for (const WorkloadFigures& workload : workloads) most = std::max(most, workload.other_load.value_or(0));
  return most;
}

std::string TitleLine(const DemoReport& report) {
  static constexpr const char* kCounts[] = {"no lessons", "one lesson", "two lessons", "three lessons", "four lessons"};
  const size_t lessons = report.workloads.size();
  const std::string left =
      absl::StrCat("gild demo: ", lessons < std::size(kCounts) ? kCounts[lessons] : absl::StrCat(lessons, " lessons"),
                   " of the lock");
  return Headline(left, MeasuredOn(report.cores.size(), report.python_version, report.took)) + "\n";
}

std::vector<std::string> Cells(const WorkloadFigures& workload, const LaneFigures& lane, const std::string& title,
                               bool utf8) {
  const std::optional<double> speedup = workload.Speedup(lane);
  // The star has a column of its own, so that the figures stay in line.
  const std::string star = workload.Best() == &lane ? "*" : " ";
  return {title,
          LaneTitle(lane.lane),
          TimeText(lane.wall),
          Rate(lane.TasksPerSecond()),
          (speedup ? TimesText(*speedup) : "n/a") + star,
          Percent(lane.WaitShare()),
          Percent(lane.HoldShare()),
          lane.longest_hold ? TimeText(*lane.longest_hold) : "n/a",
          CoreBars(lane.cores, utf8)};
}

// "  3.13t, no lock"
std::string RuntimeCell(const Runtime& runtime, const RuntimeRun& run) {
  const std::string lock = !run.lock ? "" : *run.lock ? ", one lock" : ", no lock";
  const size_t room = kRuntimeCellMost - 2 - lock.size();
  const std::string name = runtime.Name();
  return absl::StrCat("  ", name.size() <= room ? name : absl::StrCat(name.substr(0, room - 1), "…"), lock);
}

std::vector<std::string> Cells(const Runtime& runtime, const RuntimeFigures& figures, bool utf8) {
  const bool ran = figures.run.missing.empty();
  const std::optional<double> speedup = figures.Speedup();
  return {RuntimeCell(runtime, figures.run),
          "-",
          ran ? TimeText(figures.run.wall) : "n/a",
          ran ? Rate(figures.TasksPerSecond()) : "n/a",
          absl::StrCat(speedup ? TimesText(*speedup) : "n/a", " "),
          "n/a",
          "n/a",
          "n/a",
          CoreBars(figures.cores, utf8)};
}

// What the runtime's rows are, and why some are empty.
std::string RuntimeNote(const DemoReport& report) {
  if (!report.runtime) return "";
  std::string note = absl::StrCat(report.runtime->Name(), ": plain threads of ", OneLine(report.runtime->path),
                                  ", against one at a time there, without a meter.");
  for (const WorkloadFigures& workload : report.workloads) {
    if (!workload.runtime || workload.runtime->run.missing.empty()) continue;
    absl::StrAppend(&note, " It cannot do ", workload.title, ": ", workload.runtime->run.missing, ".");
  }
  return absl::StrCat("\n", Wrap(note, kReportColumns));
}

void OptionalSeconds(const char* key, std::optional<absl::Duration> duration, JsonWriter* json) {
  json->Key(key).Number(duration ? absl::ToDoubleSeconds(*duration) : NAN);
}

void WriteRow(const WorkloadFigures& workload, const LaneFigures& lane, JsonWriter* json) {
  json->Begin('{').Key("workload").String(workload.id).Key("title").String(workload.title);
  json->Key("lane").String(LaneWord(lane.lane));
  json->Key("tasks").Unsigned(lane.tasks).Key("outstanding").Unsigned(lane.outstanding);
  json->Key("wall_seconds").Number(absl::ToDoubleSeconds(lane.wall));
  json->Key("tasks_per_second").Number(lane.TasksPerSecond());
  json->Key("speedup").Number(workload.Speedup(lane).value_or(NAN));
  json->Key("best").Bool(workload.Best() == &lane);
  json->Key("wait_share").Number(lane.WaitShare().value_or(NAN));
  json->Key("hold_share").Number(lane.HoldShare().value_or(NAN));
  OptionalSeconds("longest_hold_seconds", lane.longest_hold, json);
  json->Key("verdict");
  lane.verdict.empty() ? json->Null() : json->String(lane.verdict);
  OptionalSeconds("run_seconds", lane.run, json);
  OptionalSeconds("wait_seconds", lane.wait, json);
  OptionalSeconds("hold_seconds", lane.hold, json);
  json->Key("cores").Begin('[');
  for (const double share : lane.cores) json->Number(share);
  json->End(']').Key("endings").Begin('{');
  for (const auto& [ending, tasks] : lane.endings) json->Key(ending).Unsigned(tasks);
  json->End('}');
  OptionalSeconds("baseline_seconds", workload.baseline, json);
  json->Key("other_load").Number(workload.other_load.value_or(NAN));
  json->End('}');
}

void WriteRuntimeRow(const WorkloadFigures& workload, const RuntimeFigures& figures, JsonWriter* json) {
  const bool ran = figures.run.missing.empty();
  json->Begin('{').Key("workload").String(workload.id).Key("title").String(workload.title);
  json->Key("tasks").Unsigned(figures.tasks).Key("threads").Unsigned(figures.threads);
  json->Key("lock");
  figures.run.lock ? json->Bool(*figures.run.lock) : json->Null();
  json->Key("missing");
  ran ? json->Null() : json->String(figures.run.missing);
  OptionalSeconds("wall_seconds", ran ? std::optional(figures.run.wall) : std::nullopt, json);
  json->Key("tasks_per_second").Number(ran ? figures.TasksPerSecond() : NAN);
  json->Key("speedup").Number(figures.Speedup().value_or(NAN));
  json->Key("cores").Begin('[');
  for (const double share : figures.cores) json->Number(share);
  json->End(']');
  OptionalSeconds("baseline_seconds", figures.alone, json);
  json->End('}');
}

void WriteRuntime(const DemoReport& report, JsonWriter* json) {
  if (!report.runtime) {
    json->Null();
    return;
  }
  json->Begin('{').Key("path").String(report.runtime->path);
  json->Key("implementation").String(report.runtime->implementation);
  json->Key("version").String(report.runtime->version);
  json->Key("free_threaded").Bool(report.runtime->free_threaded);
  json->Key("baseline").String("the same tasks, one at a time, in one thread of this runtime");
  json->Key("rows").Begin('[');
  for (const WorkloadFigures& workload : report.workloads) {
    if (workload.runtime) WriteRuntimeRow(workload, *workload.runtime, json);
  }
  json->End(']').End('}');
}

}  // namespace

double LaneFigures::TasksPerSecond() const { return PerSecond(tasks, wall); }

double RuntimeFigures::TasksPerSecond() const { return PerSecond(tasks, run.wall); }

std::optional<double> RuntimeFigures::Speedup() const { return ShareOf(alone, run.wall); }

std::optional<double> LaneFigures::WaitShare() const { return ShareOf(wait, run); }

std::optional<double> LaneFigures::HoldShare() const { return ShareOf(hold, run); }

std::optional<double> WorkloadFigures::Speedup(const LaneFigures& lane) const { return ShareOf(baseline, lane.wall); }

std::string WorkloadFigures::Verdict() const {
  // The CPU lane's, which stands last: nobody else's bytecode is in it.
  return lanes.empty() ? "" : lanes.back().verdict;
}

const LaneFigures* WorkloadFigures::Best() const {
  const LaneFigures* best = nullptr;
  for (const LaneFigures& lane : lanes) {
    if (best == nullptr || lane.wall < best->wall) best = &lane;
  }
  for (const LaneFigures& lane : lanes) {
    if (&lane != best && lane.wall < best->wall * kClearly) return nullptr;
  }
  return lanes.size() < 2 ? nullptr : best;
}

LaneFigures SumOf(v1::Lane lane, const std::vector<v1::Outcome>& outcomes) {
  LaneFigures sum;
  sum.lane = lane;
  sum.tasks = outcomes.size();
  absl::Duration wait;
  absl::Duration hold;
  absl::Duration longest;
  bool metered = !outcomes.empty();
  std::map<std::string, size_t> verdicts;
  for (const v1::Outcome& outcome : outcomes) {
    ++sum.endings[EndingWord(outcome.ending())];
    if (outcome.has_verdict()) ++verdicts[VerdictWord(outcome.verdict().kind())];
    sum.run += FromProto(outcome.usage().run());
    const v1::LockUsage& lock = outcome.lock();
    metered = metered && outcome.has_lock() && lock.has_wait() && lock.has_hold() && lock.has_longest_hold();
    wait += FromProto(lock.wait());
    hold += FromProto(lock.hold());
    longest = std::max(longest, FromProto(lock.longest_hold()));
  }
  if (metered) {
    sum.wait = wait;
    sum.hold = hold;
    sum.longest_hold = longest;
  }
  size_t most = 0;
  for (const auto& [verdict, tasks] : verdicts) {
    if (tasks > most) sum.verdict = verdict;
    most = std::max(most, tasks);
  }
  return sum;
}

std::vector<double> BusyShares(const v1::Stats& before, const v1::Stats& after) {
  std::vector<double> list;
  for (const auto& [core, time] : CoreTimesBetween(before, after)) {
    // A run shorter than the kernel's tick may show no time at all.
    list.push_back(ShareOf(time.busy, time.whole).value_or(0));
  }
  return list;
}

std::optional<double> OtherLoad(const v1::Stats& before, const v1::Stats& after, absl::Duration tasks_cpu) {
  absl::Duration busy;
  absl::Duration whole;
  for (const auto& [core, time] : CoreTimesBetween(before, after)) {
    busy += time.busy;
    whole += time.whole;
  }
  return ShareOf(std::max(busy - tasks_cpu, absl::ZeroDuration()), whole);
}

std::string MeasuredOn(size_t cores, const std::string& python_version, absl::Duration took) {
  return absl::StrFormat("%d %s, CPython %s, %.0f s", cores, cores == 1 ? "core" : "cores", python_version,
                         absl::ToDoubleSeconds(took));
}

std::string OtherLoadNote(double other_load) {
  if (other_load < kBusyMachine) return "";
  return absl::StrCat("NOTE: other work took ", PercentText(other_load),
                      " of the cores meanwhile: these figures are not those of an idle machine.");
}

std::string CoreBars(const std::vector<double>& shares, bool utf8) {
  if (shares.empty()) return "n/a";
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kDigits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  const size_t bars = std::min(shares.size(), kCoreBarsMost);
  std::vector<std::string> drawn;
  for (size_t i = 0; i < bars; ++i) {
    const size_t begin = i * shares.size() / bars;
    const size_t end = (i + 1) * shares.size() / bars;
    double sum = 0;
    for (size_t core = begin; core < end; ++core) sum += shares[core];
    const double share = std::clamp(sum / static_cast<double>(end - begin), 0.0, 1.0);
    drawn.push_back(utf8 ? kBars[std::min<size_t>(static_cast<size_t>(share * 8), 7)]
                         : kDigits[std::min<size_t>(static_cast<size_t>(share * 10), 9)]);
  }
  return absl::StrJoin(drawn, shares.size() <= kCoreBarsMost / 2 ? " " : "");
}

std::string DemoText(const DemoReport& report, bool utf8) {
  Table table({{"WORKLOAD"},
               {"LANE"},
               {"WALL", Align::kRight},
               {"TASKS/S", Align::kRight},
               {"SPEEDUP", Align::kRight},
               {"WAIT", Align::kRight},
               {"HOLD", Align::kRight},
               {"LONGEST", Align::kRight},
               {"CORES"}});
  bool starred = false;
  bool judged = false;
  for (const WorkloadFigures& workload : report.workloads) {
    // Under the title, where the second lane's row leaves room.
    const std::string verdict = workload.Verdict().empty() ? "" : absl::StrCat("  ", workload.Verdict());
    judged = judged || !verdict.empty();
    starred = starred || workload.Best() != nullptr;
    for (const LaneFigures& lane : workload.lanes) {
      table.Row(Cells(workload, lane, &lane == &workload.lanes.front() ? workload.title : verdict, utf8));
    }
    if (workload.lanes.size() == 1 && !verdict.empty()) table.Row({verdict});
    if (report.runtime && workload.runtime) table.Row(Cells(*report.runtime, *workload.runtime, utf8));
  }
  const std::string legend = absl::StrCat(
      "SPEEDUP: against the same tasks one at a time (the sum of their run times alone). WAIT, HOLD: of task time, "
      "exact, not sampled. LONGEST: one uninterrupted hold. CORES: busy share of each core",
      utf8 ? "." : ", in tenths.", judged ? " Under each workload: what most of its own time was." : "",
      starred ? " * quicker by over 5%." : "");
  return absl::StrCat(TitleLine(report), "\n", table.Text(), "\n", Wrap(legend, kReportColumns), RuntimeNote(report),
                      "\n", Wrap(OtherLoadNote(MostOtherLoad(report.workloads)), kReportColumns), "\n",
                      Wrap(DemoSummary(report), kReportColumns), "\n");
}

std::string DemoJson(const DemoReport& report) {
  JsonWriter json;
  json.Begin('{').Key("gild_version").String(report.gild_version);
  json.Key("python_version").String(report.python_version);
  json.Key("core_ids").Begin('[');
  for (const int core : report.cores) json.Integer(core);
  json.End(']').Key("took_seconds").Number(absl::ToDoubleSeconds(report.took));
  json.Key("baseline").String("sum of usage.run of the same tasks, one at a time, in the CPU lane of the idle server");
  json.Key("rows").Begin('[');
  for (const WorkloadFigures& workload : report.workloads) {
    for (const LaneFigures& lane : workload.lanes) WriteRow(workload, lane, &json);
  }
  json.End(']').Key("runtime");
  WriteRuntime(report, &json);
  json.Key("summary").String(DemoSummary(report)).End('}');
  return json.text();
}

std::string DemoSummary(const DemoReport& report) {
  std::vector<std::string> parts;
  std::map<v1::Lane, std::vector<std::string>> better;
  for (const WorkloadFigures& workload : report.workloads) {
    parts.push_back(SentencePart(workload, report.runtime));
    if (const LaneFigures* best = workload.Best()) better[best->lane].push_back(workload.subject);
  }
  std::string text = absl::StrCat(Capitalised(absl::StrJoin(parts, "; ")), ".");
  if (better.empty()) return text;
  std::vector<std::string> advice;
  for (const auto& [lane, subjects] : better) {
    advice.push_back(absl::StrCat("the ", LaneTitle(lane), " lane for ", Listed(subjects)));
  }
  return absl::StrCat(text, " Here, then: ", absl::StrJoin(advice, ", "), ".");
}

}  // namespace gild::cli
