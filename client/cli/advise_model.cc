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
// Of the time that is left: each round's four parts. As long as one another, for the quickest round counts, and a short
// one may meet a lucky moment.
constexpr double kPartShare = 0.03;
// All rounds together, for the prediction may be a little off.
constexpr double kUsedShare = 0.9;

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

// In the I/O lane, where each run loses so much at the lock.
double ThreadsRate(const AloneCost& alone, size_t cores, double at_once, absl::Duration hand_overs) {
  double sum = std::pow(PerSecond(at_once, alone.wall + hand_overs), -kSoftness);
  // What there is enough of for all copies stands in nobody's way.
  if (at_once > 1) sum += std::pow(PerSecond(1, alone.hold + hand_overs), -kSoftness);
  const auto places = static_cast<double>(cores);
  if (at_once > places) sum += std::pow(PerSecond(places, alone.OnCores() + hand_overs), -kSoftness);
  return std::pow(sum, -1 / kSoftness);
}

}  // namespace

absl::Duration AloneCost::OnCores() const { return hold + native + std::max(wall - run, absl::ZeroDuration()); }
double AloneCost::HoldShare() const { return Share(hold, run); }
double AloneCost::NativeShare() const { return Share(native, run); }
double AloneCost::WaitingShare() const { return std::max(0.0, 1 - HoldShare() - NativeShare()); }

double PredictedRate(v1::Lane lane, const AloneCost& alone, const Places& places, size_t copies) {
  const auto cores = static_cast<double>(places.cores);
  if (lane == v1::CPU_LANE) {
    return std::min({PerSecond(copies, alone.wall), PerSecond(std::min(copies, places.processes), alone.run),
                     PerSecond(cores, alone.OnCores())});
  }
  const double at_once = static_cast<double>(std::min(copies, places.threads));
  const double cores_wanted = at_once * Share(alone.native, alone.wall);
  const double lock_taken =
      ThreadsRate(alone, places.cores, at_once, absl::ZeroDuration()) * absl::ToDoubleSeconds(alone.hold);
  const absl::Duration hand_overs =
      std::min(1.0, lock_taken) * std::min(1.0, cores_wanted / (cores + 1)) * alone.takes * kHandOver;
  return ThreadsRate(alone, places.cores, at_once, hand_overs);
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
  plan.io_alone = Tasks(left * kPartShare, PerSecond(1, io.wall), 1);
  plan.cpu_alone = Tasks(left * kPartShare, PerSecond(1, cpu.wall), 1);
  if (plan.measure) {
    plan.io_tasks = Tasks(left * kPartShare, rate(v1::IO_LANE), plan.copies);
    plan.cpu_tasks = Tasks(left * kPartShare, rate(v1::CPU_LANE), plan.copies);
  }
  const double planned = static_cast<double>(plan.io_alone) * absl::ToDoubleSeconds(io.wall) +
                         static_cast<double>(plan.cpu_alone) * absl::ToDoubleSeconds(cpu.wall) +
                         static_cast<double>(plan.io_tasks) / rate(v1::IO_LANE) +
                         static_cast<double>(plan.cpu_tasks) / rate(v1::CPU_LANE);
  plan.rounds = std::clamp<size_t>(static_cast<size_t>(kUsedShare * left / planned), 1, kRoundsMost);
  return plan;
}

}  // namespace gild::cli
