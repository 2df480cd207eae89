#include "client/cli/bench_command.h"

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/bench_report.h"
#include "client/cli/demo_run.h"
#include "client/cli/demo_workload.h"
#include "client/cli/exit_code.h"
#include "client/cli/failure.h"
#include "client/cli/run_command.h"
#include "client/cli/signals.h"
#include "client/cpp/client.h"

namespace gild::cli {
namespace {

constexpr char kNoop[] = "noop";
constexpr size_t kUnaryOutstanding = 64;
constexpr size_t kStreamOutstanding = 256;
constexpr size_t kBatchesOutstanding = 4;
constexpr size_t kOpenOutstanding = 1024;
constexpr uint64_t kBatch = 64;
constexpr size_t kDrawingOutstanding = 8;
// Parts of about 20 ms, so that a run of some seconds has enough of them.
constexpr int64_t kPrimesLimit = 300000;
constexpr int64_t kArrayBlocks = 20;
constexpr absl::Duration kWarmUpDefault = absl::Seconds(1);
constexpr absl::Duration kDurationDefault = absl::Seconds(10);

// What is sent, and what must live as long.
struct Prepared {
  std::string title;
  std::vector<v1::Task> tasks;
  std::shared_ptr<SlowHttp> pages;
};

std::vector<v1::Task> TasksOf(const Workload& workload) {
  std::vector<v1::Task> tasks;
  for (size_t i = 0; i < workload.tasks; ++i) tasks.push_back(workload.task(i));
  return tasks;
}

bool PrepareUrls(Prepared* prepared, Failure* failure) {
  absl::StatusOr<std::unique_ptr<SlowHttp>> pages = SlowHttp::Start(kDemoPageDelay);
  if (!pages.ok()) {
    *failure = {{std::string(pages.status().message()), ""}, kExitGildFailed};
    return false;
  }
  prepared->pages = *std::move(pages);
  std::vector<std::string> urls;
  for (size_t i = 0; i < kDemoUrls; ++i) urls.push_back(prepared->pages->Url(i));
  prepared->tasks = TasksOf(UrlsWorkload(std::move(urls), prepared->pages));
  return true;
}

bool PrepareImages(Client* client, const std::string& address, const Terminal& terminal, Prepared* prepared,
                   Failure* failure) {
  auto pictures = std::make_shared<std::vector<std::string>>();
  if (!DrawPictures(client, address, kDemoPictures, kDrawingOutstanding, terminal, pictures.get(), failure)) {
    return false;
  }
  prepared->tasks = TasksOf(ImagesWorkload(pictures, kDemoPictures));
  return true;
}

// A workload of ours, not a file.
bool IsWord(const std::string& workload) {
  const char* const words[] = {kNoop, "urls", "images", "primes", "arrays"};
  return std::find(std::begin(words), std::end(words), workload) != std::end(words);
}

// The user's file, or a no-op, as `gild run` makes them.
bool PrepareSource(const BenchOptions& options, Prepared* prepared, Failure* failure) {
  failure->exit_code = kExitUsage;
  RunOptions run;
  run.tag = options.tag;
  run.entry = options.entry;
  run.arguments = options.arguments;
  if (options.workload == kNoop) {
    run.code = "pass";
    run.name = kNoop;
  } else {
    run.file = options.workload;
  }
  prepared->tasks.emplace_back();
  if (!MakeTask(run, &prepared->tasks.back(), &failure->why)) return false;
  if (!options.entry.empty()) absl::StrAppend(&prepared->title, ": ", options.entry);
  return true;
}

// One of the demo's lessons.
bool PrepareLesson(const BenchOptions& options, Client* client, const std::string& address, const Terminal& terminal,
                   Prepared* prepared, Failure* failure) {
  const std::string& word = options.workload;
  if (word == "urls" && !PrepareUrls(prepared, failure)) return false;
  if (word == "images" && !PrepareImages(client, address, terminal, prepared, failure)) return false;
  if (word == "primes") prepared->tasks = TasksOf(PrimesWorkload(kPrimesLimit));
  if (word == "arrays") prepared->tasks = TasksOf(ArraysWorkload(kArrayBlocks));
  for (v1::Task& task : prepared->tasks) task.set_tag(TagOf(options.tag));
  return true;
}

// Waits for the end, with a bar where there is a terminal; a signal ends it early.
bench::Figures Watch(bench::Load* load, const BenchOptions& options, const Signals& signals, const Terminal& terminal) {
  constexpr int kRedrawMs = 100;
  const double seconds = absl::ToDoubleSeconds(options.duration.value_or(kDurationDefault));
  const size_t total = options.tasks ? *options.tasks : static_cast<size_t>(std::ceil(seconds));
  const std::string label = absl::StrCat("bench ", OneLine(options.workload), options.tasks ? ", tasks" : ", seconds");
  ProgressBar bar(terminal, label, total);
  for (;;) {
    pollfd wait[] = {{load->over_fd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(wait, 2, terminal.stderr_is_terminal() ? kRedrawMs : -1) < 0) continue;
    if (wait[0].revents != 0) break;
    if (wait[1].revents != 0) {
      signals.Read();
      load->Stop();
    }
    const bench::Load::Progress progress = load->progress();
    if (progress.warming_up) continue;
    bar.Set(options.tasks ? progress.sent : static_cast<size_t>(progress.elapsed_ns / bench::kNsPerSecond));
  }
  return load->Take();
}

// A closed loop finds the rate that the server takes; its latency shows best in an open loop at half of that.
std::string NextCommand(const BenchOptions& options, const BenchReport& report, const std::string& address) {
  const std::string server = address == kDefaultServer ? "" : absl::StrCat(" --server ", address);
  if (options.rate || !IsWord(options.workload) || report.figures.rate < 2) {
    return absl::StrCat("gild stats --watch", server);
  }
  std::string command = absl::StrCat("gild bench ", options.workload);
  if (options.tag != "auto") absl::StrAppend(&command, " --tag ", options.tag);
  if (options.mode != bench::Mode::kUnary) absl::StrAppend(&command, " --mode ", ModeWord(options.mode));
  const double half = std::min(report.figures.rate / 2, kBenchRateMax);
  return absl::StrCat(command, absl::StrFormat(" --rate %.0f", half), server);
}

int Show(const BenchReport& report, bool json, const Terminal& terminal) {
  const auto bold = [&terminal](const std::string& text) { return terminal.Bold(text); };
  return Print(json ? BenchJson(report) + "\n" : BenchText(report, bold), terminal);
}

}  // namespace

bool MakeLoad(const BenchOptions& options, const std::string& address, bench::LoadOptions* load,
              Explanation* complaint) {
  const auto complain = [complaint](const std::string& cause, const std::string& hint) {
    *complaint = {cause, hint};
    return false;
  };
  const bool batched = options.mode == bench::Mode::kBatched;
  if (IsWord(options.workload) && !options.entry.empty()) {
    return complain(absl::StrCat("--entry goes with FILE, not with ", options.workload),
                    absl::StrCat("a file of that name: ./", options.workload));
  }
  if (options.batch && !batched) return complain("--batch needs --mode batched", "see `gild bench --help`");
  if (options.tasks && options.duration) return complain("give --duration or --tasks, not both", "either ends the run");
  if (!options.rate && (options.spacing || options.seed)) {
    return complain(absl::StrCat(options.spacing ? "--spacing" : "--seed", " needs --rate"),
                    "they make the planned moments of an open loop");
  }
  load->address = address;
  load->mode = options.mode;
  load->connections = options.connections;
  load->batch = batched ? options.batch.value_or(kBatch) : 1;
  const size_t least = load->connections * load->batch;
  size_t usual = options.mode == bench::Mode::kUnary ? kUnaryOutstanding : kStreamOutstanding;
  if (batched) usual = kBatchesOutstanding * load->batch;
  if (options.rate) usual = kOpenOutstanding;
  load->outstanding = options.outstanding.value_or(std::max(usual, least));
  if (load->outstanding < least) {
    return complain(absl::StrCat("--outstanding ", load->outstanding, " is less than ", least,
                                 batched ? ", a batch for each connection" : ", one for each connection"),
                    "raise it, or lower --connections or --batch");
  }
  load->rate = options.rate;
  load->spacing = options.spacing.value_or(bench::Spacing::kPoisson);
  load->seed = options.seed.value_or(1);
  load->warm_up_ns = absl::ToInt64Nanoseconds(options.warm_up.value_or(kWarmUpDefault));
  load->length_ns = absl::ToInt64Nanoseconds(options.duration.value_or(kDurationDefault));
  load->task_count = options.tasks;
  return true;
}

int RunBench(const BenchOptions& options, const std::string& address, const Terminal& terminal) {
  BenchReport report;
  Failure failure = {{}, kExitUsage};
  if (!MakeLoad(options, address, &report.load, &failure.why)) return Tell(failure, terminal);

  // A file that cannot be read is told before a server is asked.
  Prepared prepared = {.title = options.workload};
  const bool is_lesson = IsWord(options.workload) && options.workload != kNoop;
  if (!is_lesson && !PrepareSource(options, &prepared, &failure)) return Tell(failure, terminal);
  const Signals signals;
  Client client(address);
  const absl::StatusOr<v1::Info> info = client.GetInfo();
  if (!info.ok()) return Tell(FailureOf(info.status(), address), terminal);
  if (is_lesson && !PrepareLesson(options, &client, address, terminal, &prepared, &failure)) {
    return Tell(failure, terminal);
  }

  report.gild_version = info->version();
  report.python_version = info->python_version();
  report.workload = prepared.title;
  report.client_cores = std::max(1u, std::thread::hardware_concurrency());
  {
    bench::LoadOptions load_options = report.load;
    load_options.tasks = std::move(prepared.tasks);
    bench::Load load(std::move(load_options));
    report.figures = Watch(&load, options, signals, terminal);
  }
  const bench::Figures& figures = report.figures;
  report.next = NextCommand(options, report, address);
  if (figures.sent == 0 && figures.interrupted) {
    terminal.Error("interrupted before the measured time began", "--warm-up 0 measures at once");
    return kExitCancelled;
  }
  const int told = figures.sent > figures.unanswered ? Show(report, options.json, terminal) : kExitSucceeded;
  if (!figures.failure.ok()) return Tell(FailureOf(figures.failure, address), terminal);
  return told;
}

}  // namespace gild::cli
