#include "client/cli/advise.h"

#include <string.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/advise_model.h"
#include "client/cli/advise_report.h"
#include "client/cli/batch.h"
#include "client/cli/demo_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/explain.h"
#include "client/cli/failure.h"
#include "client/cli/words.h"
#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr absl::Duration kQueueLimit = absl::Minutes(10);
// A run that took longer is not run again to see what it costs when it is warm.
constexpr double kWarmShare = 0.05;
// What a run with every call watched may cost, in runs.
constexpr double kProfiledRuns = 2;
// A name for people and tracebacks is ASCII (task.proto).
constexpr size_t kNameMost = 128;

// Sums over runs that succeeded.
struct Sums {
  size_t runs = 0;
  absl::Duration wall;  // of all together
  absl::Duration run;
  absl::Duration cpu;
  absl::Duration cpu_wait;
  absl::Duration hold;
  uint64_t takes = 0;

  void Add(const v1::Outcome& outcome) {
    ++runs;
    run += FromProto(outcome.usage().run());
    cpu += FromProto(outcome.usage().cpu());
    cpu_wait += FromProto(outcome.usage().cpu_wait());
    hold += FromProto(outcome.lock().hold());
    takes += outcome.lock().takes();
  }
  double Rate() const { return static_cast<double>(runs) / absl::ToDoubleSeconds(wall); }
  // REQUIRES: one at a time, and at least one.
  AloneCost Mean() const {
    const auto mean = [this](absl::Duration sum) {
      return std::max(sum, absl::ZeroDuration()) / static_cast<int64_t>(runs);
    };
    return {.wall = mean(wall - cpu_wait),
            .run = mean(run - cpu_wait),
            // It may have waited for a core with the lock.
            .hold = mean(std::min(hold, run - cpu_wait)),
            .native = mean(cpu - hold),
            .takes = static_cast<double>(takes) / static_cast<double>(runs)};
  }
};

// What else the machine does only ever slows a round. REQUIRES: there are some.
const Sums& Quickest(const std::vector<Sums>& rounds) {
  return *std::max_element(rounds.begin(), rounds.end(),
                           [](const Sums& a, const Sums& b) { return a.Rate() < b.Rate(); });
}

struct LaneRounds {
  std::vector<Sums> alone;
  std::vector<Sums> at_once;
};

bool IsPrintableAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// As tracebacks, and the profile, name the script.
std::string NameOf(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  return file == "-" || name.size() > kNameMost || !IsPrintableAscii(name) ? "" : name;
}

