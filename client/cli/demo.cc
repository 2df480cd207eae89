#include "client/cli/demo.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/demo_report.h"
#include "client/cli/demo_run.h"
#include "client/cli/demo_workload.h"
#include "client/cli/exit_code.h"
#include "client/cli/runtime.h"
#include "client/cli/slow_http.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

constexpr size_t kImages = 1000;
constexpr int64_t kPrimesLimit = 2500000;  // two cores: 2 to 4 s
constexpr int64_t kArrayBlocks = 2000;     // two cores: 1 to 2 s
constexpr size_t kOutstandingMost = 512;   // sockets of the slow server, descriptors of the interpreter
constexpr size_t kImageBytesMost = size_t{1} << 30;
constexpr absl::Duration kRuntimeStartMost = absl::Seconds(15);  // a JVM's
constexpr int64_t kRuntimeSlower = 20;                           // than the slower lane: it hangs

Failure Usage(const std::string& cause, const std::string& hint) { return {{cause, hint}, kExitUsage}; }

bool Contains(const auto& list, const char* word) { return std::find(list.begin(), list.end(), word) != list.end(); }

bool Chosen(const std::vector<std::string>& list, const char* word) { return list.empty() || Contains(list, word); }

size_t Scaled(size_t count, double scale) {
  return std::max<size_t>(1, static_cast<size_t>(std::llround(static_cast<double>(count) * scale)));
}

absl::Duration CpuOf(const std::vector<v1::Outcome>& outcomes) {
  absl::Duration cpu;
  for (const v1::Outcome& outcome : outcomes) cpu += FromProto(outcome.usage().cpu());
  return cpu;
}

class Demo {
 public:
  Demo(const DemoOptions& options, const std::string& address, const Terminal& terminal)
      : options_(options), address_(address), terminal_(terminal), client_(address) {}

  bool Run(DemoReport* report, Failure* failure) {
    const absl::Time began = absl::Now();
    if (!Ask(report, failure) || !AskForRuntime(report, failure)) return false;
    for (auto make : {&Demo::MakeUrls, &Demo::MakeImages, &Demo::MakePrimes, &Demo::MakeArrays}) {
      std::optional<Workload> workload;
      if (!(this->*make)(&workload, failure)) return false;
      if (!workload) continue;
      report->workloads.emplace_back();
      if (!Measure(*workload, &report->workloads.back(), failure)) return false;
      if (report->runtime && workload->anywhere &&
          !MeasureRuntime(*workload, *report->runtime, &report->workloads.back(), failure)) {
        return false;
      }
    }
    report->took = absl::Now() - began;
    return true;
  }

 private:
  // Who is there, and how many tasks keep its lanes fed.
  bool Ask(DemoReport* report, Failure* failure) {
    const absl::StatusOr<v1::Info> info = client_.GetInfo();
    if (!info.ok()) {
      *failure = FailureOf(info.status(), address_);
      return false;
    }
    report->gild_version = info->version();
    report->python_version = info->python_version();
    report->cores = {info->cores().begin(), info->cores().end()};
    for (const v1::LaneInfo& lane : info->lanes()) {
      const size_t places = std::max<size_t>(1, size_t{lane.interpreters()} * lane.threads_per_interpreter());
      if (lane.lane() == v1::IO_LANE) io_outstanding_ = std::clamp<size_t>(places, 8, kOutstandingMost);
      if (lane.lane() == v1::CPU_LANE) {
        cpu_places_ = std::min(places, kOutstandingMost);
        cpu_outstanding_ = std::clamp<size_t>(4 * places, 8, kOutstandingMost);
        cpu_network_ = !Contains(lane.isolation(), "network-namespace");
      }
    }
    return true;
  }

  bool AskForRuntime(DemoReport* report, Failure* failure) {
    if (options_.runtime.empty()) return true;
    if (!Chosen(options_.only, "primes") && !Chosen(options_.only, "arrays")) {
      *failure = Usage("--runtime runs primes and arrays, and --only names neither", "");
      return false;
    }
    return AskRuntime(options_.runtime, kRuntimeStartMost, &report->runtime.emplace(), failure);
  }

  bool MakeUrls(std::optional<Workload>* workload, Failure* failure) {
    if (!Chosen(options_.only, "urls")) return true;
    std::vector<std::string> urls;
    if (!options_.url_file.empty()) {
      if (!ReadUrls(&urls, failure)) return false;
      *workload = UrlsWorkload(std::move(urls), nullptr);
      return true;
    }
    absl::StatusOr<std::unique_ptr<SlowHttp>> server = SlowHttp::Start(kDemoPageDelay);
    if (!server.ok()) {
      *failure = {{std::string(server.status().message()), ""}, kExitGildFailed};
      return false;
    }
    for (size_t i = 0; i < Scaled(kDemoUrls, options_.scale); ++i) urls.push_back((*server)->Url(i));
    *workload = UrlsWorkload(std::move(urls), *std::move(server));
    return true;
  }

