// sleepers: thousands of `async def` tasks at once on one event loop, and what each costs.
//
// Sends them through one RunStream; each sleeps and returns. Prints how long all of them took, how much the
// interpreter's resident memory grew at most for each, and how long the steps of each waited for the loop (median and
// worst). A smaller round goes first, since the first tasks find out that the body is a coroutine. Exits 1 when a task
// did not succeed.
//
//   sleepers ADDRESS [TASKS [SECONDS]]      10000 and 1; the server must run on this machine
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// proc(5): the second figure of statm, in pages.
double ResidentKib(int pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

struct Round {
  double wall_s = 0;
  int failed = 0;
  std::vector<double> loop_wait_s;
};

Round Sleep(gild::Client& client, int tasks, const std::string& seconds) {
  gild::v1::Task task;
  task.set_tag(gild::v1::IO);
  task.mutable_source()->set_code(
      "import asyncio\n"
      "async def nap(seconds):\n"
      "    await asyncio.sleep(seconds)\n");
  task.mutable_source()->set_entry("nap");
  task.mutable_source()->add_arguments()->set_json(seconds);

  Round round;
  const auto stream = client.OpenStream({.window = static_cast<size_t>(tasks)});
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < tasks; ++i) {
    // Callbacks come one at a time, on the stream's thread.
    const auto sent = stream->Run(task, [&round](absl::StatusOr<const gild::v1::Outcome*> outcome) {
      if (!outcome.ok() || (*outcome)->ending() != gild::v1::SUCCEEDED) {
        ++round.failed;
      } else {
        round.loop_wait_s.push_back(absl::ToDoubleSeconds(gild::FromProto((*outcome)->usage().loop_wait())));
      }
    });
    if (!sent.ok()) ++round.failed;
  }
  if (const absl::Status status = stream->Finish(); !status.ok()) {
    std::fprintf(stderr, "sleepers: %s\n", status.ToString().c_str());
    ++round.failed;
  }
  round.wall_s = SecondsSince(begin);
  std::sort(round.loop_wait_s.begin(), round.loop_wait_s.end());
  return round;
}

int IoInterpreter(gild::Client& client) {
  const auto stats = client.GetStats();
  if (!stats.ok()) return 0;
  for (const gild::v1::InterpreterStats& slot : stats->interpreters()) {
    if (slot.lane() == gild::v1::IO_LANE) return slot.pid();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: sleepers ADDRESS [TASKS [SECONDS]]\n");
    return 2;
  }
  const int tasks = argc > 2 ? std::atoi(argv[2]) : 10'000;
  const std::string seconds = argc > 3 ? argv[3] : "1";
  gild::Client client(argv[1]);
  (void)Sleep(client, 200, "0");

  const int pid = IoInterpreter(client);
  const double before_kib = ResidentKib(pid);
  std::atomic<bool> over = false;
  double most_kib = before_kib;
  std::thread watcher([&] {
    while (!over) {
      most_kib = std::max(most_kib, ResidentKib(pid));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const Round round = Sleep(client, tasks, seconds);
  over = true;
  watcher.join();
  if (round.loop_wait_s.empty()) return 1;
  std::printf("%d tasks that sleep %s s: all ended after %.3f s, %d did not succeed\n", tasks, seconds.c_str(),
              round.wall_s, round.failed);
  std::printf("memory: the interpreter grew by %.1f MiB at most, %.1f KiB a task\n", (most_kib - before_kib) / 1024,
              (most_kib - before_kib) / tasks);
  std::printf("loop_wait: median %.1f ms, worst %.1f ms\n", round.loop_wait_s[round.loop_wait_s.size() / 2] * 1e3,
              round.loop_wait_s.back() * 1e3);
  return round.failed == 0 ? 0 : 1;
}
