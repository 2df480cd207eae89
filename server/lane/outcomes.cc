#include "server/lane/outcomes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/utf8.h"

namespace gild {
namespace {

void SetOutput(PageFile::Output output, Outcome* outcome) {
  outcome->out = std::move(output.out);
  outcome->err = std::move(output.err);
  outcome->out_truncated = output.out_truncated;
  outcome->err_truncated = output.err_truncated;
}

}  // namespace

Outcome ReportedOutcome(const RanIn& ran_in, const InFlight& in_flight, internal::TaskEnded* ended, int64_t now_ns) {
  const PageFile& page = ran_in.page;
  const Task& task = *in_flight.task;
  const int64_t sent_ns = in_flight.sent_ns;
  const int64_t begin_ns = std::clamp(ended->begin_ns(), sent_ns, std::max(sent_ns, now_ns));
  const int64_t end_ns = std::clamp(ended->end_ns(), begin_ns, std::max(begin_ns, now_ns));
  const auto positive = [](int64_t value) { return std::max<int64_t>(0, value); };

  Outcome outcome;
  outcome.started = true;
  Usage& usage = outcome.usage;
  usage.interpreter = ran_in.name;
  usage.dispatch_ns = begin_ns - sent_ns;
  usage.run_ns = end_ns - begin_ns;
  usage.cpu_ns = positive(ended->cpu_ns());
  // Below zero: unavailable.
  if (ended->cpu_wait_ns() >= 0) usage.cpu_wait_ns = ended->cpu_wait_ns();
  if (in_flight.on_loop) usage.loop_wait_ns = positive(ended->loop_wait_ns());
  if (ran_in.alone && ended->peak_memory_bytes() > 0) usage.peak_memory_bytes = ended->peak_memory_bytes();
  if (ended->core() >= 0) usage.core = ended->core();
  if (ended->lock_available()) {
    outcome.lock = LockUsage{.wait_ns = positive(ended->lock_wait_ns()),
                             .hold_ns = positive(ended->lock_hold_ns()),
                             .takes = ended->lock_takes(),
                             .contended_takes = ended->lock_contended_takes(),
                             .forced_releases = ended->lock_forced_releases(),
                             .longest_hold_ns = positive(ended->lock_longest_hold_ns())};
  }
  for (internal::FunctionHold& hold : *ended->mutable_lock_profile()) {
    if (!task.profile_lock) break;
    outcome.lock_profile.push_back({.function = RepairUtf8(hold.function()),
                                    .file = RepairUtf8(hold.file()),
                                    .line = hold.line(),
                                    .hold_ns = positive(hold.hold_ns()),
                                    .calls = hold.calls()});
  }
  SetOutput(page.ReadOutput(in_flight.row, task.limits.output_bytes), &outcome);
  outcome.progress = page.ReadProgress(in_flight.row);
  if (ended->ending() == internal::CODE_OUTPUT_LIMIT) {
    outcome.evidence.used = static_cast<int64_t>(std::max(outcome.out.size(), outcome.err.size()));
  }
  if (ended->threads_left() > 0) {
    outcome.warnings.push_back(absl::StrCat(ended->threads_left(), ended->threads_left() == 1 ? " thread" : " threads",
                                            " outlived the task",
                                            ran_in.replaced ? ": its interpreter was replaced" : ""));
  }
  if (ran_in.replaced && ended->residue_size() > 0) {
    outcome.warnings.push_back(absl::StrCat("left behind: ", ResidueText(*ended), ": its interpreter was replaced"));
  }
  if (ended->processes_left()) {
    outcome.warnings.push_back(absl::StrCat("child processes outlived the task: they were ended",
                                            ran_in.replaced ? " and its interpreter was replaced" : ""));
  }
  if (!in_flight.warning.empty()) outcome.warnings.push_back(in_flight.warning);
  EndReported(ended, task, in_flight.stop, end_ns - sent_ns, &outcome);
  return outcome;
}

Outcome KilledOutcome(const RanIn& ran_in, const InFlight& in_flight, const InterpreterDeath& death) {
  const PageFile& page = ran_in.page;
  const Task& task = *in_flight.task;
  Outcome outcome;
  outcome.started = true;
  Usage& usage = outcome.usage;
  usage.interpreter = ran_in.name;

  const int64_t death_ns = std::max(death.at_ns, in_flight.sent_ns);
  DoomedTask doomed{.task = &task,
                    .stop = in_flight.stop,
                    .sent_ns = in_flight.sent_ns,
                    .begin_ns = page.BeginNs(in_flight.row, task.serial)};
  if (doomed.begin_ns) {
    if (ran_in.core >= 0) usage.core = ran_in.core;
    const int64_t begin_ns = std::clamp(*doomed.begin_ns, in_flight.sent_ns, death_ns);
    usage.dispatch_ns = begin_ns - in_flight.sent_ns;
    usage.run_ns = death_ns - begin_ns;
    if (page.meter_available()) outcome.lock = page.RowLock(in_flight.row, task.serial, death_ns);
    SetOutput(page.ReadOutput(in_flight.row, task.limits.output_bytes), &outcome);
    outcome.progress = page.ReadProgress(in_flight.row);
  }
  if (ran_in.alone && death.end && doomed.begin_ns) {
    const int64_t cpu_ns = death.end->user_cpu_ns + death.end->system_cpu_ns;
    doomed.cpu_ns = usage.cpu_ns = std::max<int64_t>(0, cpu_ns - page.ProcessCpuAtBeginNs(in_flight.row));
    const int64_t peak_bytes = death.end->peak_memory_bytes;
    if (peak_bytes > page.UnknownPeakBytes(in_flight.row)) usage.peak_memory_bytes = peak_bytes;
  }
  if (!in_flight.warning.empty()) outcome.warnings.push_back(in_flight.warning);
  EndDoomed(doomed, death, &outcome);
  return outcome;
}

}  // namespace gild