  bool ReadUrls(std::vector<std::string>* urls, Failure* failure) {
    std::ifstream file(options_.url_file);
    for (std::string line; std::getline(file, line);) {
      const std::string url(absl::StripAsciiWhitespace(line));
      if (url.empty() || url.front() == '#') continue;
      if (!absl::StartsWith(url, "http://") && !absl::StartsWith(url, "https://")) {
        *failure = Usage(absl::StrCat("--url-file ", options_.url_file, ": not an http or https URL: ", OneLine(url)),
                         "one URL a line");
        return false;
      }
      urls->push_back(url);
    }
    if (!urls->empty()) return true;
    *failure =
        Usage(absl::StrCat("--url-file ", options_.url_file, ": cannot be read, or holds no URL"), "one URL a line");
    return false;
  }

  bool MakeImages(std::optional<Workload>* workload, Failure* failure) {
    if (!Chosen(options_.only, "images")) return true;
    auto pictures = std::make_shared<std::vector<std::string>>();
    if (!options_.images.empty()) {
      if (!ReadPictures(pictures.get(), failure)) return false;
      const size_t count = pictures->size();
      *workload = ImagesWorkload(std::move(pictures), count);
      return true;
    }
    const size_t images = Scaled(kImages, options_.scale);
    if (!DrawPictures(&client_, address_, std::min(kDemoPictures, images), cpu_outstanding_, terminal_, pictures.get(),
                      failure)) {
      return false;
    }
    *workload = ImagesWorkload(std::move(pictures), images);
    return true;
  }

  bool ReadPictures(std::vector<std::string>* pictures, Failure* failure) {
    std::error_code error;
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(options_.images, error)) {
      const std::string suffix = absl::AsciiStrToLower(entry.path().extension().string());
      if (suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png") paths.push_back(entry.path());
    }
    if (error || paths.empty()) {
      *failure = Usage(absl::StrCat("--images ", options_.images, ": ",
                                    error ? error.message() : std::string("no *.jpg, *.jpeg or *.png in it")),
                       "name a directory with pictures");
      return false;
    }
    std::sort(paths.begin(), paths.end());
    size_t bytes = 0;
    for (const auto& path : paths) {
      std::ifstream file(path, std::ios::binary);
      pictures->emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
      bytes += pictures->back().size();
      if (bytes > kImageBytesMost) {
        *failure = Usage(absl::StrCat("--images ", options_.images, ": more than 1 GiB of pictures"),
                         "name a smaller directory");
        return false;
      }
    }
    return true;
  }

  bool MakePrimes(std::optional<Workload>* workload, Failure*) {
    if (!Chosen(options_.only, "primes")) return true;
    *workload = PrimesWorkload(std::max<int64_t>(100, std::llround(kPrimesLimit * options_.scale)));
    return true;
  }

  bool MakeArrays(std::optional<Workload>* workload, Failure*) {
    if (!Chosen(options_.only, "arrays")) return true;
    *workload = ArraysWorkload(Scaled(kArrayBlocks, options_.scale));
    return true;
  }

  bool Measure(const Workload& workload, WorkloadFigures* figures, Failure* failure) {
    figures->id = workload.id;
    figures->title = workload.title;
    figures->subject = workload.subject;
    if (options_.baseline && !MeasureBaseline(workload, figures, failure)) return false;
    static constexpr struct {
      const char* word;
      v1::Tag tag;
      v1::Lane lane;
    } kLanes[] = {{"io", v1::IO, v1::IO_LANE}, {"cpu", v1::CPU, v1::CPU_LANE}};
    for (const auto& [word, tag, lane] : kLanes) {
      if (!Chosen(options_.lanes, word)) continue;
      if (lane == v1::CPU_LANE && !FitsCpuLane(workload)) {
        terminal_.Error(
            absl::StrCat(workload.title, ": left out in the CPU lane, which has no network on this server"));
        terminal_.Error("hint: gild-server --cpu-network gives it one");
        continue;
      }
      figures->lanes.emplace_back();
      if (!MeasureLane(workload, tag, lane, &figures->lanes.back(), failure)) return false;
    }
    return true;
  }

  bool FitsCpuLane(const Workload& workload) const { return cpu_network_ || !workload.waits; }

