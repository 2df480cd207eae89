#include "client/cli/advise_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/demo_report.h"
#include "client/cli/explain.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

constexpr int kFunctionsShown = 5;
constexpr double kMostOf = 0.5;
constexpr size_t kWhereMost = 44;  // characters of a function's name and place

const char* TagWord(v1::Tag tag) { return tag == v1::IO ? "IO" : "CPU"; }

std::string Titled(const AdviceReport& report) {
  return Headline(absl::StrCat("gild advise ", OneLine(report.script)),
                  MeasuredOn(report.places.cores, report.python_version, report.took));
}

// What a run is made of, from where it has a lock of its own.
std::string Nature(const AloneCost& alone) {
  if (alone.HoldShare() > kMostOf) {
    return absl::StrCat("It holds the lock for ", PercentText(alone.HoldShare()),
                        " of its run (LOCK_BOUND): threads take turns.");
  }
  if (alone.NativeShare() > kMostOf) {
    return absl::StrCat(PercentText(alone.NativeShare()),
                        " of its run is C code off the lock (NATIVE): threads run that side by side.");
  }
  if (alone.WaitingShare() > kMostOf) {
    return absl::StrCat("It waits for ", PercentText(alone.WaitingShare()),
                        " of its run, off the lock (IO_BOUND): threads wait side by side.");
  }
  return absl::StrCat("Of its run it holds the lock for ", PercentText(alone.HoldShare()), ", computes off it for ",
                      PercentText(alone.NativeShare()), " and waits for the rest (MIXED).");
}

std::string Decision(const AdviceReport& report) {
  const double io = report.io.predicted;
  const double cpu = report.cpu.predicted;
  const std::string figures =
      absl::StrCat(TimesText(report.Speedup(io)), " from threads, ", TimesText(report.Speedup(cpu)), " from processes");
  if (report.Tag() == v1::CPU) return absl::StrCat("tag: CPU. Predicted: ", figures, ".");
  if (cpu < kAsGood * io) return absl::StrCat("tag: IO. Predicted: ", figures, ".");
  return absl::StrCat("tag: IO. Predicted: ", figures,
                      ": as good, in one process with shared memory. The CPU lane would do, too.");
}

std::string Notes(const AdviceReport& report) {
  std::string notes;
  if (report.plan.rounds == 0) {
    notes = "NOTE: one run took so long that all rests on the first one in each lane; --seconds gives more time.\n";
  } else if (!report.plan.measure) {
    notes = "NOTE: there was no time to measure copies at once; --seconds gives more.\n";
  } else if (report.plan.lowered) {
    notes =
        absl::StrCat("NOTE: ", report.plan.copies, " at once, no more, to keep it short; --seconds gives more time.\n");
  }
  if (!report.Confirmed()) {
    absl::StrAppend(
        &notes,
        Wrap(absl::StrCat("NOTE: measured, it was the other way: ", TimesText(report.Speedup(*report.io.measured)),
                          " from threads, ", TimesText(report.Speedup(*report.cpu.measured)),
                          " from processes. Try both with your own load."),
             kReportColumns),
        "\n");
  }
  const std::string busy = OtherLoadNote(report.other_load.value_or(0));
  if (!busy.empty()) absl::StrAppend(&notes, Wrap(busy, kReportColumns), "\n");
  return notes;
}

std::vector<std::string> Cells(const AdviceReport& report, const LaneAdvice& lane) {
  const bool chosen = (lane.lane == v1::IO_LANE) == (report.Tag() == v1::IO);
  return {LaneTitle(lane.lane),
          TimeText(lane.alone.run),
          PercentText(lane.alone.HoldShare()),
          PercentText(lane.alone.NativeShare()),
          PercentText(lane.alone.WaitingShare()),
          absl::StrCat(report.plan.copies),
          absl::StrCat(TimesText(report.Speedup(lane.predicted)), chosen ? "*" : " "),
          lane.measured ? TimesText(report.Speedup(*lane.measured)) : "n/a"};
}

// "count (primes.py:4)"; C functions have no place.
std::string Where(const v1::FunctionHold& hold) {
  const std::string name = OneLine(hold.function());
  if (hold.file().empty()) return name;
  return absl::StrCat(name, " (", OneLine(hold.file()), ":", hold.line(), ")");
}

std::string Shortened(const std::string& text) {
  if (CharacterCount(text) <= kWhereMost) return text;
  // The end says where it is.
  std::string tail = text.substr(text.size() - (kWhereMost - 1));
  while (!tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xC0) == 0x80) tail.erase(0, 1);
  return absl::StrCat("…", tail);
}

std::string Holders(const v1::Outcome& profiled) {
  const absl::Duration hold = FromProto(profiled.lock().hold());
  if (profiled.lock_profile().empty() || hold <= absl::ZeroDuration()) return "";
  const v1::FunctionHold& first = profiled.lock_profile(0);
  const auto share = [hold](const v1::FunctionHold& function) {
    return PercentText(absl::FDivDuration(FromProto(function.hold()), hold));
  };
  std::string text = Wrap(absl::StrCat("The function that holds the lock: ", Where(first), ", ", share(first), " of ",
                                       TimeText(hold), " in one run."),
                          kReportColumns);
  Table table({{"  FUNCTION"}, {"HELD", Align::kRight}, {"SHARE", Align::kRight}, {"CALLS", Align::kRight}});
  for (int i = 0; i < std::min(kFunctionsShown, profiled.lock_profile_size()); ++i) {
    const v1::FunctionHold& function = profiled.lock_profile(i);
    table.Row({absl::StrCat("  ", Shortened(Where(function))), TimeText(FromProto(function.hold())), share(function),
               absl::StrCat(function.calls())});
  }
  return absl::StrCat(text, "\n", table.Text(), "\n");
}