std::string ShellQuoted(const std::string& text) {
  const auto plain = [](char c) {
    return isalnum(static_cast<unsigned char>(c)) || strchr("@%+=:,./_-", c) != nullptr;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

class Adviser {
 public:
  Adviser(const AdviseOptions& options, v1::Task task, const std::string& address, const Terminal& terminal)
      : options_(options), task_(std::move(task)), address_(address), terminal_(terminal), client_(address) {}

  // False: `failure_code` has the exit code, and the reason has been told.
  bool Run(AdviceReport* report) {
    if (!Ask(report)) return false;
    AloneCost io, cpu;
    // In the CPU lane first: what brings its interpreter down does so where it is alone.
    if (!WarmUp(v1::CPU, report->places.processes, &cpu) || !WarmUp(v1::IO, 1, &io)) return false;
    if (!meter_seen_) {
      failure_code = Tell(
          {{"this server cannot see what its locks cost", "see `gild info`: lock meter"}, kExitGildFailed}, terminal_);
      return false;
    }
    if (options_.profile && Elapsed() + kProfiledRuns * cpu.run <= options_.time && !Profile(report)) return false;
    report->plan = PlanFor(io, cpu, report->places, options_.copies, options_.time - Elapsed());
    if (!Measure(report, io, cpu)) return false;
    report->took = Elapsed();
    return true;
  }

  int failure_code = kExitGildFailed;

 private:
  absl::Duration Elapsed() const { return absl::FromChrono(Clock::now() - began_); }

  bool Ask(AdviceReport* report) {
    const absl::StatusOr<v1::Info> info = client_.GetInfo();
    if (!info.ok()) {
      failure_code = Tell(FailureOf(info.status(), address_), terminal_);
      return false;
    }
    report->gild_version = info->version();
    report->python_version = info->python_version();
    report->places.cores = std::max(1, info->cores_size());
    for (const v1::LaneInfo& lane : info->lanes()) {
      const size_t places = std::max<size_t>(1, size_t{lane.interpreters()} * lane.threads_per_interpreter());
      (lane.lane() == v1::IO_LANE ? report->places.threads : report->places.processes) = places;
    }
    return true;
  }

  // So many runs in the lane, so many at once; adds what they cost.
  bool RunCopies(v1::Tag tag, size_t tasks, size_t at_once, const std::string& what, Sums* sums) {
    const char* const lane = tag == v1::IO ? "I/O" : "CPU";
    Batch batch = {.tasks = tasks, .outstanding = at_once, .label = absl::StrCat(what, ", ", lane, " lane")};
    batch.task = [&](size_t) {
      v1::Task task = task_;
      task.set_tag(tag);
      return task;
    };
    batch.keep = [&](size_t, v1::Outcome outcome) {
      meter_seen_ = meter_seen_ && outcome.has_lock();
      sums->Add(outcome);
    };
    BatchFailure failure;
    const std::optional<absl::Duration> wall = RunBatch(&client_, batch, terminal_, &failure);
    if (wall) {
      sums->wall += *wall;
      return true;
    }
    if (!failure.status.ok()) {
      failure_code = Tell(FailureOf(failure.status, address_), terminal_);
      return false;
    }
    // As `gild run` shows it; and where, when it is not the first run.
    failure_code = ShowOutcome(failure.outcome, options_.task, terminal_);
    terminal_.Error(
        absl::StrCat("the script did not succeed: ", EndingWord(failure.outcome.ending()), " in the ", lane, " lane, ",
                     what),
        failure.outcome.error().type() == "PermissionError"
            ? "it may need what tasks there are refused, as the network in the CPU lane (gild-server --cpu-network)"
            : "gild advise needs a script that runs in both lanes, again and again");
    // A script that exits with 0 has no figures of a whole run either.
    if (failure_code == kExitSucceeded) failure_code = kExitRaised;
    return false;
  }

  // The first run, in each of its interpreters, is thrown away; what one costs then.
  bool WarmUp(v1::Tag tag, size_t interpreters, AloneCost* cost) {
    Sums cold;
    if (!RunCopies(tag, 1, 1, "first run", &cold)) return false;
    *cost = cold.Mean();
    if (cost->wall > kWarmShare * options_.time) return true;
    Sums others, warm;
    if (interpreters > 1 && !RunCopies(tag, interpreters, interpreters, "warming up", &others)) return false;
    if (!RunCopies(tag, 1, 1, "alone", &warm)) return false;
    *cost = warm.Mean();
    return true;
  }

  bool Measure(AdviceReport* report, const AloneCost& io_cost, const AloneCost& cpu_cost) {
    const AdvicePlan& plan = report->plan;
    LaneRounds io, cpu;
    for (size_t round = 0; round < plan.rounds; ++round) {
      const absl::StatusOr<v1::Stats> before = client_.GetStats();
      if (!RunRound(v1::IO, plan.io_alone, 1, "alone", &io.alone) ||
          !RunRound(v1::CPU, plan.cpu_alone, 1, "alone", &cpu.alone)) {
        return false;
      }
      const absl::StatusOr<v1::Stats> after = client_.GetStats();
      if (before.ok() && after.ok()) {
        report->other_load =
            std::max(report->other_load, OtherLoad(*before, *after, io.alone.back().cpu + cpu.alone.back().cpu));
      }
      if (!plan.measure) continue;
      const std::string at_once = absl::StrCat(plan.copies, " at once");
      if (!RunRound(v1::IO, plan.io_tasks, plan.copies, at_once, &io.at_once) ||
          !RunRound(v1::CPU, plan.cpu_tasks, plan.copies, at_once, &cpu.at_once)) {
        return false;
      }
    }
    SetFigures(io, io_cost, *report, &report->io);
    SetFigures(cpu, cpu_cost, *report, &report->cpu);
    return true;
  }

  bool RunRound(v1::Tag tag, size_t tasks, size_t at_once, const std::string& what, std::vector<Sums>* rounds) {
    rounds->emplace_back();
    return RunCopies(tag, tasks, at_once, what, &rounds->back());
  }

  static void SetFigures(const LaneRounds& rounds, const AloneCost& first, const AdviceReport& report,
                         LaneAdvice* lane) {
    lane->alone = rounds.alone.empty() ? first : Quickest(rounds.alone).Mean();
    lane->predicted = PredictedRate(lane->lane, lane->alone, report.places, report.plan.copies);
    if (!rounds.at_once.empty()) lane->measured = Quickest(rounds.at_once).Rate();
    lane->alone_runs = std::max<size_t>(1, Runs(rounds.alone));
    lane->measured_runs = Runs(rounds.at_once);
  }

  static size_t Runs(const std::vector<Sums>& rounds) {
    size_t runs = 0;
    for (const Sums& round : rounds) runs += round.runs;
    return runs;
  }

  bool Profile(AdviceReport* report) {
    v1::Task task = task_;
    task.set_tag(v1::CPU);
    task.set_profile_lock(true);
    absl::StatusOr<v1::Outcome> outcome = client_.Run(std::move(task));
    if (!outcome.ok()) {
      failure_code = Tell(FailureOf(outcome.status(), address_), terminal_);
      return false;
    }
    if (outcome->ending() == v1::SUCCEEDED) {
      report->profiled = *std::move(outcome);
    } else {
      terminal_.Warning(
          absl::StrCat("no profile: with every call watched the script ended as ", EndingWord(outcome->ending())));
    }
    return true;
  }

  const AdviseOptions& options_;
  const v1::Task task_;
  const std::string address_;
  const Terminal& terminal_;
  Client client_;
  const Clock::time_point began_ = Clock::now();
  bool meter_seen_ = true;
};

std::string NextCommand(const AdviseOptions& options, v1::Tag tag, const std::string& address) {
  if (options.task.file == "-") return "";
  std::string command = absl::StrCat("gild run --tag ", tag == v1::IO ? "io" : "cpu");
  if (!options.task.entry.empty()) absl::StrAppend(&command, " --entry ", ShellQuoted(options.task.entry));
  for (const std::string& argument : options.task.arguments)
    absl::StrAppend(&command, " --arg ", ShellQuoted(argument));
  absl::StrAppend(&command, " ", ShellQuoted(options.task.file));
  if (address != kDefaultServer) absl::StrAppend(&command, " --server ", address);
  return command;
}

}  // namespace

int Advise(const AdviseOptions& options, const std::string& address, const Terminal& terminal) {
  v1::Task task;
  Explanation complaint;
  if (!MakeTask(options.task, &task, &complaint)) return Tell({complaint, kExitUsage}, terminal);
  task.set_name(NameOf(options.task.file));
  *task.mutable_limits()->mutable_queue() = ToProto(kQueueLimit);

  AdviceReport report;
  Adviser adviser(options, std::move(task), address, terminal);
  if (!adviser.Run(&report)) return adviser.failure_code;
  report.script = options.task.file == "-" ? "-" : std::filesystem::path(options.task.file).filename().string();
  if (!options.task.entry.empty()) absl::StrAppend(&report.script, ": ", options.task.entry);
  report.next = NextCommand(options, report.Tag(), address);
  return Print(options.json ? AdviceJson(report) + "\n" : AdviceText(report), terminal);
}

}  // namespace gild::cli