  bool MeasureBaseline(const Workload& workload, WorkloadFigures* figures, Failure* failure) {
    const bool in_cpu_lane = FitsCpuLane(workload);
    const v1::Tag tag = in_cpu_lane ? v1::CPU : v1::IO;
    if (!WarmUp(&client_, address_, workload, tag, cpu_places_, terminal_, failure)) return false;
    const absl::StatusOr<v1::Stats> before = client_.GetStats();
    WorkloadRun run;
    const std::string label = workload.title + ", one at a time";
    if (!RunWorkload(&client_, address_, workload, tag, 1, terminal_, label, &run, failure)) return false;
    const absl::StatusOr<v1::Stats> after = client_.GetStats();
    figures->baseline = SumOf(in_cpu_lane ? v1::CPU_LANE : v1::IO_LANE, run.outcomes).run;
    if (before.ok() && after.ok()) figures->other_load = OtherLoad(*before, *after, CpuOf(run.outcomes));
    return true;
  }

  bool MeasureLane(const Workload& workload, v1::Tag tag, v1::Lane lane, LaneFigures* figures, Failure* failure) {
    const bool many = lane == v1::IO_LANE && workload.waits;
    const size_t outstanding = many ? io_outstanding_ : cpu_outstanding_;
    const size_t places = lane == v1::IO_LANE ? std::min(outstanding, workload.tasks) : cpu_places_;
    if (!WarmUp(&client_, address_, workload, tag, places, terminal_, failure)) return false;
    const absl::StatusOr<v1::Stats> before = client_.GetStats();
    WorkloadRun run;
    const std::string label = absl::StrCat(workload.title, ", ", LaneTitle(lane), " lane");
    if (!RunWorkload(&client_, address_, workload, tag, outstanding, terminal_, label, &run, failure)) return false;
    const absl::StatusOr<v1::Stats> after = client_.GetStats();
    *figures = SumOf(lane, run.outcomes);
    figures->outstanding = std::min(outstanding, workload.tasks);
    figures->wall = run.wall;
    if (before.ok() && after.ok()) figures->cores = BusyShares(*before, *after);
    return true;
  }

  // Last, so that the lanes say how long is too long.
  bool MeasureRuntime(const Workload& workload, const Runtime& runtime, WorkloadFigures* figures, Failure* failure) {
    absl::Duration slowest;
    for (const LaneFigures& lane : figures->lanes) slowest = std::max(slowest, lane.wall);
    const absl::Duration time_most = kRuntimeStartMost + kRuntimeSlower * slowest;
    const ProgressBar progress(terminal_, absl::StrCat(workload.title, ", ", runtime.Name()), workload.tasks);
    RuntimeFigures& row = figures->runtime.emplace();
    row.tasks = workload.tasks;
    row.threads = std::min(cpu_outstanding_, workload.tasks);
    if (options_.baseline) {
      if (!RunInThreads(runtime, workload, 1, time_most, &row.run, failure)) return false;
      if (!row.run.missing.empty()) return true;
      row.alone = row.run.wall;
    }
    const absl::StatusOr<v1::Stats> before = client_.GetStats();
    if (!RunInThreads(runtime, workload, row.threads, time_most, &row.run, failure)) return false;
    const absl::StatusOr<v1::Stats> after = client_.GetStats();
    if (row.run.missing.empty() && before.ok() && after.ok()) row.cores = BusyShares(*before, *after);
    return true;
  }

  const DemoOptions& options_;
  const std::string address_;
  const Terminal& terminal_;
  Client client_;
  size_t io_outstanding_ = 128;
  size_t cpu_outstanding_ = 8;
  size_t cpu_places_ = 1;
  bool cpu_network_ = true;
};

}  // namespace

int RunDemo(const DemoOptions& options, const std::string& address, const Terminal& terminal) {
  DemoReport report;
  Failure failure;
  if (!Demo(options, address, terminal).Run(&report, &failure)) return Tell(failure, terminal);
  return Print(options.json ? DemoJson(report) + "\n" : DemoText(report, terminal.utf8()), terminal);
}

int ServeUrls(const Terminal& terminal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const absl::StatusOr<std::unique_ptr<SlowHttp>> server = SlowHttp::Start(kDemoPageDelay);
  if (!server.ok()) {
    terminal.Error(std::string(server.status().message()));
    return kExitGildFailed;
  }
  if (!WriteAll(STDOUT_FILENO, (*server)->Url(0) + "\n")) return kExitGildFailed;
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  for (;;) {
    pollfd wait[] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(wait, 2, -1) < 0) continue;
    char byte;
    if (wait[0].revents != 0 || read(STDIN_FILENO, &byte, 1) <= 0) break;
  }
  close(signals);
  return kExitSucceeded;
}

}  // namespace gild::cli