std::string Legend(const AdviceReport& report) {
  std::string text =
      "ALONE: one run. HOLDING, NATIVE, WAITING: of it, with the lock, in C code off the lock, for the world. "
      "PREDICTED, from these: runs a second with so many AT ONCE, against one at a time in the CPU lane; * the tag's "
      "lane.";
  if (report.plan.measure) {
    absl::StrAppend(&text, " MEASURED: the same, of ", report.io.measured_runs, " and ", report.cpu.measured_runs,
                    " runs.");
  }
  if (report.plan.rounds > 1) absl::StrAppend(&text, " Of ", report.plan.rounds, " rounds the quickest counts.");
  if (report.profiled) {
    absl::StrAppend(&text, " HELD: by the function itself, exact; watching its calls makes it slower.");
  }
  return Wrap(text, kReportColumns);
}

void WriteLane(const AdviceReport& report, const LaneAdvice& lane, JsonWriter* json) {
  const auto seconds = [json](const char* key, absl::Duration duration) {
    json->Key(key).Number(absl::ToDoubleSeconds(duration));
  };
  json->Begin('{').Key("lane").String(LaneWord(lane.lane));
  json->Key("alone").Begin('{').Key("runs").Unsigned(lane.alone_runs);
  seconds("wall_seconds", lane.alone.wall);
  seconds("run_seconds", lane.alone.run);
  seconds("hold_seconds", lane.alone.hold);
  seconds("native_seconds", lane.alone.native);
  json->Key("lock_takes").Number(lane.alone.takes);
  json->Key("holding_share").Number(lane.alone.HoldShare());
  json->Key("native_share").Number(lane.alone.NativeShare());
  json->Key("waiting_share").Number(lane.alone.WaitingShare()).End('}');
  json->Key("predicted_runs_per_second").Number(lane.predicted);
  json->Key("predicted_speedup").Number(report.Speedup(lane.predicted));
  json->Key("measured_runs").Unsigned(lane.measured_runs);
  json->Key("measured_runs_per_second").Number(lane.measured.value_or(NAN));
  json->Key("measured_speedup").Number(lane.measured ? report.Speedup(*lane.measured) : NAN);
  json->End('}');
}

}  // namespace

double AdviceReport::Speedup(double rate) const { return rate * absl::ToDoubleSeconds(cpu.alone.wall); }

std::string AdviceText(const AdviceReport& report) {
  Table table({{"LANE"},
               {"ALONE", Align::kRight},
               {"HOLDING", Align::kRight},
               {"NATIVE", Align::kRight},
               {"WAITING", Align::kRight},
               {"AT ONCE", Align::kRight},
               {"PREDICTED", Align::kRight},
               {"MEASURED", Align::kRight}});
  table.Row(Cells(report, report.io));
  table.Row(Cells(report, report.cpu));
  return absl::StrCat(Titled(report), "\n\n", Wrap(Decision(report), kReportColumns), "\n",
                      Wrap(Nature(report.cpu.alone), kReportColumns), "\n\n", table.Text(), "\n",
                      report.profiled ? Holders(*report.profiled) : "", Notes(report), Legend(report), "\n",
                      report.next.empty() ? "" : absl::StrCat("next: ", report.next, "\n"));
}

std::string AdviceJson(const AdviceReport& report) {
  JsonWriter json;
  json.Begin('{').Key("gild_version").String(report.gild_version);
  json.Key("python_version").String(report.python_version);
  json.Key("script").String(report.script);
  json.Key("cores").Unsigned(report.places.cores);
  json.Key("took_seconds").Number(absl::ToDoubleSeconds(report.took));
  json.Key("tag").String(TagWord(report.Tag()));
  json.Key("confirmed");
  report.io.measured ? json.Bool(report.Confirmed()) : json.Null();
  json.Key("copies_at_once").Unsigned(report.plan.copies).Key("copies_lowered").Bool(report.plan.lowered);
  json.Key("other_load").Number(report.other_load.value_or(NAN));
  json.Key("baseline").String("one at a time, in the CPU lane");
  json.Key("lanes").Begin('[');
  WriteLane(report, report.io, &json);
  WriteLane(report, report.cpu, &json);
  json.End(']').Key("lock_profile");
  if (!report.profiled) return json.Null().End('}').text();
  json.Begin('{').Key("run_seconds").Number(absl::ToDoubleSeconds(FromProto(report.profiled->usage().run())));
  json.Key("hold_seconds").Number(absl::ToDoubleSeconds(FromProto(report.profiled->lock().hold())));
  json.Key("functions").Begin('[');
  for (const v1::FunctionHold& hold : report.profiled->lock_profile()) {
    json.Begin('{').Key("function").String(hold.function()).Key("file").String(hold.file());
    json.Key("line").Unsigned(hold.line());
    json.Key("hold_seconds").Number(absl::ToDoubleSeconds(FromProto(hold.hold())));
    json.Key("calls").Unsigned(hold.calls()).End('}');
  }
  return json.End(']').End('}').End('}').text();
}

}  // namespace gild::cli
