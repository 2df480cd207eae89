#include "client/cli/advise_model.h"

#include <algorithm>
#include <cmath>

namespace gild::cli {
namespace {

constexpr double kSoftness = 4;
// Work that waits shows what threads can do with many at once; work that computes has enough of a few a core.
constexpr size_t kCopiesThatWait = 32;
constexpr size_t kCopiesACore = 4;
constexpr size_t kRoundsMost = 5;
constexpr size_t kTasksMost = 2000;
// Of the time that is left, each round's.
constexpr double kAloneShare = 0.015;
constexpr double kAtOnceShare = 0.04;

double Share(absl::Duration part, absl::Duration whole) {
  return whole > absl::ZeroDuration() ? absl::FDivDuration(part, whole) : 0;
}

double PerSecond(double runs, absl::Duration duration) {
  return runs / std::max(absl::ToDoubleSeconds(duration), 1e-9);
}

size_t Tasks(double seconds, double rate, size_t copies) {
  const size_t turns = static_cast<size_t>(std::llround(seconds * rate / static_cast<double>(copies)));
  return std::clamp<size_t>(turns, 1, std::max<size_t>(1, kTasksMost / copies)) * copies;
}

}  // namespace

double AloneCost::HoldShare() const { return Share(hold, run); }
double AloneCost::NativeShare() const { return Share(native, run); }
double AloneCost::WaitingShare() const { return std::max(0.0, 1 - HoldShare() - NativeShare()); }

double PredictedRate(v1::Lane lane, const AloneCost& alone, const Places& places, size_t copies) {
  const absl::Duration around = std::max(alone.wall - alone.run, absl::ZeroDuration());
  const absl::Duration computing = alone.hold + alone.native;
  const auto cores = static_cast<double>(places.cores);
  if (lane == v1::CPU_LANE) {
    return std::min({PerSecond(copies, alone.wall), PerSecond(std::min(copies, places.processes), alone.run),
                     PerSecond(cores, computing + around)});
  }
  const double at_once = static_cast<double>(std::min(copies, places.threads));
  const double on_cores = at_once * Share(computing, alone.wall);
  const absl::Duration hand_overs = std::min(1.0, on_cores / (cores + 1)) * alone.takes * kHandOver;
  double sum = std::pow(PerSecond(at_once, alone.wall + hand_overs), -kSoftness);
  // What there is enough of for all copies stands in nobody's way.
  if (at_once > 1) sum += std::pow(PerSecond(1, alone.hold + hand_overs), -kSoftness);
  if (at_once > cores) sum += std::pow(PerSecond(cores, computing + hand_overs + around), -kSoftness);
  return std::pow(sum, -1 / kSoftness);
}

v1::Tag TagFor(double io_rate, double cpu_rate) { return io_rate >= kAsGood * cpu_rate ? v1::IO : v1::CPU; }

AdvicePlan PlanFor(const AloneCost& io, const AloneCost& cpu, const Places& places, size_t copies,
                   absl::Duration time_left) {
  AdvicePlan plan;
  const size_t usual = cpu.WaitingShare() > 0.5 ? kCopiesThatWait : kCopiesACore * places.cores;
  plan.copies = std::max<size_t>(1, std::min(copies == 0 ? usual : copies, places.threads));
  plan.lowered = plan.copies < copies;
  const double left = std::max(0.0, absl::ToDoubleSeconds(time_left));
  const double alone = absl::ToDoubleSeconds(io.wall + cpu.wall);
  const auto rate = [&](v1::Lane lane) {
    return PredictedRate(lane, lane == v1::IO_LANE ? io : cpu, places, plan.copies);
  };
  // Of one round, at the least.
  const auto round = [&] {
    return alone + static_cast<double>(plan.copies) * (1 / rate(v1::IO_LANE) + 1 / rate(v1::CPU_LANE));
  };
  while (plan.copies > 2 && round() > left) {
    plan.copies = std::max<size_t>(2, plan.copies / 2);
    plan.lowered = true;
  }
  if (alone > left) return plan;
  plan.measure = round() <= left;
  const double times = left / (plan.measure ? round() : alone);
  plan.rounds = std::clamp<size_t>(static_cast<size_t>(times), 1, kRoundsMost);
  plan.io_alone = Tasks(left * kAloneShare, PerSecond(1, io.wall), 1);
  plan.cpu_alone = Tasks(left * kAloneShare, PerSecond(1, cpu.wall), 1);
  if (plan.measure) {
    plan.io_tasks = Tasks(left * kAtOnceShare, rate(v1::IO_LANE), plan.copies);
    plan.cpu_tasks = Tasks(left * kAtOnceShare, rate(v1::CPU_LANE), plan.copies);
  }
  return plan;
}

}  // namespace gild::cli
